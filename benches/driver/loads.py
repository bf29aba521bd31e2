"""Loads on several connections, on each contestant in turn."""
import json
import random
import statistics
from collections import defaultdict

import dataset

from driver import wrk
from driver.contestants import OfMetrograph, OfReference, OfYardstick
from driver.endpoints import PAGE_SIZE
from driver.history import say, scratch
from driver.loading import METRIC
from driver.table import BEFORE, YARDSTICK, Result
from driver.timing import spread
from driver.wire import Connection, message

# How many connections a row takes.
READS = {"pages": 8, "session": 8, "graphql-pages": 8, "graphql-session": 8}
WRITES = {"post": 32, "post-one": 1}
# What the others measure instead of a row that they cannot run.
BESIDE = {"graphql-pages": "pages", "graphql-session": "session"}
# Rows whose figure is a p50, not a rate.
TIMES = {"post-one"}
SESSION_ROWS = dataset.VARIANTS // dataset.BUILD_SESSIONS
# One answer in so many is compared with the history row by row.
IN_FULL = 25
# Rounds that lie further apart than this say that something else went on.
CALM = 1.5
# The reference takes its time: so many of its answers are looked at.
REFERENCE_CHECKS = 20

# In the order of the file's columns.
METRIC_V1 = (
    "session_h", "context_h", "item_start_time", "item_path", "item", "item_variant", "item_fs_loc", "kind",
    "component", "total_time", "user_time", "kernel_time", "cpu_usage", "mem_usage",
)


def measure(bench):
    rows = [row for row in (*READS, *WRITES) if bench.wants(row)]
    if not rows:
        return
    contestants = [*(OfMetrograph(bench, program) for program in bench.programs), OfYardstick(bench)]
    if bench.reference:
        contestants.append(OfReference(bench))
    figures = defaultdict(list)
    for number in range(bench.rounds):
        for contestant in contestants:
            say(f"Loads, round {number + 1} of {bench.rounds}: {contestant.name}")
            with scratch(contestant.database()) as database, contestant.server(database) as server:
                for row in dict.fromkeys(row if can_do(contestant, row) else BESIDE[row] for row in rows):
                    if row in READS:
                        figure = read(bench, contestant, server, row, check=number == 0)
                    else:
                        figure = write(bench, contestant, server, database, row)
                    figures[contestant.name, row].append(figure)
    for row in rows:
        bench.results[row] = result(row, figures)


def can_do(contestant, row):
    return row in WRITES or row in contestant.asks


def read(bench, contestant, server, row, check):
    places = places_of(bench, bench.main.facts(), row)
    requests = [contestant.asks[row](place) for place in places]
    if check:
        some = REFERENCE_CHECKS if isinstance(contestant, OfReference) else len(places)
        check_answers(bench.main.facts(), server, row, places[:some], requests)
    with wrk.written_down(requests) as file:
        return figure_of(row, wrk.measured(bench, server.port, READS[row], "requests.lua", "/", file))


def places_of(bench, facts, row):
    """The pages or sessions that a row asks for, all over the history, in no order."""
    if row.endswith("pages"):
        places, most = list(range(1, facts.metrics // PAGE_SIZE + 1)), bench.pages
    else:
        places, most = sorted(hash for hash, count in facts.of_session.items() if count == SESSION_ROWS), bench.sessions
    random.Random(1).shuffle(places)
    return places[:most]


def check_answers(facts, server, row, places, requests):
    """All have as many rows as they should, and one in so many has the history's rows to the last digit."""
    rows = PAGE_SIZE if row.endswith("pages") else SESSION_ROWS
    mark = b'"sessionHash":' if row.startswith("graphql") else b'"session_h":'
    with Connection(server.port) as connection:
        for turn, (place, (method, path, body)) in enumerate(zip(places, requests)):
            answer = connection.send(message(method, path, json.dumps(body).encode() if body else b""))
            found = answer.body.count(mark)
            if answer.status != 200 or found != rows:
                raise RuntimeError(f"{server.name}, {path}: {answer.status} with {found} rows, not {rows}")
            if turn % IN_FULL == 0:
                check_metrics(facts, server, row, place, answer.json())


def check_metrics(facts, server, row, place, answer):
    names = METRIC if "data" in answer else METRIC_V1
    if row.endswith("pages"):
        metrics = answer["data"]["metricPage"]["items"] if "data" in answer else answer["metrics"]
        right = facts.metrics_from((place - 1) * PAGE_SIZE + 1, PAGE_SIZE)
    else:
        metrics = answer["data"]["session"]["metrics"]["nodes"] if "data" in answer else answer["metrics"]
        right = facts.metrics_of_session(place)
    if [tuple(metric[name] for name in names) for metric in metrics] != right:
        raise RuntimeError(f"{server.name}, {row}: {place} is not the history's")


def write(bench, contestant, server, database, row):
    """As many rows are stored as were answered."""
    check_post(bench, contestant, server)
    posts = (server.port, WRITES[row], "post.lua", contestant.post_path)
    wrk.warm_up(bench, *posts)
    before = contestant.stored(server, database)
    load = wrk.run(bench.seconds, *posts)
    stored = contestant.stored(server, database) - before
    if stored < load.requests:
        raise RuntimeError(f"{server.name} answered {load.requests} posts and stored {stored}")
    return figure_of(row, load)


def check_post(bench, contestant, server):
    metric = dict(zip(METRIC_V1, bench.main.facts().metrics_from(1, 1)[0]))
    with Connection(server.port) as connection:
        answer = connection.post(contestant.post_path, metric)
    if answer.status != 201 or {name: answer.json().get(name) for name in metric} != metric:
        raise RuntimeError(f"{server.name}, POST: {answer.status} {answer.body[:300]!r}")


def figure_of(row, load):
    return load.p50 if row in TIMES else load.rate


def result(row, figures):
    form = "{:.2f} ms" if row in TIMES else "{:,.0f}/s"
    of = {}
    for name in ("Metrograph", "yardstick", "before", "reference"):
        if rounds := figures[name, row] or figures[name, BESIDE.get(row)]:
            of[name] = rounds
    texts = {name: spread(form, rounds) for name, rounds in of.items()}
    baselines = {name: unit for name, unit in (("yardstick", YARDSTICK), ("before", BEFORE)) if name in of}
    ratios = {
        unit: statistics.median(of["Metrograph"]) / statistics.median(of[name]) for name, unit in baselines.items()
    }
    restless = [name for name in ("Metrograph", *baselines) if max(of[name]) > CALM * min(of[name])]
    return Result(
        ratios, texts["Metrograph"], "; ".join(f"{name}: {texts[name]}" for name in baselines), texts.get("reference", ""),
        note=f"rounds of {' and '.join(restless)} lie far apart" if restless else "",
    )
