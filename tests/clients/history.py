"""Months of nightly builds, stored on the server and in a local database of the plugin's format."""
import hashlib
import json
import sqlite3
from datetime import datetime, timedelta

from plugin import CONTEXT, METRIC
from wire import call

# The branch of the plugin's own runs, which come first.
PLUGIN_PIPELINE = "main"

BUILDS = 130
START = datetime(2024, 2, 28, 23, 30)


def digest(*words):
    return hashlib.md5(" ".join(map(str, words)).encode()).hexdigest()


def contexts():
    for number in range(3):
        yield {
            "h": digest("machine", number), "cpu_count": 4 << number, "cpu_frequency": 2400, "cpu_type": "x86_64",
            "cpu_vendor": "A vendor", "ram_total": 16_000, "machine_node": f"node{number}.example.org",
            "machine_type": "x86_64", "machine_arch": "64bit", "system_info": "Linux - 6.1", "python_info": "3.9.2",
        }


def sessions():
    for build in range(BUILDS):
        tags = {
            "pipeline_branch": "weekly" if build % 7 == 0 else "nightly",
            "pipeline_build_no": str(1000 + build),
            "__ci__": "gitlabci",
            "quality": "red" if build % 3 else "green",
            "numpy": "1.26" if build < BUILDS // 2 else "2.1",
        }
        if build % 10 == 0:
            tags["release"] = f"v1.{build // 10}"
        yield {
            "session_h": digest("build", build),
            "run_date": (START + timedelta(days=build, microseconds=build)).isoformat(),
            "scm_ref": digest("commit", build // 2) + "01234567",
            "description": tags,
        }


def metrics():
    for build, session in enumerate(sessions()):
        for number, component in enumerate(("history", "history.detail")):
            seconds = ((build * 37 + number * 11) % 101 + 1) / 7
            yield {
                "session_h": session["session_h"], "context_h": digest("machine", build % 3),
                "item_start_time": (START + timedelta(days=build, seconds=number)).isoformat(),
                "item_path": "history.test_speed", "item": "test_speed", "item_variant": f"test_speed[{build % 5}]",
                "item_fs_loc": "history/test_speed.py", "kind": "function", "component": component,
                "total_time": seconds, "user_time": seconds / 3, "kernel_time": seconds / 11,
                "cpu_usage": 1 / 3 + 1 / 11, "mem_usage": (build - 60) / 13,
            }


def fill(server_url, database_file):
    database = sqlite3.connect(database_file)

    def both(where, body, table, row):
        call(f"{server_url}/api/v1/{where}/", body)
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

    for context in contexts():
        both("contexts", context, "EXECUTION_CONTEXTS", {CONTEXT[field]: context[field] for field in context})
    for session in sessions():
        row = {
            "SESSION_H": session["session_h"],
            "RUN_DATE": session["run_date"],
            "SCM_ID": session["scm_ref"],
            "RUN_DESCRIPTION": json.dumps(session["description"]),
        }
        both("sessions", session, "TEST_SESSIONS", row)
    for metric in metrics():
        both("metrics", metric, "TEST_METRICS", {METRIC[field]: metric[field] for field in metric})
    database.commit()
    database.close()
