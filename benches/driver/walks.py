"""Links followed from page to page: through all metrics, and some way from the middle of every list."""
import json
import statistics
from collections import defaultdict

from driver.endpoints import PAGE_SIZE, Read, all_lists
from driver.history import say
from driver.reads import with_pages
from driver.subjects import connections, of_rounds, programs_on, slowest
from driver.table import PAGE_2, Result
from driver.timing import Medians, checked, p50

NEAR_PAGE, FAR_PAGE = 2, 2_000
STEPS = {"next_url": 1, "prev_url": -1}


def measure(bench):
    for row, measured in (("walk", walks), ("far-page", far_pages), ("links", links)):
        if bench.wants(row):
            bench.results[row] = measured(bench)


def in_rounds(bench, row, subjects, work):
    """Does `work` with connections to servers that were just started, in each round."""
    for number in range(bench.rounds):
        say(f"{row}, round {number + 1} of {bench.rounds}")
        with connections(subjects) as opened:
            work(opened)


def walks(bench):
    subjects, seconds = programs_on(bench, bench.for_links), defaultdict(list)

    def work(opened):
        for subject, connection in opened.items():
            seconds[subject].append(walk(connection, bench.for_links.metrics))

    in_rounds(bench, "walk", subjects, work)
    return of_rounds("{:.2f} s", *(seconds[subject] for subject in subjects))


def walk(connection, count):
    """The seconds that all answers took, from the first page to the one that links no further."""
    path, found, seconds = "/api/v1/metrics/", 0, 0.0
    while path:
        answer = connection.get(path)
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status}")
        seconds += answer.seconds
        found += answer.body.count(b'"session_h":')
        path = link(answer.body, b'"next_url":')
    if found != count:
        raise RuntimeError(f"following next_url finds {found} metrics, not {count}")
    return seconds


def link(body, name):
    """A link at the end of a body, without reading all of it as JSON."""
    at = body.rfind(name)
    return json.loads(body[at + len(name) :].split(b",")[0].rstrip(b"} ")) if at >= 0 else None


def far_pages(bench):
    [metrics] = [listed for listed in all_lists(bench.for_links.facts()) if listed.name == "/metrics/"]
    near, far = NEAR_PAGE, min(FAR_PAGE, metrics.count // PAGE_SIZE)
    medians = Medians()

    def work(opened):
        [connection] = opened.values()
        # In turn, so that both have the same company on the machine.
        for page in (near, far, near, far):
            path, expected = metrics.asked(page)
            medians.add(page, path, p50(bench, connection, Read(path, [(path, expected)])))

    in_rounds(bench, "far-page", programs_on(bench, bench.for_links)[:1], work)
    ratio = medians[far] / medians[near]
    return Result({PAGE_2: ratio}, f"{medians[far]:.2f} ms", f"page {near}: {medians[near]:.2f} ms")


def links(bench):
    lists = [listed for listed in with_pages(bench.for_links.facts()) if listed.pages > 1]
    subjects, medians = programs_on(bench, bench.for_links), defaultdict(Medians)

    def work(opened):
        for listed in lists:
            for subject, connection in opened.items():
                times = [
                    seconds * 1000
                    for quarter in bench.quarters
                    for name, step in STEPS.items()
                    for seconds in follow(bench, connection, listed, max(1, listed.pages * quarter // 4), name, step)
                ]
                medians[subject].add(listed.name, listed.path, statistics.median(times))

    in_rounds(bench, "links", subjects, work)
    return slowest(*(medians[subject] for subject in subjects))


def follow(bench, connection, listed, page, name, step):
    """The seconds of each answer on the way from a page by its links. A page seen before may be asked again."""
    answer = checked(connection, *listed.asked(page))
    for _ in range(bench.steps):
        path = answer.json().get(name)
        page += step
        if (path is not None) != (1 <= page <= listed.pages):
            raise RuntimeError(f"{listed.path}: page {page - step} has {name} {path}")
        if path is None:
            return
        answer = checked(connection, path, listed.expected(page))
        yield answer.seconds
