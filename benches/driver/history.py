"""A history under measurement: the generated file, and the databases made from it, kept from one run to the next."""
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import time
from contextlib import closing, contextmanager

import dataset

from driver import BENCHES, ROOT, loading
from driver.facts import Facts
from driver.servers import Yardstick
from driver.wire import Connection

BEGAN = time.monotonic()
# What decides how rows are stored: a database that older code stored is stored anew.
STORING = ["migration", "entity", "src/ingest", "src/db.rs"]


def say(text):
    print(f"{time.monotonic() - BEGAN:6.0f} s  {text}", file=sys.stderr, flush=True)


class History:
    def __init__(self, bench, metrics, contexts):
        self.bench, self.metrics, self.contexts = bench, metrics, contexts
        self.folder = bench.data / f"{metrics}-metrics-{contexts}-contexts"
        self.known_facts = None
        self.is_used = False

    def __str__(self):
        return f"{self.metrics:,} metrics of {self.contexts:,} contexts"

    def generated(self):
        """The file in the reference's layout."""

        def make(file):
            say(f"Writing a history of {self.metrics:,} metrics")
            dataset.write(file, self.metrics, self.contexts)

        return self._kept("generated.db", [BENCHES / "dataset.py"], make)

    def database(self, program):
        """The database of the same history that a build of Metrograph has made."""

        def make(file):
            say(f"Loading {self.metrics:,} metrics into {program.name}")
            with program.serve(file) as server:
                speed = loading.load(server.port, self.generated())
                self.check(server.port)
            say(f"  {speed:,.0f} rows/s")

        if program is self.bench.present:
            return self._kept("metrograph.db", [BENCHES / "dataset.py", *(ROOT / place for place in STORING)], make)
        return self._kept(f"before-{program.digest}.db", [BENCHES / "dataset.py"], make)

    def yardstick(self):
        """The yardstick's: the generated file and its indexes."""

        def make(file):
            shutil.copyfile(self.generated(), file)
            with Yardstick(self.bench.yardstick, file):
                pass
            with closing(sqlite3.connect(file)) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        return self._kept("yardstick.db", [BENCHES / "dataset.py", BENCHES / "yardstick"], make)

    def facts(self):
        """What is in it."""
        if self.known_facts is None:
            self.known_facts = Facts(self.generated())
        return self.known_facts

    def check(self, port):
        """Everything is there."""
        facts = self.facts()
        counts = {"metrics": self.metrics, "sessions": len(facts.sessions), "contexts": len(facts.contexts)}
        with Connection(port) as connection:
            for noun, count in counts.items():
                answer = connection.get(f"/api/v1/{noun}/count").json()
                if answer != {"count": count}:
                    raise RuntimeError(f"{noun}: {answer} are stored, not {count}")

    def duckdb(self, rival):
        """DuckDB's."""

        def make(file):
            say(f"Loading {self.metrics:,} metrics into DuckDB {rival.version}")
            rival.load(self.generated(), file)

        return self._kept(f"duckdb-{rival.version}.db", [BENCHES / "dataset.py", rival.WORKER], make)

    def _kept(self, name, made_of, make):
        """The file of that name, made anew when what it is made of has changed."""
        self.is_used = True
        file, label = self.folder / name, self.folder / f"{name}.json"
        made = {"of": digest(made_of)}
        if file.exists() and label.exists() and json.loads(label.read_text()) == made:
            return file
        self.folder.mkdir(parents=True, exist_ok=True)
        label.unlink(missing_ok=True)
        remove(file)
        unfinished = self.folder / f"unfinished-{name}"
        remove(unfinished)
        make(unfinished)
        unfinished.rename(file)
        label.write_text(json.dumps(made))
        return file


def digest(places):
    """Of the files at and below these places."""
    known = hashlib.sha256()
    for place in places:
        files = [place] if place.is_file() else sorted(file for file in place.rglob("*") if file.is_file())
        for file in files:
            known.update(file.read_bytes())
    return known.hexdigest()


def remove(database):
    """A SQLite file and what belongs to it."""
    for ending in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + ending).unlink(missing_ok=True)


@contextmanager
def scratch(database):
    """A copy that may be written to, gone with the block."""
    copy = database.with_name(f"scratch-{database.name}")
    remove(copy)
    shutil.copyfile(database, copy)
    # On disk before anything is measured, so that this is not done meanwhile.
    with open(copy, "rb") as file:
        os.fsync(file.fileno())
    try:
        yield copy
    finally:
        remove(copy)
