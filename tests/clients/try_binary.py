"""Does a binary that is to be shipped store, answer and stop, and is it the one that it should be?

    python3 tests/clients/try_binary.py BINARY [COMMIT]
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import history
from processes import end_children_on_sigterm, plain_environment
from report import Report
from server import Server
from wire import call


def main(binary, commit=None):
    end_children_on_sigterm()
    report = Report()
    printed = subprocess.run([binary, "--version"], env=plain_environment(), capture_output=True, text=True, check=True)
    version = printed.stdout.split()[1]
    expected = f"metrograph {version} ({commit[:12]})\n" if commit else f"metrograph {version}\n"
    report.equal("--version", printed.stdout, expected)
    with tempfile.TemporaryDirectory(prefix="metrograph-try-") as folder, Server(binary, folder) as server:
        health = {"status": "ok", "version": version, "commit": commit}
        report.equal("/health", call(f"{server.url}/health"), health)
        context, session, metric = (next(each()) for each in (history.contexts, history.sessions, history.metrics))
        for path, body in (("contexts", context), ("sessions", session), ("metrics", metric)):
            call(f"{server.url}/api/v1/{path}/", body)
        query = "{ topMetrics(resource: TOTAL_TIME, first: 1) { variantName session { build { name } } } }"
        slowest = {"variantName": metric["item_variant"], "session": {"build": {"name": "1000"}}}
        answer = call(f"{server.url}/graphql", {"query": query})
        report.equal("what was stored is found", answer, {"data": {"topMetrics": [slowest]}})
    report.check("the server ends well")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).resolve()), *sys.argv[2:]))
