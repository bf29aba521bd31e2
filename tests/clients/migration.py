"""Real files and databases are imported and compared field by field: what the plugin's versions 1.0, 1.3, 1.5 and 1.6 from PyPI write, and
what monitor-server has stored of the plugin. Then a server dies while pytest runs, and the file is pushed.

    python3 tests/clients/migration.py target/debug/metrograph [CACHE]
"""
import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environments import python_with
from processes import end_children_on_sigterm, plain_environment, run_group
from report import Report
from server import Server
from wire import graphql

HERE = Path(__file__).parent
SECONDS = 60
SUITE = '''
import os, signal, pytest

pytest_monitor_component = "core.sort"


def test_sort():
    assert sorted([2, 1]) == [1, 2]


@pytest.mark.parametrize("a,b", [(1, "x-y"), (2, "z")])
def test_parameters(a, b):
    if "SERVER_PID" in os.environ and a == 2:
        os.kill(int(os.environ["SERVER_PID"]), signal.SIGKILL)


def test_after():
    pass
'''
VERSIONS = {
    "1.0": ("first", []),
    "1.3": ("texts", ["--description", "a nightly run"]),
    "1.5": ("json", ["--description", "a nightly run", "--tag", "flavour=x"]),
    "1.6": (None, ["--description", "a nightly run", "--tag", "flavour=x"]),
}
VALUES = {"totalTime": "TOTAL_TIME", "userTime": "USER_TIME", "kernelTime": "KERNEL_TIME", "cpuUsage": "CPU_USAGE", "memoryUsage": "MEM_USAGE"}
NAMES = {
    "contextHash": "ENV_H", "startedAt": "ITEM_START_TIME", "componentName": "COMPONENT", "itemPath": "ITEM_PATH", "itemName": "ITEM",
    "variantName": "ITEM_VARIANT", "location": "ITEM_FS_LOC", "kind": "KIND", "sessionHash": "SESSION_H",
}
CONTEXT = {
    "hash": "ENV_H", "cpuCount": "CPU_COUNT", "cpuFrequency": "CPU_FREQUENCY_MHZ", "cpuType": "CPU_TYPE", "cpuVendor": "CPU_VENDOR",
    "ramTotal": "RAM_TOTAL_MB", "machineNode": "MACHINE_NODE", "machineType": "MACHINE_TYPE", "machineArch": "MACHINE_ARCH",
    "systemInfo": "SYSTEM_INFO", "pythonInfo": "PYTHON_INFO",
}


class Binary:
    """The program, on a database of its own in a folder."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *arguments, **variables):
        command = [str(self.path), *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.folder, env=plain_environment(**variables), capture_output=True, text=True, timeout=SECONDS
        )

    def imported(self, *sources):
        """Imports sources twice, and returns what both runs say and the records that there are then."""
        url = ["--database-url", f"sqlite://{self.folder / 'imported.db'}?mode=rwc"]
        said = [self.run("import", *sources, *url) for _ in range(2)]
        exported = self.run("export", *url)
        records = [json.loads(line) for line in exported.stdout.splitlines()[1:]]
        return said, records


def main(binary, cache=HERE.parent.parent / "target" / "clients"):
    end_children_on_sigterm()
    binary, cache, report = Path(binary).resolve(), Path(cache), Report()
    for version, (name, arguments) in VERSIONS.items():
        check(report, f"plugin {version}", lambda folder: check_version(report, binary, cache, folder, version, name, arguments))
    check(report, "monitor-server", lambda folder: check_monitor_server(report, binary, cache, folder))
    check(report, "a server that dies", lambda folder: check_push(report, binary, cache, folder))
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def check(report, name, act):
    with tempfile.TemporaryDirectory(prefix="metrograph-migration-") as folder:
        try:
            act(Path(folder))
        except Exception as error:
            report.check(name, f"{type(error).__name__}: {error}")


def plugin(cache, name):
    end = f"-{name}" if name else ""
    return python_with(cache / f"plugin{end}", [HERE / f"requirements-plugin{end}.txt"])


def pytest(python, folder, *arguments, **variables):
    (folder / "test_suite.py").write_text(SUITE)
    environment = plain_environment(PYTHONDONTWRITEBYTECODE="1", NO_PROXY="127.0.0.1", GIT_DIR=str(folder / "nothing"), **variables)
    return run_group([str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments], SECONDS, cwd=folder, env=environment)


def rows(file, table):
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')]
    connection.close()
    return found


def of_type(records, kind):
    return [record for record in records if record["type"] == kind]


def check_version(report, binary, cache, folder, version, name, arguments):
    for _ in range(2):
        code, output = pytest(plugin(cache, name), folder, *arguments)
        report.equal(f"plugin {version}: pytest", code, 0)
    file = folder / ".pymon"
    said, records = Binary(binary, folder).imported(".pymon")
    metrics = rows(file, "TEST_METRICS")
    report.equal(f"plugin {version}: import", [(done.returncode, done.stderr) for done in said], [(0, "")] * 2)
    report.check(f"plugin {version}: again", None if f" 0 metrics stored, {len(metrics)} there already" in said[1].stdout else said[1].stdout)
    if version == "1.0":
        metrics, sessions = of_first_version(metrics)
    else:
        sessions = [session_of(row) for row in rows(file, "TEST_SESSIONS")]
    compare(report, f"plugin {version}", records, sessions, metrics, rows(file, "EXECUTION_CONTEXTS"))


def compare(report, what, records, sessions, metrics, contexts):
    """Compares what was imported with the rows that it was imported from."""
    expected = [{field: row[column] for field, column in (NAMES | VALUES).items()} for row in metrics]
    for row in expected:
        row["componentName"] = row["componentName"] or ""
    got = [{field: record[field] for field in NAMES | VALUES} for record in of_type(records, "metric")]
    same(report, f"{what}: metrics", got, expected)
    same(report, f"{what}: sessions", [{key: record[key] for key in sessions[0]} for record in of_type(records, "session")], sessions)
    expected = [{field: row[column] for field, column in CONTEXT.items()} for row in contexts]
    same(report, f"{what}: contexts", [{field: record[field] for field in CONTEXT} for record in of_type(records, "context")], expected)


def same(report, what, got, expected):
    def text(record):
        return json.dumps({key: float(value) if isinstance(value, int) else value for key, value in record.items()}, sort_keys=True)

    report.same_list(what, sorted(map(text, got)), sorted(map(text, expected)))


def session_of(row):
    revision, description = row.get("SCM_ID", row.get("SCM_REF")), row.get("RUN_DESCRIPTION", row.get("DESCRIPTION"))
    try:
        tags = json.loads(description)
    except ValueError:
        tags = {"description": description} if description else {}
    tags = [{"name": name, "value": str(value)} for name, value in tags.items()]
    return {"hash": row["SESSION_H"], "runDate": row["RUN_DATE"], "scmRef": revision, "tags": tags}


def of_first_version(metrics):
    """What plugin 1.0 wrote, as later versions write it."""
    sessions, converted = {}, []
    for row in metrics:
        digest = hashlib.md5((row["SCM_ID"] + row["RUN_DATE"]).encode()).hexdigest()
        sessions[digest] = {"hash": digest, "runDate": row["RUN_DATE"], "scmRef": row["SCM_ID"], "tags": []}
        path, slash, variant = row["ITEM"].partition("/")
        if slash:
            item = variant.split("[")[0]
        else:
            path, _, item = row["ITEM"].rpartition(".")
        names = {"ITEM_PATH": path, "ITEM": item, "ITEM_VARIANT": variant.replace("-", ", "), "ITEM_FS_LOC": "", "SESSION_H": digest}
        converted.append({**row, **names})
    return converted, list(sessions.values())


MONITOR_SERVER = """
import sys
from monitor_server.app import prepare_app
prepare_app().run(host="127.0.0.1", port=int(sys.argv[1]), debug=False, use_reloader=False)
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def check_monitor_server(report, binary, cache, folder):
    python = python_with(cache / "monitor-server", [HERE / "requirements-server.txt"], [HERE / "requirements-library-itself.txt"])
    port, database = free_port(), folder / "monitor.db"
    environment = plain_environment(MONITOR_SERVER_DATABASE_URI=f"sqlite:///{database}", FLASK_ENV="prod")
    with open(folder / "log.txt", "wb") as log:
        server = subprocess.Popen([str(python), "-c", MONITOR_SERVER, str(port)], stdout=log, stderr=log, env=environment)
    try:
        wait_for(port)
        for flavour in ("x", "y"):
            code, output = pytest(
                plugin(cache, None), folder, "--no-db", "--tag", f"flavour={flavour}", "--remote-server", f"http://127.0.0.1:{port}/api/v1"
            )
            report.check("monitor-server: pytest", None if code == 0 and "Deactivating" not in output else output[-1000:])
    finally:
        server.kill()
        server.wait()
    metrics = [{**row, "ENV_H": row["CONTEXT_H"]} for row in rows(database, "TEST_METRICS")]
    report.check("monitor-server: it has stored what was measured", None if len(metrics) >= 8 else f"{len(metrics)} metrics")
    said, records = Binary(binary, folder).imported("monitor.db")
    report.equal("monitor-server: import", [(done.returncode, done.stderr) for done in said], [(0, "")] * 2)
    sessions = [session_of(row) for row in rows(database, "TEST_SESSIONS")]
    compare(report, "monitor-server", records, sessions, metrics, rows(database, "EXECUTION_CONTEXTS"))
    refused = Binary(binary, folder).run("serve", "--listen", "127.0.0.1:0", "--database-url", f"sqlite://{database}")
    named = refused.returncode == 2 and f"metrograph import {database}" in refused.stderr
    report.check("monitor-server: serve names the command", None if named else refused.stderr)


def wait_for(port):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("monitor-server does not start")


def check_push(report, binary, cache, folder):
    """A server is killed while pytest runs. The plugin's file has everything, and a push brings what the server lacks."""
    work = folder / "work"
    work.mkdir()
    server = Server(binary, folder)
    server.__enter__()
    code, output = pytest(
        plugin(cache, None), work, "--remote-server", f"{server.url}/api/v1", SERVER_PID=str(server.process.pid)
    )
    server.process.wait()
    report.check("push: the server died half-way", None if code != 0 and server.process.returncode == -signal.SIGKILL else output[-500:])
    stored = {row["ITEM_VARIANT"] for row in rows(work / ".pymon", "TEST_METRICS")}
    report.check("push: the file has more than the server got", None if len(stored) >= 3 else str(stored))
    push = Binary(binary, work)
    ci = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "team/product", "GITHUB_WORKFLOW": "tests", "GITHUB_RUN_NUMBER": "7"}
    down = push.run("push", ".pymon", "--to", server.url, "--retry", "0s", **ci)
    report.equal("push: a server that is down does not fail the job", (down.returncode, "warning" in down.stderr), (0, True))
    with Server(binary, folder) as again:
        before = graphql(again.url, "{ metricCount }")["metricCount"]
        said = [push.run("push", ".pymon", "--to", f"{again.url}/api/v1", "--strict", **ci) for _ in range(2)]
        report.equal("push: exit codes", [(done.returncode, done.stderr) for done in said], [(0, "")] * 2)
        metrics = rows(work / ".pymon", "TEST_METRICS")
        report.equal("push: all metrics are there once", graphql(again.url, "{ metricCount }")["metricCount"], len(metrics))
        report.check("push: some were there before", None if 0 < before < len(metrics) else f"{before} of {len(metrics)}")
        (session,) = graphql(again.url, "{ sessions { nodes { hash metricCount } } }")["sessions"]["nodes"]
        report.equal("push: in one session", session["metricCount"], len(metrics))
    lacking = os.path.exists(folder / "metrograph.db")
    report.check("push: the database is kept", None if lacking else "it is gone")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
