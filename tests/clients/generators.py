"""Checks both versions of the OpenAPI descriptions with a validator, a linter and two client generators. The clients for REST v1 then
call a running Metrograph.

    python3 tests/clients/generators.py target/debug/metrograph [CACHE]
"""
import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from environments import node_with, python_with
from processes import end_children_on_sigterm, plain_environment, run_group
from report import Report
from server import Server

HERE = Path(__file__).parent
SECONDS = 120
APIS = ["v1", "v2"]
VERSIONS = ["3.1", "3.0"]
METHODS = {"get", "post"}


class Generators:
    def __init__(self, python, node, folder, report):
        self.python, self.node, self.folder, self.report = python, node, folder, report

    def run(self, what, *command, cwd=None):
        """Runs a command that must end with 0; its output is shown on failure."""
        # openapi-python-client searches the path for ruff.
        path = f"{self.python.parent}:{plain_environment()['PATH']}"
        environment = plain_environment(PATH=path, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true")
        code, output = run_group([str(part) for part in command], SECONDS, cwd=cwd, env=environment)
        self.report.check(what, f"ended with {code}:\n{output}" if code else None)
        return output

    def bin(self, name):
        return self.node / "node_modules" / ".bin" / name

    def is_valid(self, version, description):
        self.run(f"{version}: openapi-spec-validator", self.python, "-m", "openapi_spec_validator", description)

    def is_well_made(self, version, description):
        output = self.run(f"{version}: redocly lint", self.bin("redocly"), "lint", "--config", self.node / "redocly.yaml", description)
        self.report.check(f"{version}: redocly lint finds nothing", output if "warning" in output.replace("Deprecation warning", "") else None)

    def python_client(self, version, description, url):
        target = self.folder / f"python-{version}"
        tool = self.python.parent / "openapi-python-client"
        output = self.run(
            f"{version}: openapi-python-client", tool, "generate", "--fail-on-warning", "--path", description, "--output-path", target
        )
        self.report.check(f"{version}: openapi-python-client warns of nothing", output if "arning" in output else None)
        paths = json.loads(description.read_text())["paths"].values()
        operations = sum(len(METHODS & path.keys()) for path in paths)
        written = [file for file in target.glob("*/api/*/*.py") if file.name != "__init__.py"]
        self.report.equal(f"{version}: openapi-python-client drops nothing", len(written), operations)
        if url is None:
            return
        script = HERE / "generators" / "call.py"
        self.run(f"{version}: the Python client", self.python, script, target, url, f"python-{version}")

    def typescript_client(self, version, description, url):
        # In the folder of the packages, where TypeScript and Node find them.
        target = self.node / f"typescript-{version}"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        self.run(f"{version}: openapi-typescript", self.bin("openapi-typescript"), description, "-o", target / "api.d.ts")
        (target / "package.json").write_text('{"type": "module"}')
        options = ["--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"]
        if url is None:
            self.run(f"{version}: tsc --strict", self.bin("tsc"), *options, "api.d.ts", cwd=target)
            return
        script = (self.node / "call.ts").read_text().replace("'API'", "'./api.d.ts'")
        (target / "call.ts").write_text(script)
        self.run(f"{version}: tsc --strict", self.bin("tsc"), *options, "call.ts", "api.d.ts", cwd=target)
        self.run(f"{version}: the TypeScript client", "node", target / "call.js", url, f"typescript-{version}")


def main(binary, cache=HERE.parent.parent / "target" / "clients"):
    end_children_on_sigterm()
    binary, cache, report = Path(binary).resolve(), Path(cache), Report()
    python = python_with(cache / "generators-python", [HERE / "requirements-generators.txt"])
    node = node_with(cache / "generators", HERE / "generators")
    with tempfile.TemporaryDirectory(prefix="metrograph-generators-") as folder:
        folder = Path(folder)
        generators = Generators(python, node, folder, report)
        with Server(binary, folder) as server, ThreadPoolExecutor(2) as pool:
            waiting = []
            for api, version in product(APIS, VERSIONS):
                name, url = f"{api}-{version}", server.url if api == "v1" else None
                description = folder / f"{name}.json"
                with open(description, "wb") as file:
                    command = [binary, "openapi", "--api", api, "--version", version]
                    subprocess.run(command, check=True, stdout=file, env=plain_environment())
                waiting.append(pool.submit(generators.is_valid, name, description))
                waiting.append(pool.submit(generators.is_well_made, name, description))
                waiting.append(pool.submit(generators.python_client, name, description, url))
                waiting.append(pool.submit(generators.typescript_client, name, description, url))
            for one in waiting:
                one.result()
    print(f"{report.passed} checks passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
