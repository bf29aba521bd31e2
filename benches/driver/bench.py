"""The arguments of a run, and its results so far."""
from driver.history import History
from driver.table import TABLE, chosen

MANY_CONTEXTS = 8_000


class Bench:
    def __init__(self, given, data, metrograph, yardstick):
        self.data, self.metrograph, self.yardstick = data, metrograph, yardstick
        self.reference, self.postgres, self.small = given.reference, given.postgres, given.small
        self.is_built = not (given.metrograph and given.yardstick)
        self.only = chosen(given.only) if given.only else {row.id for row in TABLE}
        self.results = {}
        # The yardstick's rates in this run, by row.
        self.pace = {}
        if self.small:
            self.main = History(self, 100_000, 8)
            self.many_contexts = History(self, 10_000, 80)
            self.for_postgres = self.for_links = self.many_contexts
            # Not large at all: that growth is measured is part of what a small run shows.
            self.large = History(self, 20_000, 8)
            self.rounds, self.seconds, self.warm_up = 1, 1, 1
            self.seconds_a_read, self.least_samples = 0, 2
            self.pages, self.sessions, self.quarters, self.steps, self.batches = 40, 40, [2], 1, 5
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
        if self.large is None:
            self.only = {id for id in self.only if not id.startswith("growth-")} - {"start", "memory"}

    def wants(self, row):
        return row in self.only

    def histories(self):
        """In words, those that were used."""
        known = (self.main, self.many_contexts, self.large)
        return [str(history) for history in known if history and history.is_used]
