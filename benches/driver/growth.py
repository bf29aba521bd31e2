"""What ten times the rows change: times of single requests, the start, the memory."""
import statistics
import time
from collections import defaultdict
from contextlib import ExitStack

from driver import loading, wrk
from driver.contestants import OfMetrograph
from driver.endpoints import Expected, Read, all_lists, counts, names
from driver.history import say, scratch
from driver.loads import READS, WRITES, places_of
from driver.reads import ON_MAIN
from driver.servers import MemoryWatch, Metrograph
from driver.table import Result
from driver.timing import Medians, checked, p50, spread
from driver.wire import Connection

BY = ("/sessions/{", "/variants/{", "/contexts/{", "/components/{", "/components/metrics")
STARTS = 5


def any_page(facts):
    [metrics] = [listed for listed in all_lists(facts) if listed.name == "/metrics/"]
    for quarter in range(5):
        page = max(1, metrics.pages * quarter // 4)
        yield Read(f"/metrics/, pages about {quarter}/4 of all", metrics.around(page))


def first_pages(facts):
    """By session, variant, context and component."""
    for listed in all_lists(facts):
        if listed.member == "metrics" and listed.name.startswith(BY):
            yield listed.first()


CLASSES = {
    "growth-pages": any_page, "growth-first-pages": first_pages, "growth-counts": counts, "growth-names": names,
}


def measure(bench):
    if bench.large is None:
        return
    classes = {row: reads_of for row, reads_of in CLASSES.items() if bench.wants(row)}
    if classes:
        compare(bench, classes)
    if bench.wants("start"):
        bench.results["start"] = starts(bench)
    if bench.wants("memory"):
        bench.results["memory"] = memory(bench)


def compare(bench, classes):
    """Each read on one history and then the other, so that a machine that changes its pace changes it for both."""
    histories = (bench.main, bench.large)
    reads = {
        history: {row: {read.name: read for read in reads_of(history.facts())} for row, reads_of in classes.items()}
        for history in histories
    }
    medians = defaultdict(Medians)
    for number in range(bench.rounds):
        say(f"Growth, round {number + 1} of {bench.rounds}: {bench.main}, and {bench.large}")
        with ExitStack() as opened:
            servers = {
                history: opened.enter_context(Metrograph(bench.metrograph, history.metrograph())) for history in histories
            }
            connections = {
                history: opened.enter_context(Connection(server.port)) for history, server in servers.items()
            }
            for row in classes:
                for name in reads[bench.main][row]:
                    for history in histories:
                        read = reads[history][row][name]
                        medians[row, history].add(name, read.asked[0][0], p50(bench, connections[history], read))
    for row in classes:
        bench.results[row] = grown(*(medians[row, history] for history in histories))


def grown(small, large):
    growth = {name: large[name] / small[name] for name in small}
    names = sorted(growth, key=growth.get, reverse=True)
    most = names[0]
    return Result(
        growth[most], f"{large[most]:.2f} ms", f"main history: {small[most]:.2f} ms",
        note=f"what grew most of {len(growth)}: `{most}`",
        slowest=[(f"{small[name]:.2f} → {large[name]:.2f} ms", large.paths[name]) for name in names[:3]],
    )


def starts(bench):
    """From the start of the program to the last byte of a page of metrics."""
    say(f"Starts on {bench.large}")
    milliseconds = []
    for _ in range(STARTS):
        with Metrograph(bench.metrograph, bench.large.metrograph()) as server, Connection(server.port) as connection:
            checked(connection, "/api/v1/metrics/", Expected("metrics", 500))
            milliseconds.append((time.perf_counter() - server.began) * 1000)
    return Result(statistics.median(milliseconds), spread("{:.0f} ms", milliseconds))


def memory(bench):
    """The most that any of the loads takes, one after the other on one server."""
    facts = bench.large.facts()
    more = loading.More(bench.large.generated(), bench.batches)
    most = {}
    say(f"Memory on {bench.large}")
    with scratch(bench.large.metrograph()) as database, Metrograph(bench.metrograph, database) as server:

        def watched(what, load, *arguments):
            with MemoryWatch(server) as watch:
                load(*arguments)
            most[what] = watch.most

        watched("single requests", ask_everything, server, facts)
        for row, connections in READS.items():
            requests = [OfMetrograph.asks[row](place) for place in places_of(bench, facts, row)]
            with wrk.written_down(requests) as file:
                watched(row, wrk.run, bench.seconds, server.port, connections, "requests.lua", "/", file)
        watched("post", wrk.run, bench.seconds, server.port, WRITES["post"], "post.lua", OfMetrograph.post_path)
        more.announce(server.port)
        watched("record", loading.record, server.port, more.requests)
    what = max(most, key=most.get)
    return Result(most[what], f"{most[what]:.0f} MB", note=f"most under `{what}`")


def ask_everything(server, facts):
    with Connection(server.port) as connection:
        for reads_of in ON_MAIN.values():
            for read in reads_of(facts):
                for path, expected in read.asked:
                    checked(connection, path, expected)
