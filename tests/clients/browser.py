"""Opens the pages (browser.mjs) of a new server that has data.

    python3 tests/clients/browser.py target/debug/metrograph [CACHE]
"""
import os
import sys
import tempfile
from pathlib import Path

import history
from environments import python_with
from plugin import Run
from plugin_check import SCM_REF
from processes import end_children_on_sigterm, run_group
from server import Server

HERE = Path(__file__).parent
SECONDS = 300


def main(binary, cache=HERE.parent.parent / "target" / "clients"):
    end_children_on_sigterm()
    plugin = python_with(Path(cache) / "plugin", [HERE / "requirements-plugin.txt"])
    with tempfile.TemporaryDirectory(prefix="metrograph-browser-") as folder:
        with Server(Path(binary).resolve(), folder) as server:
            run = Run(plugin, folder, f"{server.url}/api/v1", "--tag", "quality=green", scm_ref=SCM_REF)
            if not run.metrics():
                raise RuntimeError(f"the plugin measured nothing:\n{run.output}")
            history.fill(server.url, Path(folder) / "local.db")
            tokens = {scope.upper(): server.token("create", "--name", scope, "--scope", scope) for scope in ("read", "ingest")}
            code = use(server.url, tokens)
        # The same pages, where the browser must ask for a token.
        with Server(Path(binary).resolve(), folder, arguments=["--access", "closed"]) as server:
            return code or use(server.url.replace("://", f"://person:{tokens['READ']}@"), tokens)


def use(url, tokens):
    code, output = run_group(["node", str(HERE / "browser.mjs"), url], SECONDS, env={**os.environ, **tokens})
    print(output, end="", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
