"""Counts that the server has to make anew, since something was stored just before."""
import statistics
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager

from driver.endpoints import counts
from driver.growth import grown
from driver.history import say, scratch
from driver.loads import METRIC_V1
from driver.reads import slowest
from driver.servers import Metrograph
from driver.timing import MOST_SAMPLES, Medians
from driver.wire import Connection

# Of no session, test or kind that any of the counts asks for.
ELSEWHERE = {"session_h": "anew", "context_h": "anew", "component": "", "kind": "anew", "item": "anew", "item_variant": "anew"}


def measure(bench):
    if bench.wants("growth-counts-anew"):
        histories = [bench.main, bench.large]
    elif bench.wants("counts-anew"):
        histories = [bench.main]
    else:
        return
    medians = defaultdict(Medians)
    reads = {history: {read.name: read for read in counts(history.facts())} for history in histories}
    metrics = {
        history: {**dict(zip(METRIC_V1, history.facts().metrics_from(1, 1)[0])), **ELSEWHERE} for history in histories
    }
    for number in range(bench.rounds):
        say(f"Counts made anew, round {number + 1} of {bench.rounds}: {', and '.join(map(str, histories))}")
        with ExitStack() as opened:
            connections = {history: opened.enter_context(on_a_copy(bench, history)) for history in histories}
            # In turn, so that a machine that changes its pace changes it for both.
            for name in reads[bench.main]:
                for history in histories:
                    [(path, expected)] = reads[history][name].asked
                    median = p50(bench, connections[history], path, expected, metrics[history])
                    medians[history].add(name, path, median)
    if bench.wants("counts-anew"):
        bench.results["counts-anew"] = slowest(medians[bench.main])
    if bench.wants("growth-counts-anew"):
        bench.results["growth-counts-anew"] = grown(medians[bench.main], medians[bench.large])


@contextmanager
def on_a_copy(bench, history):
    with (
        scratch(history.metrograph()) as database,
        Metrograph(bench.metrograph, database) as server,
        Connection(server.port) as connection,
    ):
        yield connection


def p50(bench, connection, path, expected, metric):
    """The median of milliseconds. Each count is that of the history, and may hold what was stored since."""
    times = []
    end = time.monotonic() + bench.seconds_a_read
    stored = connection.get(path).json()["count"] - expected.rows
    while len(times) < bench.least_samples or (time.monotonic() < end and len(times) < MOST_SAMPLES):
        if connection.post("/api/v1/metrics/", metric).status != 201:
            raise RuntimeError("a metric was not stored")
        stored += 1
        answer = connection.get(path)
        times.append(answer.seconds * 1000)
        if answer.status != 200 or not expected.rows <= answer.json()["count"] <= expected.rows + stored:
            raise RuntimeError(f"GET {path}: {answer.status} {answer.body[:200]!r}, not {expected.rows} to {stored} more")
    return statistics.median(times)
