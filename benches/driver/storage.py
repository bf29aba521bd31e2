"""What is stored: how large the file is, how fast many metrics get into it, and what others notice when it is compressed."""
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from processes import plain_environment

from driver import loading, wrk
from driver.contestants import OfMetrograph
from driver.history import say, scratch
from driver.loading import read_only
from driver.loads import WRITES
from driver.subjects import of_rounds
from driver.table import RECORDED, REFERENCE_FILE, Result
from driver.timing import spread

# A round of POST ends when segments were sealed in so many of its seconds.
SEALING_SECONDS = 2


def measure(bench):
    for row, history in (("file", bench.main), ("large-file", bench.large)):
        if bench.wants(row):
            bench.results[row] = file_size(bench, history)
    if bench.wants("record"):
        bench.results["record"] = recording(bench)
    if bench.wants("import"):
        bench.results["import"] = importing(bench)
    if bench.wants("post-p99"):
        bench.results["post-p99"] = sealing(bench)


def file_size(bench, history):
    sizes = [history.database(program).stat().st_size / 1e6 for program in bench.programs]
    generated = history.generated().stat().st_size / 1e6
    each = sizes[0] * 1e6 / history.metrics
    texts = [f"reference's file, without indexes: {generated:,.0f} MB", *(f"before: {size:,.0f} MB" for size in sizes[1:])]
    return Result({REFERENCE_FILE: sizes[0] / generated}, f"{sizes[0]:,.0f} MB, {each:.1f} B a metric", "; ".join(texts))


def recording(bench):
    more = loading.More(bench.main.generated(), bench.batches)
    # The first ones, a twentieth, do not count.
    first = -(-len(more.requests) // 20)
    rates = defaultdict(list)
    for number in range(bench.rounds):
        say(f"recordMetrics, round {number + 1} of {bench.rounds}")
        for program in bench.programs:
            with scratch(bench.main.database(program)) as database, program.serve(database) as server:
                more.announce(server.port)
                loading.record(server.port, more.requests[:first])
                count, seconds = loading.record(server.port, more.requests[first:])
                rates[program].append(count / seconds)
    return of_rounds("{:,.0f}/s", *(rates[program] for program in bench.programs))


def importing(bench):
    """The same rows by `recordMetrics` and from a file, in turn."""
    program, ours, recorded = bench.present, [], []
    more = loading.More(bench.main.generated(), bench.batches)
    with tempfile.TemporaryDirectory(prefix="metrograph-import-") as folder:
        file = Path(folder) / "history.pymon"
        more.write(file)
        for number in range(bench.rounds):
            say(f"import, round {number + 1} of {bench.rounds}")
            with scratch(bench.main.database(program)) as database:
                with program.serve(database) as server:
                    more.announce(server.port)
                    count, seconds = loading.record(server.port, more.requests)
                recorded.append(count / seconds)
            with scratch(bench.main.database(program)) as database:
                began = time.perf_counter()
                subprocess.run(
                    [program.binary, "import", file, "--database-url", f"sqlite://{database}"],
                    check=True, stdout=subprocess.DEVNULL, env=plain_environment(),
                )
                ours.append(len(more.rows) / (time.perf_counter() - began))
    ratio = statistics.median(ours) / statistics.median(recorded)
    return Result({RECORDED: ratio}, spread("{:,.0f}/s", ours), f"`recordMetrics`: {spread('{:,.0f}/s', recorded)}")


def sealing(bench):
    """The p99 of POST in seconds in which a segment was sealed."""
    times, are_sealing = defaultdict(list), True
    for number in range(bench.rounds):
        say(f"POST while sealing, round {number + 1} of {bench.rounds}")
        for program in bench.programs:
            with scratch(bench.main.database(program)) as database, program.serve(database) as server:
                found, of_any = sealing_seconds(bench, server, database)
                times[program] += found or of_any[-1:]
                are_sealing = are_sealing and bool(found)
    note = "" if are_sealing else "NOTHING WAS SEALED in some rounds"
    return of_rounds("{:.2f} ms", *(times[program] for program in bench.programs), note=note)


def sealing_seconds(bench, server, database):
    """The p99 of seconds in which a segment was sealed, and that of all."""
    posts = (server.port, WRITES["post"], "post.lua", OfMetrograph.post_path)
    wrk.warm_up(bench, *posts)
    found, of_any = [], []
    while len(found) < SEALING_SECONDS and len(of_any) < bench.windows:
        before = sealed_until(database)
        of_any.append(wrk.run(1, *posts).p99)
        if sealed_until(database) > before:
            found.append(of_any[-1])
    return found, of_any


def sealed_until(database):
    """The key up to which metrics are in segments."""
    with read_only(database) as file:
        has_segments = file.execute("SELECT 1 FROM sqlite_schema WHERE name = 'history'").fetchone()
        return file.execute("SELECT sealed_until FROM history").fetchone()[0] if has_segments else 0
