"""Does what the pages for users show with the real clients: every block of docs/clients.md and docs/pytest.md, and every command
of another page that needs pytest. tests/documentation runs the other blocks.

    python3 tests/clients/documentation.py target/debug/metrograph [CACHE]
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from documented import ADDRESS, PYTEST, REAL_CLIENTS, ROOT, blocks, seed
from documented_pytest import SUITE, check_pytest
from environments import node_with, python_with, rest_clients
from processes import end_children_on_sigterm, plain_environment, run_group
from report import Report
from server import Server

HERE = Path(__file__).parent
SECONDS = 120


class Shell:
    """Runs the commands of blocks in a folder, with the programs of an environment, against a server."""

    def __init__(self, binary, folder, server, programs=(), **variables):
        self.folder, self.url = Path(folder), server.url
        path = [*map(str, programs), str(binary.parent), os.environ["PATH"]]
        self.environment = {
            **plain_environment(**variables),
            "PATH": os.pathsep.join(path),
            "HOME": str(folder),
            "NO_PROXY": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            "npm_config_update_notifier": "false",
        }

    def run(self, script, **variables):
        # An error ends it, and there is no progress bar.
        script = f'set -euo pipefail\ncurl() {{ command curl -fsS "$@"; }}\n{self.substituted(script)}'
        environment = {**self.environment, **variables}
        return run_group(["bash", "-c", script], SECONDS, cwd=self.folder, env=environment)

    def substituted(self, text):
        return text.replace(ADDRESS.removeprefix("http://"), self.url.removeprefix("http://"))

    def write(self, block):
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.substituted(block.text))


def main(binary, cache=ROOT / "target" / "clients"):
    end_children_on_sigterm()
    binary, cache, report = Path(binary).resolve(), Path(cache), Report()
    plugin, library = rest_clients(cache)
    node = node_with(cache / "documentation", HERE / "documentation")
    environments = {
        "curl": (None, []),
        "Apollo Client": (node, ["documentation/package.json"]),
        "urql": (node, ["documentation/package.json"]),
        "Relay": (node, ["documentation/package.json"]),
        "gql (Python)": (python(cache, "graphql"), ["requirements-graphql.txt"]),
        "ariadne-codegen (Python)": (python(cache, "ariadne"), ["requirements-ariadne.txt"]),
        "monitor_api (Python, pandas)": (library, ["requirements-library.txt", "requirements-library-itself.txt"]),
    }
    sections = {}
    for block in blocks("docs/clients.md"):
        sections.setdefault(block.section, []).append(block)
    report.equal("clients.md: the sections", list(sections), list(environments))
    for section, found in sections.items():
        environment, pins = environments.get(section, (None, []))
        with shell(binary, environment) as started:
            check_client(report, section, found, started, pins)
    with shell(binary, plugin) as started:
        check_pytest(report, started)
    # Where no token is needed, one does no harm.
    with shell(binary, plugin, "--access", "closed") as started:
        check_other_pages(report, started)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def python(cache, name):
    return python_with(cache / name, [HERE / f"requirements-{name}.txt"])


@contextmanager
def shell(binary, environment, *arguments):
    """A shell in a new folder, with a server on the history that the pages speak of, which is left out where `arguments` are given."""
    with tempfile.TemporaryDirectory(prefix="metrograph-documentation-") as folder:
        data, work = Path(folder) / "data", Path(folder) / "work"
        data.mkdir()
        work.mkdir()
        with Server(binary, data, arguments=arguments) as server:
            if not arguments:
                seed(server.url)
            programs = [environment.parent] if environment and environment.is_file() else []
            if environment and not programs:
                (work / "node_modules").symlink_to(environment / "node_modules")
            yield Shell(binary, work, server, programs, TOKEN=server.token("create", "--name", "page", "--scope", "ingest"))


def check_client(report, section, found, shell, pins):
    """Writes the files and runs the commands; what is installed must be among the pins; output must be as shown."""
    output = ""
    for block in found:
        what = f"{block.place} {section}"
        if block.file:
            shell.write(block)
        elif block.language == "sh":
            installs, commands = [], []
            for command in block.commands():
                (installs if command.startswith(("npm install ", "pip install ")) else commands).append(command)
            for install in installs:
                report.equal(f"{what}: {install}", [name for name in packages(install) if not is_pinned(name, pins)], [])
            code, output = shell.run("\n".join(commands)) if commands else (0, "")
            report.check(what, None if code == 0 else f"exit code {code}: {output[-2000:]}")
        elif block.language == "json":
            report.equal(f"{what}: answer", json.loads(output), json.loads(block.text))
        elif block.language == "text":
            report.equal(f"{what}: output", lines(output), lines(block.text))
        else:
            report.check(what, f"nothing runs a block of {block.language}")


def lines(text):
    return [line.rstrip() for line in text.rstrip().splitlines()]


def packages(install):
    words = install.split()[2:]
    return [re.sub(r"\[.*", "", word.strip("'")) for word in words if not word.startswith("-")]


def is_pinned(name, pins):
    return any(re.search(rf'(^|"){re.escape(name)}["=\[<>]', (HERE / pin).read_text(), re.MULTILINE) for pin in pins)


def check_other_pages(report, shell):
    """The commands that need pytest on pages whose other blocks run elsewhere."""
    pages = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    known = [page for page in pages.stdout.splitlines() if page == "README.md" or page.startswith("docs/")]
    count, token = 0, shell.environment["TOKEN"]
    (shell.folder / "test_sort.py").write_text(SUITE)
    for page in known:
        for block in blocks(page):
            if page in REAL_CLIENTS or not block.is_for_real_clients():
                continue
            commands = [command.rsplit("&& ", 1)[-1] for command in block.commands()]
            commands = [command.replace("http://127", "http://ingest:TOKEN@127") for command in commands if command.startswith(PYTEST[0])]
            count += 1
            code, output = shell.run("\n".join(commands).replace("TOKEN", token))
            report.check(block.place, None if code == 0 and "Deactivating" not in output else f"exit code {code}: {output[-2000:]}")
    report.check("other pages have commands that need pytest", None if count else "none")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
