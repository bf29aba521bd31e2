"""The table: what is measured, and what is wanted of it."""
from typing import NamedTuple

YARDSTICK = "× the yardstick"
# What the yardstick does a second on the machine for which limits in time and rows a second were set.
PACE = {"post": 13_000, "pages": 1_500, "session": 6_000}


class Row(NamedTuple):
    id: str
    work: str
    wanted: str
    limit: float
    unit: str

    @property
    def wish(self):
        return f"{self.wanted} {self.limit:,g} {self.unit}"

    def is_met(self, figure):
        return figure >= self.limit if self.wanted == "at least" else figure <= self.limit


class Result(NamedTuple):
    """What came out: the figure that counts, and texts about it."""

    figure: float
    measured: str
    baseline: str = ""
    reference: str = ""
    note: str = ""
    slowest: tuple | list = ()


def at_least(id, limit, unit, work):
    return Row(id, work, "at least", limit, unit)


def at_most(id, limit, unit, work):
    return Row(id, work, "at most", limit, unit)


TABLE = [
    at_least("post", 0.8, YARDSTICK, "`POST /api/v1/metrics/`, 32 connections; 201 means on disk"),
    at_most("post-one", 2, YARDSTICK, "the same, 1 connection: p50"),
    at_least("pages", 0.5, YARDSTICK, "`GET /api/v1/metrics/?page=N`, N all over, 8 connections"),
    at_least("session", 0.5, YARDSTICK, "`GET /api/v1/sessions/{h}/metrics`, 125 rows, 8 connections"),
    at_least("graphql-pages", 0.45, YARDSTICK, "the same pages through `POST /graphql`, 14 fields a metric"),
    at_least("graphql-session", 0.45, YARDSTICK, "the same sessions through `POST /graphql`, 14 fields a metric"),
    at_least(
        "postgres", 450, "requests/s",
        "GraphQL on PostgreSQL on the same machine, 8 connections: 20 sessions × 25 metrics × context",
    ),
    at_most("walk", 10, "s", "following `next_url` through all metrics"),
    # Both pages take as long to write; a tenth is noise.
    at_most("far-page", 1.1, "× page 2", "page 2,000 of all metrics: p50"),
    at_most("first-pages", 5, "ms", "first pages of all lists: p50"),
    at_most("counts", 5, "ms", "counts: p50"),
    # Counts are remembered until something is stored.
    at_most("counts-anew", 5, "ms", "counts, each just after a metric was stored: p50"),
    at_most("names", 5, "ms", "listings of names: p50"),
    at_most("top", 20, "ms", "head and tail of the resources: p50"),
    at_most("last-pages", 20, "ms", "last pages of all lists: p50"),
    at_most("like", 20, "ms", "`like`: p50"),
    at_most("links", 20, "ms", "links followed anywhere in any list: p50"),
    at_most("middle-pages", 100, "ms", "a jump to a middle page of a filtered list: p50"),
    at_most("contexts-first-pages", 5, "ms", "with 8,000 contexts: first pages of all lists: p50"),
    at_most("contexts-last-pages", 20, "ms", "with 8,000 contexts: last pages of all lists: p50"),
    at_most("contexts-counts", 5, "ms", "with 8,000 contexts: counts: p50"),
    at_most("contexts-names", 5, "ms", "with 8,000 contexts: listings of names: p50"),
    at_most("contexts-top", 20, "ms", "with 8,000 contexts: head and tail of the resources: p50"),
    at_most("contexts-like", 20, "ms", "with 8,000 contexts: `like`: p50"),
    at_most("contexts-middle-pages", 100, "ms", "with 8,000 contexts: a jump to a middle page of a filtered list: p50"),
    at_most("contexts-list", 20, "ms", "with 8,000 contexts: any page of `/contexts/`: p50"),
    at_most("growth-pages", 1.5, "× the main history", "the large history: any page of all metrics: p50"),
    at_most(
        "growth-first-pages", 1.5, "× the main history",
        "the large history: first pages by session, variant, context and component: p50",
    ),
    at_most("growth-counts", 1.5, "× the main history", "the large history: counts: p50"),
    at_most(
        "growth-counts-anew", 1.5, "× the main history", "the large history: counts, each just after a metric was stored: p50",
    ),
    at_most("growth-names", 1.5, "× the main history", "the large history: listings of names: p50"),
    at_most("file", 0.6, "× the reference's file", "the database file, indexes included"),
    at_least("record", 30_000, "rows/s", "`recordMetrics` in batches of 1,000, one connection"),
    at_most("start", 200, "ms", "the large history: from start to first answer"),
    at_most("memory", 200, "MB", "the large history: anonymous memory under these loads"),
]


def chosen(words):
    """The ids that the words name: each is an id, or what ids begin with."""
    ids = [row.id for row in TABLE]
    found = set()
    for word in words:
        matching = [id for id in ids if id == word] or [id for id in ids if id.startswith(f"{word}-")]
        if not matching:
            raise ValueError(f"there is no row {word}; the rows are {', '.join(ids)}")
        found.update(matching)
    return found
