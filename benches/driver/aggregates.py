"""Questions over the whole history, answered by Metrograph's own code and by DuckDB in turn, and answered alike."""
import math
import statistics
from collections import defaultdict
from typing import NamedTuple

from driver.endpoints import middle
from driver.history import say
from driver.loading import METRIC
from driver.rival import DuckDB
from driver.servers import LineServer
from driver.table import DUCKDB, TABLE, Result
from driver.timing import spread

LARGE = "large-"
# Sums of floating-point numbers depend on their order.
CLOSE = 1e-9

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

    def answer(self, line):
        seconds, rows, *numbers = self.ask(line).split("\t")
        return float(seconds), int(rows), [float(number) for number in numbers]


def measure(bench):
    rows = [row for row in TABLE if row.sql and not row.is_asked and bench.wants(row.id)]
    if not rows:
        return
    if bench.aggregates is None:
        say("AGGREGATES ARE LEFT OUT: the example `aggregates` is not beside the binary (cargo build --example aggregates)")
        return
    rival = DuckDB(bench.data / "duckdb")
    bench.duckdb = str(rival)
    for history, is_large in ((bench.main, False), (bench.large, True)):
        asked = [row for row in rows if row.id.startswith(LARGE) == is_large]
        if asked:
            compare(bench, rival, history, asked)


def compare(bench, rival, history, rows):
    ours, theirs, counts = defaultdict(list), defaultdict(list), {}
    with Example(bench.aggregates, history.database(bench.present)) as example, rival.serve(history.duckdb(rival)) as duckdb:
        questions = {row.id: question(history.facts(), row, duckdb) for row in rows}
        for asked in questions.values():
            # What comes first reads the files.
            both(example, duckdb, asked)
        for number in range(bench.rounds):
            say(f"Aggregates of {history}, round {number + 1} of {bench.rounds}")
            for id, asked in questions.items():
                answers = [both(example, duckdb, asked) for _ in range(bench.answers)]
                for figures, place in ((ours, 0), (theirs, 1)):
                    figures[id].append(statistics.median(answer[place] * 1000 for answer in answers))
                counts[id] = answers[0][2]
    for id in questions:
        ratio = statistics.median(ours[id]) / statistics.median(theirs[id])
        note = "1 row" if counts[id] == 1 else f"{counts[id]:,} rows"
        texts = (spread("{:.2f} ms", figures[id]) for figures in (ours, theirs))
        bench.results[id] = Result({DUCKDB: ratio}, next(texts), f"DuckDB: {next(texts)}", note=note)


def both(example, duckdb, asked):
    """The seconds of either, and the number of rows. They answer the same."""
    ours, rows, numbers = example.answer(asked.line)
    theirs, their_rows, their_numbers = duckdb.answer(asked.sql, **asked.parameters)
    is_same = rows == their_rows and len(numbers) == len(their_numbers) and all(
        math.isclose(number, other, rel_tol=CLOSE) for number, other in zip(numbers, their_numbers)
    )
    if not is_same:
        raise RuntimeError(f"{asked.line!r}: {rows} rows with {numbers}, and DuckDB has {their_rows} with {their_numbers}")
    return ours, theirs, rows


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
