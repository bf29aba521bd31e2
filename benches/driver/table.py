"""The table: what is measured, and what is wanted of it."""
from typing import NamedTuple

BEFORE = "× before"
YARDSTICK = "× the yardstick"
DUCKDB = "× DuckDB"
MAIN_HISTORY = "× the main history"
REFERENCE_FILE = "× the reference's file"
PAGE_2 = "× page 2"
MEGABYTES = "MB"
RECORDED = "× `recordMetrics`"

# What misses an aim by no more than that meets it.
TOLERANCE = 0.1


class Aim(NamedTuple):
    """What a figure is to be, at least or at most."""

    wanted: str
    limit: float
    unit: str

    def __str__(self):
        return f"{self.wanted} {self.limit:,g} {self.unit}"

    def is_met(self, figure):
        if self.wanted == "at least":
            return figure >= self.limit * (1 - TOLERANCE)
        return figure <= self.limit * (1 + TOLERANCE)


class Row(NamedTuple):
    id: str
    work: str
    aims: tuple
    # What DuckDB is asked.
    sql: str = ""
    # Whether Metrograph answers through HTTP.
    is_asked: bool = False

    def is_met(self, figures):
        """For each aim whether it is met; None if there was nothing to compare with."""
        return [aim.is_met(figures[aim.unit]) if aim.unit in figures else None for aim in self.aims]


class Result(NamedTuple):
    """What came out: the figures that count, by their units, and texts about them."""

    figures: dict
    measured: str
    baseline: str = ""
    reference: str = ""
    note: str = ""
    slowest: tuple | list = ()


def at_least(limit, unit):
    return Aim("at least", limit, unit)


def at_most(limit, unit):
    return Aim("at most", limit, unit)


def row(id, work, *aims, sql="", is_asked=False):
    return Row(id, work, aims, sql, is_asked)


# Single requests. Each class counts by its slowest.
CLASSES = {
    "first-pages": "first pages of all lists: p50",
    "last-pages": "last pages of all lists: p50",
    "counts": "counts: p50",
    "names": "listings of names: p50",
    "top": "head and tail of the resources: p50",
    "like": "`like`: p50",
    "middle-pages": "a jump to a middle page of a filtered list: p50",
}
COUNTS_ANEW = "counts, each just after a metric was stored: p50"
# What growth does to these has rows of its own.
GROWING = {
    "pages": "any page of all metrics: p50",
    "first-pages": "first pages by session, variant, context and component: p50",
    "counts": CLASSES["counts"],
    "counts-anew": COUNTS_ANEW,
    "names": CLASSES["names"],
}
ON_LARGE = ("last-pages", "counts", "top", "like", "middle-pages")

STATISTICS = "count(*) AS metrics, avg(total_time) AS mean, quantile_cont(total_time, 0.95) AS p95"
VALUES = "SELECT started_at, metric_id, total_time FROM"
IN_ORDER = "ORDER BY started_at, metric_id"


def against_duckdb(prefix, history):
    def statistics(id, limit, by, sql):
        work = f"{history}one query: count, mean and p95 of total time {by}"
        return row(prefix + id, work, at_most(limit, DUCKDB), sql=sql)

    def values(id, aims, work, sql):
        return row(prefix + id, history + work, *aims, sql=sql)

    return [
        statistics("groups-all", 0.8, "over all", f"SELECT {STATISTICS} FROM metrics"),
        statistics("groups-day", 0.8, "by day", f"SELECT started_at::DATE AS day, {STATISTICS} FROM metrics GROUP BY day"),
        statistics(
            "groups-component", 0.5, "by component",
            f"SELECT component_id, {STATISTICS} FROM metrics GROUP BY component_id",
        ),
        statistics(
            "groups-variant", 0.5, "by variant", f"SELECT variant_id, {STATISTICS} FROM metrics GROUP BY variant_id",
        ),
        values(
            "variant-values", [at_most(0.5, DUCKDB)], "all total times of one variant in order of time",
            f"{VALUES} metrics WHERE variant_id = $variant {IN_ORDER}",
        ),
        # An index makes DuckDB's file twice as large; it has this table for this question alone.
        values(
            "variant-values-indexed", [], "the same, and DuckDB has an index for it",
            f"{VALUES} metrics_indexed WHERE variant_id = $variant {IN_ORDER}",
        ),
        values(
            "two-builds", [at_most(1, DUCKDB)], "all total times of two builds of a pipeline in order of time",
            f"{VALUES} metrics JOIN sessions USING (session_id) WHERE pipeline = $pipeline "
            f"AND build IN ($first, $second) {IN_ORDER}",
        ),
    ]


# What "the last runs" are, those of a variant's history, and those on each side of a comparison.
LAST_RUNS = 30
HISTORY_RUNS = 200
COMPARED_RUNS = 10

RUNS = "SELECT pipeline, build, min(run_date) AS start FROM sessions GROUP BY pipeline, build"
IN_LAST_RUNS = "WHERE session_id IN (SELECT session_id FROM sessions WHERE run_date >= $since)"
MONTH = "date_trunc('month', started_at)"
KIND = "JOIN variants USING (variant_id)"
SIDE = "median(total_time) AS median, count(*) AS n FROM metrics WHERE session_id IN (SELECT session_id FROM sessions WHERE"


def side(name):
    return (
        f"(SELECT variant_id, context_id, {SIDE} run_date >= ${name}_since AND run_date < ${name}_until) "
        f"GROUP BY variant_id, context_id) AS {name}"
    )


def through_http(prefix, history):
    """The questions of every week."""

    def asked(id, limit, work, sql):
        return row(f"{prefix}ask-{id}", f"{history}through HTTP: {work}", at_most(limit, DUCKDB), sql=sql, is_asked=True)

    def groups(id, work, condition):
        by = ("component_id", MONTH, "kind")
        names = ("component", "component-month", "component-month-kind")
        words = ("component", "component and month", "component, month and kind")
        for number, (name, word) in enumerate(zip(names, words), 1):
            joined = f" {KIND}" if "kind" in by[:number] else ""
            keys = ", ".join(by[:number]).replace("component_id", "metrics.component_id")
            sql = f"SELECT {keys}, {STATISTICS} FROM metrics{joined} {condition}".rstrip() + " GROUP BY ALL"
            yield asked(f"{id}{name}", 0.6, f"count, mean and p95 of total time by {word}{work}", sql)

    return [
        *groups("", "", ""),
        *groups("last-", f", over the last {LAST_RUNS} runs", IN_LAST_RUNS),
        asked(
            "history", 1, f"the history of a variant, {HISTORY_RUNS} runs",
            "SELECT start, context_id, count(*) AS metrics, min(total_time) AS least, median(total_time) AS median, "
            "avg(total_time) AS average, max(total_time) AS greatest FROM metrics JOIN sessions USING (session_id) "
            f"JOIN ({RUNS} ORDER BY start DESC LIMIT {HISTORY_RUNS}) AS runs USING (pipeline, build) "
            "WHERE variant_id = $variant GROUP BY ALL ORDER BY start",
        ),
        asked(
            "comparison", 1, f"two times {COMPARED_RUNS} runs compared (DuckDB: their medians by variant and machine)",
            f"SELECT variant_id, context_id, before.median AS before, after.median AS after, before.n AS n, after.n AS m FROM "
            f"{side('before')} JOIN {side('after')} USING (variant_id, context_id)",
        ),
    ]


TABLE = [
    row(
        "post", "`POST /api/v1/metrics/`, 32 connections; 201 means on disk", at_least(0.8, YARDSTICK), at_least(1, BEFORE),
    ),
    row("post-one", "the same, 1 connection: p50", at_most(2, YARDSTICK), at_most(1, BEFORE)),
    row("post-p99", "the same, 32 connections: p99 of seconds in which the history is compressed", at_most(1.5, BEFORE)),
    row(
        "pages", "`GET /api/v1/metrics/?page=N`, N all over, 8 connections", at_least(0.5, YARDSTICK), at_least(1.5, BEFORE),
    ),
    row(
        "session", "`GET /api/v1/sessions/{h}/metrics`, 500 rows, 8 connections", at_least(0.5, YARDSTICK),
        at_least(1, BEFORE),
    ),
    row(
        "graphql-pages", "the same pages through `POST /graphql`, 14 fields a metric", at_least(0.45, YARDSTICK),
        at_least(1.5, BEFORE),
    ),
    row(
        "graphql-session", "the same sessions through `POST /graphql`, 14 fields a metric", at_least(0.45, YARDSTICK),
        at_least(1, BEFORE),
    ),
    row(
        "postgres", "GraphQL on PostgreSQL on the same machine, 8 connections: 20 sessions × 25 metrics × context",
        at_least(2, BEFORE),
    ),
    row("walk", "following `next_url` through all metrics", at_most(1, BEFORE)),
    # Both pages take as long to write.
    row("far-page", "page 2,000 of all metrics: p50", at_most(1, PAGE_2)),
    *(row(id, work, at_most(1, BEFORE)) for id, work in CLASSES.items()),
    # Counts are remembered until something is stored.
    row("counts-anew", COUNTS_ANEW, at_most(1, BEFORE)),
    row("links", "links followed anywhere in any list: p50", at_most(1, BEFORE)),
    *(row(f"contexts-{id}", f"with 8,000 contexts: {work}", at_most(1, BEFORE)) for id, work in CLASSES.items()),
    row("contexts-list", "with 8,000 contexts: any page of `/contexts/`: p50", at_most(1, BEFORE)),
    *(row(f"large-{id}", f"the large history: {CLASSES[id]}", at_most(1, BEFORE)) for id in ON_LARGE),
    *(row(f"growth-{id}", f"the large history: {work}", at_most(1.5, MAIN_HISTORY)) for id, work in GROWING.items()),
    *against_duckdb("", ""),
    *against_duckdb("large-", "the large history: "),
    *through_http("", ""),
    *through_http("large-", "the large history: "),
    row("file", "the database file as loaded, indexes included", at_most(0.1, REFERENCE_FILE)),
    row("large-file", "the large history: the same", at_most(0.065, REFERENCE_FILE)),
    row("record", "`recordMetrics` in batches of 1,000, one connection", at_least(1.5, BEFORE)),
    row("import", "`metrograph import` of the same rows from a file of the plugin", at_least(3, RECORDED)),
    row("start", "the large history: from start to first answer", at_most(3, MAIN_HISTORY)),
    row("memory", "the large history: anonymous memory under these loads", at_most(200, MEGABYTES)),
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
