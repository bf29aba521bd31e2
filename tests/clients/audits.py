"""Runs the audits of npm's graphql-http (audits/audits.mjs) against a new server.

    python3 tests/clients/audits.py target/debug/metrograph [CACHE]
"""
import sys
import tempfile
from pathlib import Path

from environments import node_with
from processes import end_children_on_sigterm, run_group
from server import Server

HERE = Path(__file__).parent
SECONDS = 120


def main(binary, cache=HERE.parent.parent / "target" / "clients"):
    end_children_on_sigterm()
    script = node_with(Path(cache) / "audits", HERE / "audits") / "audits.mjs"
    with tempfile.TemporaryDirectory(prefix="metrograph-audits-") as folder:
        with Server(Path(binary).resolve(), folder) as server:
            code, output = run_group(["node", str(script), server.url], SECONDS)
            print(output, end="", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
