"""Composes the schema into supergraphs as gateways do (composers/composers.mjs).

    python3 tests/clients/composers.py target/debug/metrograph [CACHE]
"""
import subprocess
import sys
import tempfile
from pathlib import Path

from environments import node_with
from processes import end_children_on_sigterm, plain_environment, run_group

HERE = Path(__file__).parent
SECONDS = 120


def main(binary, cache=HERE.parent.parent / "target" / "clients"):
    end_children_on_sigterm()
    script = node_with(Path(cache) / "composers", HERE / "composers") / "composers.mjs"
    with tempfile.TemporaryFile() as schema:
        subprocess.run([str(Path(binary).resolve()), "schema"], check=True, stdout=schema, env=plain_environment())
        schema.seek(0)
        code, output = run_group(["node", str(script)], SECONDS, stdin=schema)
        print(output, end="", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
