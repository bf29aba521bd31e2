"""Compares Metrograph with other software on random requests.

    python3 tests/clients/judges.py acceptance target/debug/metrograph [CACHE]
    python3 tests/clients/judges.py answers target/debug/metrograph target/debug/examples/stock [CACHE]
    python3 tests/clients/judges.py statistics target/debug/examples/statistics [CACHE]

`acceptance`: npm's graphql decides which documents are valid. `answers`: async-graphql-axum decides what the data is. `statistics`:
SciPy decides what the figures of comparisons are. SEED in the environment repeats an earlier run.
"""
import os
import sys
import tempfile
from pathlib import Path

from environments import node_with, python_with
from processes import end_children_on_sigterm, plain_environment, run_group
from server import Server

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SECONDS = 300

# No limit may refuse a document.
UNLIMITED = [
    "--max-batch", "1000", "--max-aliases", "100000", "--max-directives", "100000", "--max-root-fields", "100000",
    "--max-tokens", "1000000", "--max-depth", "60", "--max-complexity", "1000000000",
]


def run(script, *arguments, program="node"):
    seed = {"SEED": os.environ["SEED"]} if "SEED" in os.environ else {}
    code, output = run_group([str(program), str(script), *arguments], SECONDS, env=plain_environment(**seed))
    print(output, end="", flush=True)
    return code


def acceptance(binary, cache=ROOT / "target" / "clients"):
    scripts = node_with(Path(cache) / "judges", HERE / "judges")
    with tempfile.TemporaryDirectory(prefix="metrograph-judges-") as folder:
        with Server(Path(binary).resolve(), folder, arguments=UNLIMITED) as server:
            return run(scripts / "acceptance.mjs", server.url, str(ROOT / "schema.graphql"))


class Stock(Server):
    """The schema with async-graphql-axum's own handlers, on the database of a Metrograph."""

    def __init__(self, binary, folder, database_folder):
        self.database_folder = Path(database_folder)
        super().__init__(binary, folder)

    def _database_url(self):
        return f"sqlite://{self.database_folder / 'metrograph.db'}"


def answers(binary, stock, cache=ROOT / "target" / "clients"):
    scripts = node_with(Path(cache) / "judges", HERE / "judges")
    with tempfile.TemporaryDirectory(prefix="metrograph-judges-") as folder:
        own, other = (Path(folder) / name for name in ("metrograph", "stock"))
        own.mkdir()
        other.mkdir()
        with Server(Path(binary).resolve(), own, arguments=UNLIMITED) as server:
            if code := run(scripts / "past.mjs", server.url):
                return code
            # Started later: on SQLite a server sees only its own commits.
            with Stock(Path(stock).resolve(), other, own) as judge:
                return run(scripts / "answers.mjs", server.url, judge.url, str(ROOT / "schema.graphql"))


def statistics(example, cache=ROOT / "target" / "clients"):
    python = python_with(Path(cache) / "scipy", [HERE / "requirements-scipy.txt"])
    return run(HERE / "scipy_check.py", str(Path(example).resolve()), program=python)


if __name__ == "__main__":
    end_children_on_sigterm()
    judges = {"acceptance": acceptance, "answers": answers, "statistics": statistics}
    sys.exit(judges[sys.argv[1]](*sys.argv[2:]))
