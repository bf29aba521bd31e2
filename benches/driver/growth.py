"""What ten times the rows change: times of single requests, the start, the memory."""
import statistics
import time

from driver import aggregates, loading, wrk
from driver.contestants import OfMetrograph
from driver.endpoints import Expected, Read, all_lists, counts, names
from driver.history import say, scratch
from driver.loads import READS, WRITES, places_of
from driver.reads import ON_MAIN
from driver.servers import MemoryWatch
from driver.subjects import Subject, compare
from driver.table import MAIN_HISTORY, MEGABYTES, Result
from driver.timing import checked, spread
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
    classes = {row: reads_of for row, reads_of in CLASSES.items() if bench.wants(row)}
    if classes:
        subjects = [Subject(bench.present, history) for history in (bench.main, bench.large)]
        medians = compare(bench, subjects, classes, f"Growth, {bench.main} and {bench.large}")
        for row in classes:
            bench.results[row] = grown(*(medians[row, subject] for subject in subjects))
    if bench.wants("start"):
        bench.results["start"] = starts(bench)
    if bench.wants("memory"):
        bench.results["memory"] = memory(bench)


def grown(small, large):
    growth = {name: large[name] / small[name] for name in small}
    names = sorted(growth, key=growth.get, reverse=True)
    most = names[0]
    return Result(
        {MAIN_HISTORY: growth[most]}, f"{large[most]:.2f} ms", f"main history: {small[most]:.2f} ms",
        note=f"what grew most of {len(growth)}: `{most}`",
        slowest=[(f"{small[name]:.2f} → {large[name]:.2f} ms", large.paths[name]) for name in names[:3]],
    )


def starts(bench):
    """From the start of the program to the last byte of a page of metrics."""
    say(f"Starts on {bench.large}")
    milliseconds = {bench.main: [], bench.large: []}
    for _ in range(STARTS):
        for history, times in milliseconds.items():
            with bench.present.serve(history.database(bench.present)) as server, Connection(server.port) as connection:
                checked(connection, "/api/v1/metrics/", Expected("metrics", 500))
                times.append((time.perf_counter() - server.began) * 1000)
    small, large = milliseconds.values()
    ratio = statistics.median(large) / statistics.median(small)
    return Result({MAIN_HISTORY: ratio}, spread("{:.0f} ms", large), f"main history: {spread('{:.0f} ms', small)}")


def memory(bench):
    """The most that any of the loads takes, one after the other on one server; and any of the aggregates."""
    facts = bench.large.facts()
    more = loading.More(bench.large.generated(), bench.batches)
    most = {}
    say(f"Memory on {bench.large}")

    def watched(what, server, load, *arguments):
        with MemoryWatch(server) as watch:
            load(*arguments)
        most[what] = watch.most

    with scratch(bench.large.database(bench.present)) as database:
        with bench.present.serve(database) as server:
            watched("single requests", server, ask_everything, server, facts)
            for row, connections in READS.items():
                requests = [OfMetrograph.asks[row](place) for place in places_of(bench, facts, row)]
                with wrk.written_down(requests) as file:
                    watched(row, server, wrk.run, bench.seconds, server.port, connections, "requests.lua", "/", file)
            watched("post", server, wrk.run, bench.seconds, server.port, WRITES["post"], "post.lua", OfMetrograph.post_path)
            more.announce(server.port)
            watched("record", server, loading.record, server.port, more.requests)
    if bench.aggregates:
        with aggregates.Example(bench.aggregates, bench.large.database(bench.present)) as example:
            for what, line in aggregates.lines(facts).items():
                watched(what, example, example.ask, line)
    what = max(most, key=most.get)
    return Result({MEGABYTES: most[what]}, f"{most[what]:.0f} MB", note=f"most under `{what}` of {', '.join(most)}")


def ask_everything(server, facts):
    with Connection(server.port) as connection:
        for reads_of in ON_MAIN.values():
            for read in reads_of(facts):
                for path, expected in read.asked:
                    checked(connection, path, expected)
