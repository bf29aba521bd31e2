"""The questions of every week: Metrograph answers each through HTTP, by one GraphQL operation, and DuckDB in turn, and they answer alike."""
import json
import math
import statistics
from collections import defaultdict
from typing import NamedTuple

from driver.aggregates import CLOSE, LARGE, SELECT_VARIANT, variant
from driver.history import say
from driver.rival import DuckDB
from driver.subjects import Subject, connections
from driver.table import COMPARED_RUNS, DUCKDB, HISTORY_RUNS, LAST_RUNS, TABLE, Result
from driver.timing import spread
from driver.wire import message

GROUPS = """
query($groupBy: [GroupBy!]!, $where: MetricWhere) {
  metricGroups(groupBy: $groupBy, where: $where, first: 10000) {
    nodes { component { name } bucket kind metricCount stats(resource: TOTAL_TIME) { mean p95 } }
  }
}
"""
HISTORY = """
query($where: VariantWhere!, $last: Int!) {
  variants(where: $where, first: 1) {
    nodes { history(resource: TOTAL_TIME, last: $last) { start revision n min median mean max machineClass { id } } }
  }
}
"""
COMPARISON = """
query($before: Selection!, $after: Selection!) {
  comparison(before: $before, after: $after, resource: TOTAL_TIME) {
    summary { compared regressed improved unchanged untested }
    variants(status: REGRESSED, first: 50) { nodes { variant { name } machineClass { id } ratio adjustedP } }
  }
}
"""
COMPONENT, MONTH, KIND = {"by": "COMPONENT"}, {"time": "MONTH"}, {"by": "KIND"}
DIMENSIONS = {"component": [COMPONENT], "component-month": [COMPONENT, MONTH], "component-month-kind": [COMPONENT, MONTH, KIND]}


class Asked(NamedTuple):
    """A question to both."""

    request: bytes
    # Makes of the answer the number of rows, and numbers that depend on all of them.
    read: callable
    sql: str
    parameters: dict


def measure(bench):
    rows = [row for row in TABLE if row.is_asked and bench.wants(row.id)]
    if not rows:
        return
    rival = DuckDB(bench.data / "duckdb")
    bench.duckdb = str(rival)
    for history, is_large in ((bench.main, False), (bench.large, True)):
        asked = [row for row in rows if row.id.startswith(LARGE) == is_large]
        if asked:
            compare(bench, rival, history, asked)


def compare(bench, rival, history, rows):
    ours, theirs, counts = defaultdict(list), defaultdict(list), {}
    subject = Subject(bench.present, history)
    with connections([subject]) as opened, rival.serve(history.duckdb(rival)) as duckdb:
        connection = opened[subject]
        questions = {row.id: question(history.facts(), row, duckdb) for row in rows}
        for asked in questions.values():
            # What comes first reads the files.
            both(connection, duckdb, asked)
        for number in range(bench.rounds):
            say(f"Questions of {history}, round {number + 1} of {bench.rounds}")
            for id, asked in questions.items():
                answers = [both(connection, duckdb, asked) for _ in range(bench.answers)]
                for figures, place in ((ours, 0), (theirs, 1)):
                    figures[id].append(statistics.median(answer[place] * 1000 for answer in answers))
                counts[id] = answers[0][2]
    for id in questions:
        ratio = statistics.median(ours[id]) / statistics.median(theirs[id])
        texts = (spread("{:.2f} ms", figures[id]) for figures in (ours, theirs))
        bench.results[id] = Result({DUCKDB: ratio}, next(texts), f"DuckDB: {next(texts)}", note=f"{counts[id]:,} rows")


def both(connection, duckdb, asked):
    """The seconds of either, and the number of rows. They answer the same."""
    answer = connection.send(asked.request)
    found = answer.json()
    if "errors" in found or answer.status != 200:
        raise RuntimeError(f"{asked.request!r}: {answer.status} {answer.body[:1000]!r}")
    rows, numbers = asked.read(found["data"])
    theirs, their_rows, their_numbers = duckdb.answer(asked.sql, **asked.parameters)
    is_same = rows == their_rows and len(numbers) == len(their_numbers) and all(
        math.isclose(number, other, rel_tol=CLOSE) for number, other in zip(numbers, their_numbers)
    )
    if not is_same:
        raise RuntimeError(f"{asked.request!r}: {rows} rows, {numbers}; DuckDB has {their_rows} rows, {their_numbers}")
    return answer.seconds, theirs, rows


def question(facts, row, duckdb):
    id = row.id.removeprefix(LARGE)
    if id == "ask-history":
        return history(facts, row, duckdb)
    if id == "ask-comparison":
        return comparison(facts, row)
    variables, parameters = {"groupBy": DIMENSIONS[id.removeprefix("ask-").removeprefix("last-")]}, {}
    if id.startswith("ask-last-"):
        since = run_dates(facts)[-LAST_RUNS]
        variables["where"], parameters["since"] = {"runDate": {"gte": since}}, since
    return Asked(graphql(GROUPS, variables), groups, row.sql, parameters)


def graphql(document, variables):
    return message("POST", "/graphql", json.dumps({"query": document, "variables": variables}).encode())


def run_dates(facts):
    """When the runs began, of which a session for each shard was announced."""
    dates = {}
    for session in facts.sessions.values():
        run = session.pipeline, session.build
        dates[run] = min(dates.get(run, session.run_date), session.run_date)
    return sorted(dates.values())


def groups(data):
    nodes = data["metricGroups"]["nodes"]
    weighted = (node["metricCount"] * node["stats"]["mean"] for node in nodes)
    p95 = (node["stats"]["p95"] for node in nodes)
    return len(nodes), [sum(node["metricCount"] for node in nodes), math.fsum(weighted), math.fsum(p95)]


def history(facts, row, duckdb):
    location, name = variant(facts)
    where = {"location": {"eq": location}, "name": {"eq": name}}
    key = duckdb.value(SELECT_VARIANT, location=location, name=name)
    request = graphql(HISTORY, {"where": where, "last": HISTORY_RUNS})
    return Asked(request, points, row.sql, {"variant": key})


def points(data):
    [found] = data["variants"]["nodes"]
    sums = [math.fsum(point[name] for point in found["history"]) for name in ("n", "min", "median", "mean", "max")]
    return len(found["history"]), sums


def comparison(facts, row):
    dates = run_dates(facts)
    half, end = len(dates) // 2, len(dates) - 1
    sides = {"before": (dates[half], dates[half + COMPARED_RUNS]), "after": (dates[end - COMPARED_RUNS], dates[end])}
    period = {side: {"period": {"since": since, "until": until}} for side, (since, until) in sides.items()}
    parameters = {f"{side}_{name}": date for side, dates in sides.items() for name, date in zip(("since", "until"), dates)}
    return Asked(graphql(COMPARISON, period), compared, row.sql, parameters)


def compared(data):
    summary = data["comparison"]["summary"]
    return summary["compared"], []
