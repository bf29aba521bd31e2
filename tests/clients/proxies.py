"""Checks Metrograph below a prefix through reverse proxies: with the configurations of the documentation, and with unsuitable ones.
Pages in a browser, the plugin, the library, REST and streams go through each.

    python3 tests/clients/proxies.py target/debug/metrograph [CACHE]
"""
import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from environments import rest_clients
from plugin_check import check_plugin
from processes import end_children_on_sigterm, plain_environment, run_group
from proxy import DOCS, PATIENCE, VARIANTS, Proxy
from proxy_check import PUBLIC_NAME, check_documented, check_http, check_undocumented, store_some
from report import Report
from server import Server

HERE = Path(__file__).parent
# Small enough that the plugin's metrics take several pages.
PAGE_SIZE = 20
SECONDS = 300
# Concurrent checks: more would not be faster.
SIDE_BY_SIDE = 2
# The host name that a proxy sends instead.
HIDDEN_NAME = "internal.example"

DOCUMENTED = {
    "nginx": ("nginx", DOCS / "nginx.conf"),
    "HAProxy": ("haproxy", DOCS / "haproxy.cfg"),
    "Apache": ("apache", DOCS / "apache.conf"),
    "Caddy": ("caddy", DOCS / "Caddyfile"),
}
UNDOCUMENTED = {
    "nginx, unread": ("nginx", VARIANTS / "plain-nginx.conf"),
    "HAProxy, greedy": ("haproxy", VARIANTS / "greedy-haproxy.cfg"),
}
WITHOUT_PLUGIN = ["HAProxy, greedy"]

# The checks in the browser.
PAGES = "start page;GraphiQL, opened by a link;GraphiQL, with a token among its headers;REST page"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("metrograph", type=Path)
    arguments.add_argument("cache", type=Path, nargs="?", default=HERE.parent.parent / "target" / "clients")
    given = arguments.parse_args()
    end_children_on_sigterm()
    plugin, library = rest_clients(given.cache)
    with ExitStack() as stack, ThreadPoolExecutor(SIDE_BY_SIDE + 2) as pool:
        metrograph = Metrographs(stack, given.metrograph.resolve())
        # Streams take long but little CPU: all of them use one server.
        shared = metrograph.start()
        waiting = [
            pool.submit(quiet, ways, [metrograph.proxied(*block, shared).url for block in blocks.values()])
            for ways, blocks in (("events,parts,socket", DOCUMENTED), ("events,parts", UNDOCUMENTED))
        ]
        checks = [
            pool.submit(check, name, metrograph.proxied(*block, metrograph.start()), plugin, library)
            for name, block in {**DOCUMENTED, **UNDOCUMENTED}.items()
        ]
        reports = [each.result() for each in [*checks, *waiting]]
    total = Report()
    for report in reports:
        total.add(report)
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


class Metrographs:
    """Servers, and proxies in front of them, for as long as `stack` lasts."""

    def __init__(self, stack, binary):
        self.stack, self.binary = stack, binary

    def start(self):
        return self.stack.enter_context(Server(self.binary, self._folder(), PAGE_SIZE, ["--hosts", f"{PUBLIC_NAME},{HIDDEN_NAME}"]))

    def proxied(self, program, block, server):
        return self.stack.enter_context(Proxy(program, block, self._folder(), server))

    def _folder(self):
        return Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="metrograph-proxies-")))


def quiet(ways, urls):
    return script("streams", ["node", VARIANTS / "quiet.mjs", PATIENCE + 4, ways, *urls])


def script(name, command, **options):
    """The report of checks that print their lines themselves."""
    report = Report()
    code, output = run_group([str(part) for part in command], SECONDS, **options)
    print(output, end="", flush=True)
    report.count_lines(output.splitlines())
    if code != 0 and not report.failed:
        report.check(name, f"exit code {code}")
    return report


def check(name, proxy, plugin, library):
    """Runs all checks through one proxy; its name is part of theirs."""
    began = time.monotonic()
    report = Report()
    try:
        # The first five cover everything that a proxy does to addresses and bodies of the plugin.
        if name in WITHOUT_PLUGIN:
            store_some(proxy)
        else:
            check_plugin(report, name, proxy, PAGE_SIZE, plugin, proxy.folder, f"{proxy.url}/api/v1")
            report.add(asked_by_the_library(name, proxy, library))
        check_http(report, name, proxy)
        (check_documented if name in DOCUMENTED else check_undocumented)(report, name, proxy)
        report.add(shown(name, proxy))
    except Exception as error:
        report.check(name, f"{type(error).__name__}: {error}")
    print(f"      {name}: {time.monotonic() - began:.1f} s", flush=True)
    return report


def asked_by_the_library(name, proxy, library):
    environment = plain_environment(NO_PROXY="127.0.0.1", PYTHONUTF8="1")
    return script(name, [library, HERE / "proxy_library_check.py", name, f"{proxy.url}/api/v1"], env=environment)


def shown(name, proxy):
    """Checks pages under a host name that browsers trust: they send fetch metadata only to such."""
    environment = {**os.environ, "READ": "none", "INGEST": "none", "NAMES": PAGES}
    return script(name, ["node", HERE / "browser.mjs", proxy.url.replace("127.0.0.1", "localhost")], env=environment)


if __name__ == "__main__":
    sys.exit(main())
