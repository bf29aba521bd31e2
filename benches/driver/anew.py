"""Counts that the server has to make anew, since something was stored just before."""
import statistics
import time
from collections import defaultdict

from driver.endpoints import counts
from driver.growth import grown
from driver.history import say
from driver.loads import METRIC_V1
from driver.subjects import Subject, connections_to_copies, programs_on, slowest
from driver.timing import MOST_SAMPLES, Medians

# Of no session, test or kind that any of the counts asks for.
ELSEWHERE = {"session_h": "anew", "context_h": "anew", "component": "", "kind": "anew", "item": "anew", "item_variant": "anew"}


def measure(bench):
    on_main, on_large = programs_on(bench, bench.main), Subject(bench.present, bench.large)
    subjects = on_main if bench.wants("counts-anew") else on_main[:1]
    if bench.wants("growth-counts-anew"):
        subjects = [*subjects, on_large]
    elif not bench.wants("counts-anew"):
        return
    medians = defaultdict(Medians)
    reads = {subject: {read.name: read for read in counts(subject.history.facts())} for subject in subjects}
    metrics = {
        subject: {**dict(zip(METRIC_V1, subject.history.facts().metrics_from(1, 1)[0])), **ELSEWHERE} for subject in subjects
    }
    for number in range(bench.rounds):
        say(f"Counts made anew, round {number + 1} of {bench.rounds}")
        with connections_to_copies(subjects) as opened:
            # In turn, so that a machine that changes its pace changes it for all.
            for name in reads[on_main[0]]:
                for subject in subjects:
                    [(path, expected)] = reads[subject][name].asked
                    medians[subject].add(name, path, p50(bench, opened[subject], path, expected, metrics[subject]))
    if bench.wants("counts-anew"):
        bench.results["counts-anew"] = slowest(*(medians[subject] for subject in on_main))
    if bench.wants("growth-counts-anew"):
        bench.results["growth-counts-anew"] = grown(medians[on_main[0]], medians[on_large])


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
