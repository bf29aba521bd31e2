"""Asks random questions about groups of metrics, and compares the answers with the model's. Run by `aggregates.py`, with numpy."""
import json
import math
import random
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benches"))

from aggregates_model import METRICS, PERCENTILES, RESOURCES, History, Model, deviation, statistic
from driver.postgres import cluster, programs
from processes import end_children_on_sigterm
from report import Report
from server import Server

BATCH = 8_000
BY = ["COMPONENT", "ITEM", "VARIANT", "KIND", "SESSION", "PIPELINE", "BUILD", "SCM_REF", "CONTEXT", "MACHINE", "OUTCOME"]
TIMES = ["HOUR", "DAY", "WEEK", "MONTH"]
TAGS = ["python", "numpy", "pipeline_branch", "nothing"]
FIELDS = {
    "COMPONENT": ("component { name }", lambda group: group["component"]["name"]),
    "ITEM": (
        "item { name path component { name } }",
        lambda group: (group["item"]["component"]["name"], group["item"]["path"], group["item"]["name"]),
    ),
    "VARIANT": ("variant { location name }", lambda group: (group["variant"]["location"], group["variant"]["name"])),
    "KIND": ("kind", lambda group: group["kind"]),
    "SESSION": ("sessionHash", lambda group: group["sessionHash"]),
    "PIPELINE": ("pipeline { name }", lambda group: group["pipeline"] and group["pipeline"]["name"]),
    "BUILD": (
        "build { name pipeline { name } }",
        lambda group: group["build"] and (group["build"]["pipeline"]["name"], group["build"]["name"]),
    ),
    "SCM_REF": ("scmRef", lambda group: group["scmRef"]),
    "CONTEXT": ("contextHash", lambda group: group["contextHash"]),
    "MACHINE": ("machine", lambda group: group["machine"]),
    "OUTCOME": ("outcome", lambda group: group["outcome"]),
}
# Statistics of which all groups have one that is quick to compute, and the others.
QUICK, SLOW = ["COUNT", "SUM", "MEAN", "MIN", "MAX"], ["MEDIAN", "P95", "PERCENTILE"]
# There are 262,144 groups at most.
TOO_MANY = 280_000
# With more groups, those are not ordered by.
FEW_GROUPS = 300


class PostgresServer(Server):
    def __init__(self, binary, folder, url, arguments=()):
        self.url_of_database = url
        super().__init__(binary, folder, arguments=arguments)

    def _database_url(self):
        return self.url_of_database


class Address(NamedTuple):
    """What another process needs to know of a server."""

    url: str


def ask(server, query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{server.url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        answer = json.load(reply)
    if "errors" in answer:
        raise RuntimeError(f"{query} {variables}: {answer['errors'][:2]}")
    return answer["data"]


def record(server, history):
    for session in history.sessions:
        if session["isAnnounced"]:
            announced = {"hash": session["hash"], "runDate": "2026-01-01T00:00:00", "scmRef": session["scmRef"], "tags": session["tags"]}
            ask(server, "mutation($s: AnnounceSessionInput!) { announceSession(input: $s) { userErrors { message } } }", s=announced)
    for number, context in enumerate(history.contexts[:-1]):
        announced = {
            "hash": context, "cpuCount": 8, "cpuFrequency": 2400, "cpuType": "x86_64", "ramTotal": 32000, "machineNode": f"machine-{number % 3}",
            "machineType": "x86_64", "machineArch": "64bit", "systemInfo": "Linux", "pythonInfo": "3.12",
        }
        ask(server, "mutation($c: AnnounceContextInput!) { announceContext(input: $c) { userErrors { message } } }", c=announced)
    for first in range(0, METRICS, BATCH):
        metrics = history.metrics[first:first + BATCH]
        ask(server, "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { userErrors { message } } }", m=metrics)


def question(chance):
    """A random question: the arguments of `metricGroups`, and of its `stats`."""
    by = [{"by": of} for of in BY] + [{"time": of} for of in chance.sample(TIMES, 1)] + [{"tag": name} for name in TAGS]
    arguments = {"groupBy": chance.sample(by, chance.choice([1, 1, 2, 2, 3])), "first": chance.choice([1, 7, 50, 200])}
    where = {
        "component": {"eq": chance.choice(["", "core", "none"])}, "pipeline": {"in": ["pipeline-0", "pipeline-2"]},
        "passed": chance.random() < 0.5, "totalTime": {"gte": chance.choice([0.5, 5.0, 19.0])},
        "startedAt": {"lt": chance.choice(["2026-01-20T00:00:00", "2026-03-01T12:00:00"])},
    }
    arguments["where"] = {name: where[name] for name in chance.sample(list(where), chance.choice([0, 0, 1, 2]))}
    order = chance.choice(["NAME", "NAME", *QUICK, *SLOW, "SHARE"])
    if order != "NAME":
        direction = chance.choice(["ASC", "DESC"])
        arguments["orderBy"] = {"by": order, "direction": direction}
        if order == "SHARE":
            arguments["orderBy"] = {"by": "SUM", "direction": "DESC"}
            arguments["untilShare"] = chance.choice([0.01, 0.5, 0.9, 1.0])
        if order != "COUNT":
            arguments["orderBy"]["resource"] = chance.choice(list(RESOURCES))
        if order == "PERCENTILE":
            arguments["orderBy"]["p"] = chance.choice([0, 0.1, 0.33, 1])
    elif chance.random() < 0.3:
        arguments["orderBy"] = {"by": "NAME", "direction": "DESC"}
    return arguments, chance.choice(list(RESOURCES)), chance.choice([0, 0.001, 0.5, 0.777, 1]), chance.choice(BY)


def text_of(arguments, resource, p, of):
    fields = []
    for by in arguments["groupBy"]:
        [(kind, name)] = by.items()
        fields.append({"by": FIELDS.get(name, [None])[0], "tag": f"tag{len(fields)}: tag(name: {json.dumps(name)})", "time": "bucket"}[kind])
    named = " ".join(PERCENTILES)
    return f"""query($where: MetricWhere, $groupBy: [GroupBy!]!, $orderBy: MetricGroupOrder, $first: Int, $untilShare: Float, $after: String) {{
      metricGroups(where: $where, groupBy: $groupBy, orderBy: $orderBy, first: $first, untilShare: $untilShare, after: $after) {{
        totalCount pageInfo {{ hasNextPage endCursor }}
        nodes {{ {" ".join(fields)} metricCount firstSeen lastSeen distinct(of: {of})
          stats(resource: {resource}) {{ metricCount sum mean min max standardDeviation {named} percentile(p: {p}) share }} }} }} }}"""


def refuses_too_many(server, history, report):
    """Records metrics in more different hours than there may be groups."""
    chance, usual = random.Random(0), history.metrics[0]
    for _ in range(0, TOO_MANY, BATCH):
        starts = (datetime(1950, 1, 1) + timedelta(hours=hour) for hour in chance.sample(range(50 * 365 * 24), BATCH))
        metrics = [{**usual, "startedAt": start.isoformat(), "variantName": f"v{chance.randrange(50)}"} for start in starts]
        ask(server, "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { userErrors { message } } }", m=metrics)
    try:
        found = ask(server, "{ metricGroups(groupBy: [{time: HOUR}, {by: VARIANT}]) { totalCount } }")
        report.check("too many groups are refused", f"{found}")
    except RuntimeError as error:
        report.check("too many groups are refused", None if "LIMIT_EXCEEDED" in str(error) and "groupBy: " in str(error) else str(error))
    found = ask(server, "{ metricGroups(groupBy: [{time: DAY}, {by: VARIANT}]) { totalCount } }")["metricGroups"]["totalCount"]
    report.check(f"{found:,} groups are not", None if found > 100_000 else "so few")


class Judge:
    def __init__(self, server, model):
        self.server, self.model = server, model

    def check(self, arguments, resource, p, of):
        """Returns what is wrong with an answer; None if nothing is."""
        chosen = self.model.select(arguments["where"])
        dimensions = [self.model.dimension(by) for by in arguments["groupBy"]]
        lengths = [len(dimension.things) for dimension in dimensions]
        codes = numpy.ravel_multi_index([dimension.codes[chosen] for dimension in dimensions], lengths)
        order = numpy.argsort(codes, kind="stable")
        groups, firsts = numpy.unique(codes[order], return_index=True)
        members = numpy.split(chosen[order], firsts[1:]) if len(groups) else []
        placed = self._placed(arguments, groups, members, dimensions, lengths)
        if placed is None:
            return None
        query = text_of(arguments, resource, p, of)
        found = ask(self.server, query, **arguments)["metricGroups"]
        if found["totalCount"] != len(placed):
            return f"{found['totalCount']} groups, not {len(placed)}"
        wanted = placed[:arguments["first"]]
        problem = self._compare(found, placed, wanted, (arguments, dimensions, lengths, groups, members, chosen), resource, p, of)
        if problem or len(placed) <= arguments["first"]:
            return problem
        # The next page begins where this one ends.
        rest = ask(self.server, query, **arguments, after=found["pageInfo"]["endCursor"])["metricGroups"]
        wanted = placed[arguments["first"]:2 * arguments["first"]]
        return self._compare(rest, placed, wanted, (arguments, dimensions, lengths, groups, members, chosen), resource, p, of)

    def _placed(self, arguments, groups, members, dimensions, lengths):
        """The groups in order; None if that takes too long."""
        by = arguments.get("orderBy", {"by": "NAME"})
        numbers = numpy.unravel_index(groups, lengths) if len(groups) else []
        names = list(zip(*(dimension.places[number].tolist() for dimension, number in zip(dimensions, numbers))))
        ties = groups.tolist()
        falling = by.get("direction") == "DESC"
        if by["by"] == "NAME":
            return sorted(range(len(groups)), key=lambda group: names[group], reverse=falling)
        if by["by"] in SLOW and len(groups) > FEW_GROUPS:
            return None
        field = {"P95": "p95", "PERCENTILE": None}.get(by["by"], by["by"].lower())
        if by["by"] == "COUNT":
            values = [len(member) for member in members]
        else:
            of = self.model.values[by["resource"]]
            values = [statistic(field, of[member], by.get("p")) for member in members]
        sign = -1 if falling else 1
        placed = sorted(range(len(groups)), key=lambda group: (sign * values[group], ties[group]))
        if "untilShare" in arguments:
            total = math.fsum(value for member in members for value in self.model.values[by["resource"]][member].tolist())
            wanted, made, kept = total * arguments["untilShare"], [], []
            for group in placed:
                if math.fsum(made) >= wanted:
                    break
                kept.append(group)
                made.extend(self.model.values[by["resource"]][members[group]].tolist())
            placed = kept
        return placed

    def _compare(self, found, placed, wanted, grouped, resource, p, of):
        arguments, dimensions, lengths, groups, members, chosen = grouped
        if len(found["nodes"]) != len(wanted):
            return f"{len(found['nodes'])} groups on a page, not {len(wanted)}"
        values, things = self.model.values[resource], self.model.dimension({"by": of})
        total = math.fsum(values[chosen])
        for node, group in zip(found["nodes"], wanted):
            numbers = numpy.unravel_index(groups[group], lengths)
            for at, (by, dimension, number) in enumerate(zip(arguments["groupBy"], dimensions, numbers)):
                [(kind, name)] = by.items()
                got = FIELDS[name][1](node) if kind == "by" else node["bucket" if kind == "time" else f"tag{at}"]
                if got != dimension.things[number]:
                    return f"{by}: {got}, not {dimension.things[number]}"
            member = members[group]
            problem = self._compare_figures(node, member, values[member], total, p)
            codes = things.codes[member]
            distinct = len(set(codes[codes != len(things.things) - 1].tolist()))
            if not problem and node["distinct"] != distinct:
                problem = f"{node['distinct']} distinct of {of}, not {distinct}"
            if problem:
                return f"group {[dimension.things[number] for dimension, number in zip(dimensions, numbers)]}: {problem}"
        return None

    def _compare_figures(self, node, member, values, total, p):
        stats = node["stats"]
        starts = [self.model.starts[index] for index in (member[self.model.micros[member].argmin()], member[self.model.micros[member].argmax()])]
        expected = {"sum": statistic("sum", values), "mean": statistic("mean", values), "min": statistic("min", values), "max": statistic("max", values)}
        expected |= {name: statistic(name, values) for name in PERCENTILES}
        expected["percentile"] = statistic(None, values, p)
        expected["share"] = expected["sum"] / total if total else None
        expected["metricCount"] = len(values)
        for name, value in expected.items():
            if stats[name] != value:
                return f"{name} {stats[name]!r}, not {value!r}"
        if [node["metricCount"], node["firstSeen"], node["lastSeen"]] != [len(values), *(start.isoformat() for start in starts)]:
            return f"{node['metricCount']} from {node['firstSeen']} to {node['lastSeen']}"
        wanted, exactness = deviation(values)
        got = stats["standardDeviation"]
        if (got is None) != (wanted is None) or got is not None and not math.isclose(got, wanted, rel_tol=exactness, abs_tol=exactness * 1e-3):
            return f"standardDeviation {got!r}, not {wanted!r}"
        return None


def judge_cases(server, history, model, cases, seed):
    """Records the history, asks random questions, and returns the seconds and what is wrong with the first wrong answer."""
    began = time.monotonic()
    record(server, history)
    chance, judge = random.Random(seed), Judge(server, model)
    for number in range(cases):
        asked = question(chance)
        problem = judge.check(*asked)
        if problem:
            return time.monotonic() - began, f"case {number}, {asked}: {problem}"
    return time.monotonic() - began, None


def main(binary, cases, seed):
    report, cases = Report(), int(cases)
    print(f"SEED={seed}")
    history = History(seed)
    model = Model(history)
    unlimited = ["--max-complexity", "1000000000"]
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="metrograph-aggregates-")) for _ in range(2)]
        servers = {"SQLite": stack.enter_context(Server(binary, folders[0], arguments=unlimited))}
        if programs() is None:
            report.check("PostgreSQL", "initdb is not there (Debian: apt-get install postgresql)")
        else:
            url = stack.enter_context(cluster())
            servers["PostgreSQL"] = stack.enter_context(PostgresServer(binary, folders[1], url, unlimited))
        # Python counts as long as a server answers: one for each.
        with ProcessPoolExecutor(len(servers), get_context("fork")) as pool:
            addresses = [Address(server.url) for server in servers.values()]
            work = pool.map(judge_cases, addresses, *(repeat(each) for each in (history, model, cases, seed)))
            for name, (seconds, problem) in zip(servers, work):
                report.check(f"{name}: {cases} random cases ({seconds:.0f} s)", problem)
        refuses_too_many(servers["SQLite"], history, report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    end_children_on_sigterm()
    sys.exit(main(*sys.argv[1:]))
