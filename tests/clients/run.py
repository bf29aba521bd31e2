"""Runs the legacy clients, the pytest plugin and the library monitor_api, against a Metrograph binary.

    python3 tests/clients/run.py target/debug/metrograph [CACHE]

CACHE (default: target/clients) keeps their virtual environments from one run to the next.
"""
import argparse
import sys
import tempfile
import time
from pathlib import Path

import history
from access_check import check_access
from environments import rest_clients
from plugin import Run
from plugin_check import BUILD, SCM_REF, check_plugin
from processes import end_children_on_sigterm, plain_environment, run_group
from report import Report
from restarts_check import check_restarts
from server import Server

HERE = Path(__file__).parent
PAGE_SIZE = 50
LIBRARY_SECONDS = 300


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("metrograph", type=Path)
    arguments.add_argument("cache", type=Path, nargs="?", default=HERE.parent.parent / "target" / "clients")
    given = arguments.parse_args()
    end_children_on_sigterm()

    plugin, library = rest_clients(given.cache)
    report = Report()
    binary = given.metrograph.resolve()

    for way, prefix, workers in (("/api/v1", "/api/v1", 0), ("bare address", "", 0), ("four workers", "/api/v1", 4)):

        def with_plugin(server, folder):
            parallel = ["-n", str(workers)] if workers else []
            remote = server.url + prefix
            check_plugin(report, way, server, PAGE_SIZE, plugin, folder, remote, *parallel, workers=workers)

        on_fresh_server(report, f"plugin, {way}", binary, with_plugin)

    with tempfile.TemporaryDirectory(prefix="metrograph-clients-") as folder:
        check_restarts(report, binary, plugin, Path(folder), PAGE_SIZE)
    on_fresh_server(
        report, "plugin, closed server", binary, lambda server, folder: check_access(report, server, plugin, folder),
        "--access", "closed",
    )
    on_fresh_server(
        report, "library", binary, lambda server, folder: check_library(report, server, folder, plugin, library)
    )
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def on_fresh_server(report, name, binary, check, *arguments):
    """Starts a server on an empty database for one check; an exception counts as a failure."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="metrograph-clients-") as folder:
        try:
            with Server(binary, folder, PAGE_SIZE, arguments) as server:
                check(server, Path(folder))
            report.check(f"{name}: the server starts and ends well")
        except Exception as error:
            report.check(name, f"{type(error).__name__}: {error}")
    print(f"      {name}: {time.monotonic() - began:.1f} s", flush=True)


def check_library(report, server, folder, plugin, library):
    ci = {"CI_JOB_NAME": history.PLUGIN_PIPELINE, "CI_PIPELINE_ID": BUILD}
    Run(plugin, folder, f"{server.url}/api/v1", "--tag", "note=real", scm_ref=SCM_REF, ci=ci)
    history.fill(server.url, folder / "local.db")
    code, output = run_group(
        [str(library), str(HERE / "library_check.py"), f"{server.url}/api/v1", str(folder / "local.db")],
        LIBRARY_SECONDS,
        env=plain_environment(NO_PROXY="127.0.0.1", PYTHONUTF8="1"),
    )
    print(output, end="", flush=True)
    report.count_lines(output.splitlines())
    if code != 0:
        report.check("library: the checks run to their end", f"exit code {code}")


if __name__ == "__main__":
    sys.exit(main())
