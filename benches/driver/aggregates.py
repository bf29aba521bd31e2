"""Questions over the whole history, answered by Metrograph's own code and by DuckDB in turn, and answered alike."""
from typing import NamedTuple

from driver import duel
from driver.duel import LARGE
from driver.endpoints import middle
from driver.history import say
from driver.loading import METRIC
from driver.servers import LineServer
from driver.table import TABLE

SELECT_VARIANT = "SELECT variant_id FROM variants WHERE location = $location AND name = $name"


class Question(NamedTuple):
    """What the example `aggregates` is asked, and what DuckDB."""

    line: str
    sql: str
    parameters: dict


class Example(LineServer):
    """The example `aggregates`: it answers with the seconds, the number of rows, and numbers that depend on all of them."""

    def __init__(self, binary, database):
        super().__init__("the example aggregates", [binary, "--database-url", f"sqlite://{database}", "--read-only"])

    def answer(self, asked):
        seconds, rows, *numbers = self.ask(asked.line).split("\t")
        return float(seconds), int(rows), [float(number) for number in numbers]


def measure(bench):
    rows = [row for row in TABLE if row.sql and not row.is_asked and bench.wants(row.id)]
    if not rows:
        return
    if bench.aggregates is None:
        say("AGGREGATES ARE LEFT OUT: the example `aggregates` is not beside the binary (cargo build --example aggregates)")
        return
    duel.measure(
        bench, rows, "Aggregates", lambda history: Example(bench.aggregates, history.database(bench.present)), question,
    )


def question(facts, row, duckdb):
    id = row.id.removeprefix(LARGE)
    return Question(lines(facts)[id], row.sql, parameters(facts, id, duckdb))


def lines(facts):
    """What the example is asked for each row."""
    of_variant = "\t".join(("variant", *variant(facts)))
    return {
        "groups-all": "groups\tall",
        "groups-day": "groups\tday",
        "groups-component": "groups\tcomponent",
        "groups-variant": "groups\tvariant",
        "variant-values": of_variant,
        "variant-values-indexed": of_variant,
        "two-builds": "\t".join(("builds", *two_builds(facts))),
    }


def parameters(facts, id, duckdb):
    """Those of a row's SQL. DuckDB need not look up the variant."""
    if id == "two-builds":
        return dict(zip(("pipeline", "first", "second"), two_builds(facts)))
    if id.startswith("variant-values"):
        location, name = variant(facts)
        return {"variant": duckdb.value(SELECT_VARIANT, location=location, name=name)}
    return {}


def variant(facts):
    """Location and name of the variant that was measured in the middle of the history."""
    [metric] = facts.metrics_from(facts.metrics // 2, 1)
    metric = dict(zip(METRIC, metric))
    return metric["location"], metric["variantName"]


def two_builds(facts):
    """A pipeline, and two of its builds in the middle of the history, one after the other."""
    some = middle(facts.sessions.values())
    builds = list(dict.fromkeys(session.build for session in facts.sessions.values() if session.pipeline == some.pipeline))
    at = builds.index(some.build)
    return some.pipeline, builds[at - 1], builds[at]
