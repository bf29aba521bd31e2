"""Sends requests that schemathesis generates from the OpenAPI descriptions and from the GraphQL schema to an open server, and fewer
to a closed one, with a token and without.

    python3 tests/clients/fuzz.py target/debug/metrograph [CACHE]

Whether wrong data is refused is not checked: `page=abc` is page 1 by contract.
"""
import sys
import tempfile
from pathlib import Path

from environments import python_with
from plugin import Run
from processes import end_children_on_sigterm, plain_environment, run_group
from server import Server

HERE = Path(__file__).parent
SECONDS = 600
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"


def fuzz(python, folder, url, examples, *options):
    command = [
        str(python.parent / "schemathesis"), "run", url, "--checks", CHECKS, "--max-examples", str(examples),
        "--seed", "1", "--generation-database", "none", "--no-color", *options,
    ]
    code, output = run_group(command, SECONDS, cwd=folder, env=plain_environment(SCHEMATHESIS_HOOKS="fuzz_hooks", PYTHONPATH=str(HERE)))
    print(output, end="", flush=True)
    return code


def main(binary, cache=HERE.parent.parent / "target" / "clients"):
    end_children_on_sigterm()
    cache = Path(cache)
    python = python_with(cache / "fuzz", [HERE / "requirements-fuzz.txt"])
    plugin = python_with(cache / "plugin", [HERE / "requirements-plugin.txt"])
    with tempfile.TemporaryDirectory(prefix="metrograph-fuzz-") as folder:
        with Server(Path(binary).resolve(), folder) as server:
            run = Run(plugin, folder, f"{server.url}/api/v1", "--tag", "quality=green")
            if not run.metrics():
                raise RuntimeError(f"the plugin measured nothing:\n{run.output}")
            codes = [
                fuzz(python, folder, f"{server.url}/api/v1/swagger.json", 20),
                fuzz(python, folder, f"{server.url}/api/v2/swagger.json", 20),
                fuzz(python, folder, f"{server.url}/graphql", 30),
            ]
        with Server(Path(binary).resolve(), folder, arguments=["--access", "closed"]) as server:
            for scope in ["admin", "ingest", None]:
                token = server.token("create", "--name", scope, "--scope", scope) if scope else "mg_unknown"
                options = ["--phases", "examples,fuzzing", "--header", f"Authorization: Bearer {token}"]
                for api in ["v1", "v2"]:
                    codes.append(fuzz(python, folder, f"{server.url}/api/{api}/swagger.json", 3, *options))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
