"""Runs the clients of subscriptions, npm's graphql-ws and graphql-sse (live.mjs), against a new server.

    python3 tests/clients/live.py target/debug/metrograph
"""
import sys
import tempfile
from pathlib import Path

from processes import end_children_on_sigterm, run_group
from server import Server

HERE = Path(__file__).parent
SECONDS = 300


def main(binary):
    end_children_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="metrograph-live-") as folder:
        with Server(Path(binary).resolve(), folder) as server:
            code, output = run_group(["node", str(HERE / "live.mjs"), server.url], SECONDS)
            print(output, end="", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
