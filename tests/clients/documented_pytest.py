"""docs/pytest.md: its commands with the real plugin, its recipes under the variables of the CI systems, and what it says of servers
that can't be reached."""
import re
import signal
import subprocess

from documented import blocks, tables
from wire import graphql

PAGE = "docs/pytest.md"
SUITE = """
pytest_monitor_component = "core.sort"


def test_sort():
    assert sorted([2, 1]) == [1, 2]


def test_merge():
    assert sorted([3] + [2]) == [2, 3]
"""
# The first four are measured, the two methods as one test; what follows is not.
UNMEASURED = r'''
import subprocess, sys, time, unittest

import pytest


@pytest.fixture
def busy():
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass


def test_fixture(busy): pass
def test_child(): subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
@pytest.mark.parametrize("a,b", [(1, "x-y")])
def test_parameters(a, b): pass
class TestA:
    def test_method(self): pass
class TestB:
    def test_method(self): pass


def test_failing(): assert False
def test_skipped(): pytest.skip()
@pytest.mark.xfail
def test_expected(): assert False
@pytest.mark.monitor_skip_test
def test_marked(): pass
class TestUnit(unittest.TestCase):
    def test_unit(self): pass
def documented():
    """
    >>> documented()
    """
'''
MEASURED = "{ sessions(last: 1) { nodes { metrics { nodes { variantName totalTime userTime cpuUsage variant { metricCount } } } } } }"
LAST = "{ sessions(last: 1) { totalCount nodes { scmRef metricCount pipeline { name } build { name } tags { name value } } } }"
GITHUB = {"GITHUB_WORKFLOW": "tests", "GITHUB_RUN_NUMBER": "7", "GITHUB_REF_NAME": "feature/x", "GITHUB_HEAD_REF": ""}
GITLAB = {"CI_JOB_NAME": "unit", "CI_PIPELINE_ID": "1234", "CI_COMMIT_REF_NAME": "feature/x"}


def check_pytest(report, shell):
    (shell.folder / "test_sort.py").write_text(SUITE)
    git = "git init -q . && git add test_sort.py && git -c user.name=a -c user.email=a@b commit -qm a && git rev-parse HEAD"
    code, revision = shell.run(git)
    report.check("pytest.md: the suite", None if code == 0 else revision)
    check_blocks(report, shell, revision.strip())
    check_measured(report, shell)
    check_systems(report, shell)
    check_unreachable(report, shell)


def check_measured(report, shell):
    """What is measured, and what is not."""
    (shell.folder / "unmeasured").mkdir()
    (shell.folder / "unmeasured" / "test_all.py").write_text(UNMEASURED)
    shell.run(f"cd unmeasured && pytest --doctest-modules --remote-server {shell.url}/api/v1")
    (session,) = graphql(shell.url, MEASURED)["sessions"]["nodes"]
    metrics = {metric["variantName"]: metric for metric in session["metrics"]["nodes"]}
    names = ["test_fixture", "test_child", "test_parameters[1, x, y]", "test_method"]
    report.equal("pytest.md: what is measured", list(metrics), names)
    report.equal("pytest.md: methods of one name", metrics["test_method"]["variant"]["metricCount"], 2)
    busy, child = metrics["test_fixture"], metrics["test_child"]
    report.check("pytest.md: fixtures", None if busy["cpuUsage"] * busy["totalTime"] > 0.25 else busy)
    report.check("pytest.md: child processes", None if child["totalTime"] > 0.2 > child["userTime"] else child)
    code, output = shell.run("pytest test_sort.py --restrict-scope-to class,session --remote-server " + f"{shell.url}/api/v1")
    counted = graphql(shell.url, LAST)["sessions"]["nodes"][0]["metricCount"]
    report.equal("pytest.md: scopes", (code, counted), (0, 0))


def check_blocks(report, shell, revision):
    for block in blocks(PAGE):
        commands = "\n".join(command for command in block.commands() if not command.startswith("pip install "))
        if block.language == "yaml":
            check_recipe(report, shell, block)
        elif block.language == "graphql":
            (run,) = graphql(shell.url, block.text)["runs"]["nodes"]
            nodes = run["sessions"]["nodes"]
            report.equal(f"{block.place} sessions of xdist", [bool(n["metricCount"]) for n in nodes].count(False), 1)
            report.equal(f"{block.place} workers", len(nodes), 3)
        elif block.language == "sh" and "safe.directory" in commands:
            foreign = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
            report.equal(f"{block.place} a foreign repository", last(shell, "pytest", **foreign)["scmRef"], "")
            shell.run(commands)
            report.equal(f"{block.place} one that is trusted", last(shell, "pytest", **foreign)["scmRef"], revision)
        elif block.language == "sh":
            before = graphql(shell.url, LAST)["sessions"]["totalCount"]
            code, output = shell.run(commands)
            report.check(block.place, None if code == 0 else f"exit code {code}: {output[-2000:]}")
            count = graphql(shell.url, LAST)["sessions"]["totalCount"] - before
            report.equal(f"{block.place} sessions", count, 3 if "-n 2" in commands else 1)
            if "health/ready" in commands:
                gone = shell.run(commands.replace("http://127.0.0.1:8181", "http://127.0.0.1:1"))
                report.equal(f"{block.place} without a server", (gone[0], "2 passed" in gone[1]), (0, True))
        else:
            report.check(block.place, f"nothing runs a block of {block.language}")


def last(shell, command, **variables):
    """The session that a pytest run leaves."""
    shell.run(f"{command} --remote-server {shell.url}/api/v1", **variables)
    return graphql(shell.url, LAST)["sessions"]["nodes"][0]


def check_recipe(report, shell, block):
    """Runs the step of a recipe that starts pytest, as its CI system would."""
    step = re.search(r"pytest --remote-server.*(\n +--.*)*", block.text)[0].replace("\n", " ")
    variables, names = (GITHUB, ("tests", "7")) if "GITHUB" in step else (GITLAB, ("unit", "1234"))
    code, output = shell.run(step, METROGRAPH=f"{shell.url}/api/v1", **variables)
    session = graphql(shell.url, LAST)["sessions"]["nodes"][0]
    report.equal(f"{block.place} exit code", code, 0)
    report.equal(f"{block.place} pipeline and build", (session["pipeline"]["name"], session["build"]["name"]), names)
    branch = {"name": "branch", "value": "feature/x"}
    report.check(f"{block.place} branch", None if branch in session["tags"] else f"{session}: {output[-500:]}")
    code, _ = shell.run(step, METROGRAPH="", **variables)
    report.equal(f"{block.place} without an address", code, 0)


def check_systems(report, shell):
    """The table of variables."""
    rows = tables(PAGE, "Pipeline and build")
    everything = {}
    for system, pipelines, build in rows:
        for pipeline in re.findall(r"`(\w+)`", pipelines):
            variables = {pipeline: f"{system} line", build.strip("`"): "12"}
            everything |= variables
            session = last(shell, "pytest -k test_sort", **variables)
            got = (session["pipeline"]["name"], session["build"]["name"])
            report.equal(f"pytest.md: {system}, {pipeline}", got, (f"{system} line", "12"))
    report.equal("pytest.md: several systems", last(shell, "pytest", **everything)["pipeline"]["name"], f"{rows[-1][0]} line")
    overridden = last(shell, "pytest --tag pipeline_branch=mine", **everything)
    report.equal("pytest.md: --tag overrides", overridden["pipeline"]["name"], "mine")


def check_unreachable(report, shell):
    """The table of what becomes of a run, row by row; only the server that does not respond is left out."""
    code, output = shell.run("pytest --remote-server http://127.0.0.1:1/api/v1")
    report.equal("pytest.md: down at the start", (code, "ConnectionError" in output, "passed" in output), (3, True, False))
    code, output = shell.run("pytest --tag branch")
    report.equal("pytest.md: a tag without =", code, 3)
    # The plugin sends through a port that is closed while the tests run.
    port = shell.folder / "forward.py"
    port.write_text(FORWARD)
    forward = subprocess.Popen(
        ["python3", str(port), shell.url.rsplit(":", 1)[1]], stdout=subprocess.PIPE, text=True, env=shell.environment
    )
    try:
        address = forward.stdout.readline().strip()
        (shell.folder / "test_during.py").write_text(
            f"import os\n\ndef test_before(): pass\n\ndef test_during(): os.kill({forward.pid}, {int(signal.SIGKILL)})\n"
            "\ndef test_after(): pass\n"
        )
        code, output = shell.run(f"pytest --remote-server {address}/api/v1 test_during.py")
        shown = re.findall(r"ERROR test_during.py::(\w+)", output)
        report.equal("pytest.md: down during the run", (code, shown), (1, ["test_during", "test_after"]))
    finally:
        forward.kill()
        forward.wait()
        (shell.folder / "test_during.py").unlink()
    code, output = shell.run(f"pytest test_sort.py --remote-server {shell.url}/nowhere")
    rejected = (code, "2 passed" in output, "Deactivating" in output)
    report.equal("pytest.md: rejected", rejected, (0, True, True))


# Passes connections on to a port of this machine.
FORWARD = """
import socket, sys, threading

def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.close()

listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    for pair in ((client, server), (server, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""
