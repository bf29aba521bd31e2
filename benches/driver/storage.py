"""What is stored: how large the file is, and how fast many metrics get into it."""
import statistics

from driver import loading
from driver.history import say, scratch
from driver.servers import Metrograph
from driver.table import Result
from driver.timing import spread


def measure(bench):
    if bench.wants("file"):
        bench.results["file"] = file_size(bench.main)
    if bench.wants("record"):
        bench.results["record"] = recording(bench)


def file_size(history):
    ours, generated = (file.stat().st_size / 1e6 for file in (history.metrograph(), history.generated()))
    return Result(ours / generated, f"{ours:.0f} MB", f"reference's file, without indexes: {generated:.0f} MB")


def recording(bench):
    more = loading.More(bench.main.generated(), bench.batches)
    # The first ones, a twentieth, do not count.
    first = -(-len(more.requests) // 20)
    rates = []
    for number in range(bench.rounds):
        say(f"recordMetrics, round {number + 1} of {bench.rounds}")
        with scratch(bench.main.metrograph()) as database, Metrograph(bench.metrograph, database) as server:
            more.announce(server.port)
            loading.record(server.port, more.requests[:first])
            count, seconds = loading.record(server.port, more.requests[first:])
            rates.append(count / seconds)
    return Result(statistics.median(rates), spread("{:,.0f}/s", rates))
