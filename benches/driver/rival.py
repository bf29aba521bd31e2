"""DuckDB, the newest that there is, in an environment of its own."""
import json
import subprocess
import venv
from pathlib import Path

from processes import plain_environment

from driver.history import say
from driver.servers import LineServer


class DuckDB:
    """An installed DuckDB."""

    # Runs in that environment, and nothing else of this package does.
    WORKER = Path(__file__).parent / "duckdb_worker.py"
    # It makes arrays of answers, the cheapest way to fetch all of one.
    PACKAGES = ("duckdb", "numpy")
    THREADS = 2

    def __init__(self, folder):
        self.python = folder / "bin" / "python"
        if not self.python.exists():
            say("Installing DuckDB")
            venv.create(folder, clear=True, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", *self.PACKAGES]
        done = subprocess.run([self.python, *install], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"DuckDB could not be installed; --no-duckdb leaves it out: {done.stderr}")
        self.version = self._run("version").strip()

    def __str__(self):
        return f"{self.version}, {self.THREADS} threads, a file of its own, warm"

    def load(self, generated, file):
        """Makes its database of a history."""
        self._run("load", generated, file, self.THREADS)

    def serve(self, file):
        return Answering(self._command("serve", file, self.THREADS))

    def _run(self, *words):
        done = subprocess.run(self._command(*words), capture_output=True, text=True, env=plain_environment())
        if done.returncode != 0:
            raise RuntimeError(f"DuckDB, {words[0]}: {done.stderr}")
        return done.stdout

    def _command(self, *words):
        # Isolated, so that no file beside the worker is taken for a module that it imports.
        return [str(word) for word in (self.python, "-I", self.WORKER, *words)]


class Answering(LineServer):
    def __init__(self, command):
        super().__init__("DuckDB", command)

    def value(self, sql, **parameters):
        """The only value of the only row, a whole number."""
        return int(self._answer(sql, parameters)["first"])

    def answer(self, sql, **parameters):
        """(seconds, rows, numbers)."""
        found = self._answer(sql, parameters)
        return found["seconds"], found["rows"], found["numbers"]

    def _answer(self, sql, parameters):
        return json.loads(self.ask(json.dumps({"sql": sql, "parameters": parameters})))
