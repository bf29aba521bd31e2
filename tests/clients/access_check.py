"""Checks that the unmodified plugin has access to a closed server with a token in its address."""
import time
import urllib.error

from plugin import Run
from wire import call

# Seconds; a server caches its tokens for one.
REVOKED_WITHIN = 1.2

SCM_REF = "5f2b8e1c9d7a4f60b3e8d1c2a9f7e6d5c4b3a291"


def check_access(report, server, python, folder):
    ingest = server.token("create", "--name", "ci", "--scope", "ingest", "--expires", "1d")
    read = server.token("create", "--name", "dashboard", "--scope", "read")

    def called(what):
        return f"plugin, closed server: {what}"

    def stored(name):
        answer = call(f"{server.url}/api/v1/{name}/count", Authorization=f"Bearer {read}")
        return answer["count"]

    host = server.url.removeprefix("http://")
    (folder / "first").mkdir()
    first = Run(python, folder / "first", f"http://ingest:{ingest}@{host}/api/v1", scm_ref=SCM_REF)
    report.check(called("the plugin does not give up"), first.output[-3000:] if "Deactivating" in first.output else None)
    report.equal(called("every metric"), stored("metrics"), len(first.metrics()))
    report.equal(called("the session and its context"), (stored("sessions"), stored("contexts")), (1, 1))

    # The context exists by now, and the plugin has no right to read it.
    (folder / "second").mkdir()
    second = Run(python, folder / "second", f"http://ingest:{ingest}@{host}/api/v1", scm_ref=SCM_REF)
    report.equal(called("a second run"), stored("metrics"), len(first.metrics()) + len(second.metrics()))
    report.equal(called("its session and the same context"), (stored("sessions"), stored("contexts")), (2, 1))
    listed = server.token("list")
    used = [line.split()[4] for line in listed.splitlines() if line.startswith("ci ")]
    report.check(called("the last use is kept"), None if used != ["never"] else listed)

    server.token("revoke", "ci")
    time.sleep(REVOKED_WITHIN)
    (folder / "third").mkdir()
    third = Run(python, folder / "third", f"http://ingest:{ingest}@{host}/api/v1", scm_ref=SCM_REF)
    gave_up = "Deactivating" in third.output and third.outcome("failed") == first.outcome("failed")
    report.check(called("a revoked token stores nothing and fails no test"), None if gave_up else third.output[-3000:])
    report.equal(called("nothing was added"), stored("metrics"), len(first.metrics()) + len(second.metrics()))
    report.equal(called("nobody reads without a token"), status_of(f"{server.url}/api/v1/metrics/"), 401)


def status_of(url):
    try:
        call(url)
    except urllib.error.HTTPError as error:
        return error.code
    return 200
