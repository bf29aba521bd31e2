"""Runs the suite under the real plugin and reads the database that the plugin writes."""
import json
import os
import re
import sqlite3
from pathlib import Path

from processes import plain_environment, run_group

SUITE = Path(__file__).parent / "suite"
SECONDS = 300

METRIC = {
    "session_h": "SESSION_H", "context_h": "ENV_H", "item_start_time": "ITEM_START_TIME", "item_path": "ITEM_PATH",
    "item": "ITEM", "item_variant": "ITEM_VARIANT", "item_fs_loc": "ITEM_FS_LOC", "kind": "KIND",
    "component": "COMPONENT", "total_time": "TOTAL_TIME", "user_time": "USER_TIME", "kernel_time": "KERNEL_TIME",
    "cpu_usage": "CPU_USAGE", "mem_usage": "MEM_USAGE",
}
CONTEXT = {
    "h": "ENV_H", "cpu_count": "CPU_COUNT", "cpu_frequency": "CPU_FREQUENCY_MHZ", "cpu_type": "CPU_TYPE",
    "cpu_vendor": "CPU_VENDOR", "ram_total": "RAM_TOTAL_MB", "machine_node": "MACHINE_NODE",
    "machine_type": "MACHINE_TYPE", "machine_arch": "MACHINE_ARCH", "system_info": "SYSTEM_INFO",
    "python_info": "PYTHON_INFO",
}

# The plugin runs `git rev-parse HEAD`; the result must not depend on where the suite runs.
STAND_IN_FOR_GIT = """#!/bin/sh
echo "$SCM_REF"
"""


class Run:
    """One pytest run: its output, its exit code, and the local databases it left in `folder`."""

    def __init__(self, python, folder, remote, *arguments, scm_ref="", ci=None):
        self.folder = Path(folder)
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        (tools / "git").write_text(STAND_IN_FOR_GIT)
        (tools / "git").chmod(0o755)
        environment = plain_environment(
            NO_PROXY="127.0.0.1",
            PYTHONDONTWRITEBYTECODE="1",
            PYTHONUTF8="1",
            # The CPU frequency is part of the context's hash and would vary between the workers of one machine.
            PYTEST_MONITOR_FORCE_CPU_FREQ="1",
            PYTEST_MONITOR_CPU_FREQ="2445.404",
            SCM_REF=scm_ref,
            **(ci or {}),
        )
        environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"
        command = [
            str(python), "-m", "pytest", "-p", "no:cacheprovider", "--remote-server", remote,
            "--db", str(self.folder / "local.db"), "--restrict-scope-to", "function,module", "--no-gc", *arguments,
        ]
        self.exit_code, self.output = run_group(command, SECONDS, cwd=SUITE, env=environment)

    def outcome(self, name):
        """How many tests the closing line counts as, say, "passed"."""
        found = re.search(rf"(\d+) {name}\b", self.output.rstrip().rsplit("\n", 1)[-1])
        return int(found[1]) if found else 0

    def metrics(self):
        return self._rows("TEST_METRICS", METRIC)

    def contexts(self):
        rows = self._rows("EXECUTION_CONTEXTS", CONTEXT)
        return list({row["h"]: {**row, "cpu_frequency": int(row["cpu_frequency"])} for row in rows}.values())

    def sessions(self):
        columns = {"session_h": "SESSION_H", "run_date": "RUN_DATE", "scm_ref": "SCM_ID", "tags": "RUN_DESCRIPTION"}
        return [
            {**row, "tags": [{"name": name, "value": value} for name, value in json.loads(row["tags"]).items()]}
            for row in self._rows("TEST_SESSIONS", columns)
        ]

    def _rows(self, table, columns):
        rows = []
        for file in sorted(self.folder.glob("local.db*")):
            database = sqlite3.connect(file)
            found = database.execute(f"SELECT {', '.join(columns.values())} FROM {table} ORDER BY rowid")
            rows += [dict(zip(columns, row)) for row in found]
            database.close()
        return rows
