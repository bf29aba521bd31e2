"""The questions of every week: Metrograph answers each through HTTP, by one GraphQL operation, and DuckDB in turn, and they answer alike."""
import json
import math
from contextlib import contextmanager
from typing import NamedTuple

from driver import duel
from driver.aggregates import SELECT_VARIANT, variant
from driver.duel import LARGE
from driver.subjects import Subject, connections
from driver.table import COMPARED_RUNS, HISTORY_RUNS, LAST_RUNS, TABLE
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
    duel.measure(bench, rows, "Questions", lambda history: asking(Subject(bench.present, history)), question)


class OverHttp:
    """A server that is asked on one connection."""

    def __init__(self, connection):
        self.connection = connection

    def answer(self, asked):
        answer = self.connection.send(asked.request)
        found = answer.json()
        if "errors" in found or answer.status != 200:
            raise RuntimeError(f"{asked.request!r}: {answer.status} {answer.body[:1000]!r}")
        return answer.seconds, *asked.read(found["data"])


@contextmanager
def asking(subject):
    with connections([subject]) as opened:
        yield OverHttp(opened[subject])


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
