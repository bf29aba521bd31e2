"""What a generated history holds, counted from its file: every answer is checked against it."""
import json
from collections import Counter
from typing import NamedTuple

from driver.loading import METRIC_COLUMNS, read_only


class Session(NamedTuple):
    hash: str
    run_date: str
    scm_ref: str
    pipeline: str
    build: str
    tags: dict


class Test(NamedTuple):
    component: str
    item: str
    variant: str
    kind: str


class Facts:
    def __init__(self, file):
        self.file = file
        with read_only(file) as database:
            self.contexts = [hash for hash, in database.execute("SELECT ENV_H FROM EXECUTION_CONTEXTS ORDER BY rowid")]
            self.sessions = {}
            for hash, run_date, scm_ref, text in database.execute(
                "SELECT SESSION_H, RUN_DATE, SCM_REF, DESCRIPTION FROM TEST_SESSIONS ORDER BY rowid"
            ):
                tags = json.loads(text)
                self.sessions[hash] = Session(hash, run_date, scm_ref, tags["pipeline_branch"], tags["pipeline_build_no"], tags)
            self.of_place = Counter(database.execute("SELECT SESSION_H, CONTEXT_H FROM TEST_METRICS"))
            tests = Counter(database.execute("SELECT COMPONENT, ITEM, ITEM_VARIANT, KIND FROM TEST_METRICS"))
        self.of_test = Counter({Test(*names): count for names, count in tests.items()})
        self.of_session, self.of_context = Counter(), Counter()
        for (session, context), count in self.of_place.items():
            self.of_session[session] += count
            self.of_context[context] += count
        self.metrics = sum(self.of_session.values())

    def by(self, *names):
        """How many metrics there are of each component, item, variant or kind, or combination of these."""
        counts = Counter()
        for test, count in self.of_test.items():
            counts[tuple(getattr(test, name) for name in names)] += count
        return counts

    def metrics_of(self, matches):
        """How many metrics belong to sessions that match."""
        return sum(count for hash, count in self.of_session.items() if matches(self.sessions[hash]))

    def like(self, name, pattern):
        """How many metrics have a name with the pattern in it, as SQL understands it."""
        with read_only(self.file) as database:

            def matches(value):
                return database.execute("SELECT ? LIKE '%' || ? || '%'", (value, pattern)).fetchone()[0]

            return sum(count for (value,), count in self.by(name).items() if matches(value))

    def sessions_of(self, component):
        """The sessions that measured a component."""
        with read_only(self.file) as database:
            found = database.execute("SELECT DISTINCT SESSION_H FROM TEST_METRICS WHERE COMPONENT = ?", (component,))
            return [self.sessions[hash] for hash, in found]

    def metrics_from(self, key, count):
        """So many metrics, in the order of the columns."""
        with read_only(self.file) as database:
            return database.execute(
                f"SELECT {METRIC_COLUMNS} FROM TEST_METRICS WHERE ITEM_PK >= ? ORDER BY ITEM_PK LIMIT ?", (key, count)
            ).fetchall()


    def metrics_of_session(self, hash):
        """Its metrics, in the order of the columns."""
        with read_only(self.file) as database:
            return database.execute(
                f"SELECT {METRIC_COLUMNS} FROM TEST_METRICS WHERE SESSION_H = ? ORDER BY ITEM_PK", (hash,)
            ).fetchall()


def extremes(counts):
    """("most", key) and ("least", key)."""
    ranked = sorted(counts, key=lambda key: (counts[key], key))
    return [("most", ranked[-1])] if len(ranked) == 1 else [("most", ranked[-1]), ("least", ranked[0])]
