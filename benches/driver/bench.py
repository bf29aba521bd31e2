"""The arguments of a run, and its results so far."""
from driver.binaries import program
from driver.history import History
from driver.table import TABLE, chosen

MANY_CONTEXTS = 8_000


def wanted(given):
    """The ids of the rows that these arguments ask for."""
    rows = [row for row in TABLE if not given.only or row.id in chosen(given.only)]
    if not (given.small or given.large):
        rows = [row for row in rows if not row.id.startswith(("growth-", "large-")) and row.id not in ("start", "memory")]
    has_duckdb = not given.small if given.duckdb is None else given.duckdb
    return {row.id for row in rows if has_duckdb or not row.sql}


class Bench:
    def __init__(self, given, data, metrograph, yardstick, aggregates):
        self.data, self.yardstick, self.aggregates = data, yardstick, aggregates
        self.present = program("Metrograph", metrograph)
        self.before = program("before", given.before.resolve()) if given.before else None
        # The builds of Metrograph that are compared, the present one first.
        self.programs = [self.present, self.before] if self.before else [self.present]
        self.reference, self.small = given.reference, given.small
        self.postgres, self.postgres_before = given.postgres, given.postgres_before
        self.is_built = not (given.metrograph and given.yardstick)
        self.rows = wanted(given)
        self.results = {}
        # In words, once it has been asked.
        self.duckdb = None
        if self.small:
            self.main = History(self, 100_000, 8)
            self.many_contexts = History(self, 10_000, 80)
            self.for_postgres = self.for_links = self.many_contexts
            # Not large at all: that growth is measured is part of what a small run shows.
            self.large = History(self, 20_000, 8)
            self.rounds, self.seconds, self.warm_up = 1, 1, 1
            self.seconds_a_read, self.least_samples = 0, 2
            self.pages, self.sessions, self.quarters, self.steps, self.batches = 40, 40, [2], 1, 5
            self.windows, self.answers = 1, 1
        else:
            self.main = History(self, given.metrics, 8)
            self.many_contexts = History(self, given.metrics, MANY_CONTEXTS)
            self.for_postgres = self.for_links = self.main
            self.large = History(self, given.large, 8) if given.large else None
            self.rounds, self.seconds, self.warm_up = given.rounds, given.seconds, 1
            # Single requests: as many as go into this time, but no fewer than that.
            self.seconds_a_read, self.least_samples = given.seconds / 25, 15
            # Loads: so many sessions, and every page.
            self.pages, self.sessions = None, 500
            # Links: from these quarters of a list, so many steps either way.
            self.quarters, self.steps = [1, 2, 3], 10
            # recordMetrics: a thousand rows each.
            self.batches = 200
            # Of POST, a second each: at most so many, until segments were sealed in some.
            self.windows = 20
            # Aggregates: so many answers a round.
            self.answers = 5

    def wants(self, row):
        return row in self.rows

    def histories(self):
        """In words, those that were used."""
        known = (self.main, self.many_contexts, self.large)
        return [str(history) for history in known if history and history.is_used]
