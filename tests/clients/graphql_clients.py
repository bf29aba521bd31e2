"""Runs GraphQL clients from npm and PyPI (javascript/check.mjs, graphql_check.py) against new servers.

    python3 tests/clients/graphql_clients.py target/debug/metrograph [CACHE]
"""
import sys
import tempfile
from pathlib import Path

from environments import node_with, python_with
from processes import end_children_on_sigterm, plain_environment, run_group
from server import Server

HERE = Path(__file__).parent
SECONDS = 300


def main(binary, cache=HERE.parent.parent / "target" / "clients"):
    end_children_on_sigterm()
    script = node_with(Path(cache) / "javascript", HERE / "javascript") / "check.mjs"
    python = python_with(Path(cache) / "graphql", [HERE / "requirements-graphql.txt"])
    schema = HERE.parent.parent / "schema.graphql"
    commands = [["node", str(script)], [str(python), str(HERE / "graphql_check.py")]]
    return max(use(binary, command, SCHEMA=str(schema.resolve())) for command in commands)


def use(binary, command, **environment):
    with tempfile.TemporaryDirectory(prefix="metrograph-graphql-") as folder:
        with Server(Path(binary).resolve(), folder) as server:
            environment = plain_environment(NO_PROXY="127.0.0.1", **environment)
            code, output = run_group([*command, server.url], SECONDS, env=environment)
            print(output, end="", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
