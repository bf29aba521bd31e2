"""Links followed from page to page: through all metrics, and some way from the middle of every list."""
import json
import statistics

from driver.endpoints import PAGE_SIZE, Read, all_lists
from driver.history import say
from driver.reads import slowest, with_pages
from driver.servers import Metrograph
from driver.table import Result
from driver.timing import Medians, checked, p50, spread
from driver.wire import Connection

NEAR_PAGE, FAR_PAGE = 2, 2_000
STEPS = {"next_url": 1, "prev_url": -1}


def measure(bench):
    for row, measured in (("walk", walks), ("far-page", far_pages), ("links", links)):
        if bench.wants(row):
            bench.results[row] = measured(bench)


def in_rounds(bench, row, work):
    """What `work` makes of a connection to a server that was just started, in each round."""
    done = []
    for number in range(bench.rounds):
        say(f"{row}, round {number + 1} of {bench.rounds}")
        database = bench.for_links.metrograph()
        with Metrograph(bench.metrograph, database) as server, Connection(server.port) as connection:
            done.append(work(connection))
    return done


def walks(bench):
    seconds = in_rounds(bench, "walk", lambda connection: walk(connection, bench.for_links.metrics))
    return Result(statistics.median(seconds), spread("{:.2f} s", seconds))


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

    def work(connection):
        # In turn, so that both have the same company on the machine.
        for page in (near, far, near, far):
            path, expected = metrics.asked(page)
            medians.add(page, path, p50(bench, connection, Read(path, [(path, expected)])))

    in_rounds(bench, "far-page", work)
    return Result(medians[far] / medians[near], f"{medians[far]:.2f} ms", f"page {near}: {medians[near]:.2f} ms")


def links(bench):
    lists = [listed for listed in with_pages(bench.for_links.facts()) if listed.pages > 1]
    medians = Medians()

    def work(connection):
        for listed in lists:
            times = [
                seconds * 1000
                for quarter in bench.quarters
                for name, step in STEPS.items()
                for seconds in follow(bench, connection, listed, max(1, listed.pages * quarter // 4), name, step)
            ]
            medians.add(listed.name, listed.path, statistics.median(times))

    in_rounds(bench, "links", work)
    return slowest(medians)


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
