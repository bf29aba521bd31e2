"""Measures what Metrograph costs: benches/RESULTS.md. No limit is a time: what counts is the ratio to something else that
was measured in the same rounds.

    python3 benches/run.py --before BINARY    everything; allow it two hours, and the machine to itself
    python3 benches/run.py --small            does the harness work? 100,000 rows, and nothing is judged

Metrograph is compared with an earlier build of itself, with the yardstick (benches/yardstick: a bare server on the same
rows) and, where it looks at all of a history, with DuckDB, which is installed from PyPI.

It builds what is of this checkout, writes the histories, loads them through Metrograph's own API and keeps them for the
next run. Contestants are measured in turn, never at once; what counts is the median of the rounds. Before a read is timed,
its answer is checked: how many rows and pages, which count, which links. A request that fails ends the run. Needs wrk
(Debian: wrk); PostgreSQL's programs for the row that speaks of it.
"""
import argparse
import re
import shlex
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from driver import BENCHES, ROOT, aggregates, anew, growth, loads, postgres, questions, reads, results, storage, walks
from driver.bench import Bench, wanted
from driver.binaries import aggregates_beside, build
from driver.history import say
from driver.table import TABLE, chosen
from processes import end_children_on_sigterm


def main():
    given = command_line()
    end_children_on_sigterm()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing (Debian: apt-get install wrk)")
    programs = programs_of(given)
    # A small run keeps nothing: that loading works is part of what it shows.
    with tempfile.TemporaryDirectory(prefix="metrograph-benches-") if given.small else nullcontext(given.data) as data:
        bench = Bench(given, Path(data).resolve(), *programs)
        command = shlex.join(["python3", "benches/run.py", *sys.argv[1:]])
        # Nobody else needs to know how to get into a PostgreSQL.
        command = re.sub(r"://[^/@]*@", "://", command)
        try:
            for part in (loads, reads, anew, walks, storage, growth, aggregates, questions, postgres):
                part.measure(bench)
        except BaseException:
            # An hour's figures are not lost with the one that failed.
            print(results.text(bench, command), end="")
            raise
        text = results.text(bench, command)
    is_whole = not (given.small or given.only)
    output = given.output or (BENCHES / "RESULTS.md" if is_whole else None)
    if output:
        output.write_text(text, encoding="utf-8")
        say(f"Written to {output}")
    else:
        print(text, end="")
    missing = [row.id for row in TABLE if bench.wants(row.id) and row.id not in bench.results]
    if missing:
        sys.exit(f"not measured: {', '.join(missing)}")


def programs_of(given):
    """Metrograph, the yardstick and the example `aggregates`; None for an example that is not there."""
    metrograph, yardstick, example = given.metrograph, given.yardstick, given.aggregates
    if not (metrograph and yardstick):
        asks = any((row.sql and not row.is_asked) or row.id == "memory" for row in TABLE if row.id in wanted(given))
        built = build(release=not given.small, example=asks and not (example or given.metrograph))
        metrograph, yardstick = metrograph or built[0], yardstick or built[1]
    example = example or aggregates_beside(metrograph)
    return metrograph.resolve(), yardstick.resolve(), example and example.resolve()


def command_line():
    ids = ", ".join(row.id for row in TABLE)
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = arguments.add_argument
    add("--small", action="store_true", help="100,000 rows, one round of a second, debug builds; nothing is judged")
    add("--only", type=rows, metavar="ROW,...", help=f"these rows, or those that begin so; to standard output: {ids}")
    add("--metrics", type=int, default=1_000_000, help="rows of the history (%(default)s)")
    add("--large", type=int, default=10_000_000, help="rows of the large history; 0 leaves its rows out (%(default)s)")
    add("--rounds", type=int, default=5, help="(%(default)s)")
    add("--seconds", type=int, default=5, help="of each load (%(default)s)")
    add("--data", type=Path, default=ROOT / "target" / "benches", help="where histories are kept (target/benches)")
    add("--metrograph", type=Path, help="a release binary of this checkout; built when left out")
    add("--yardstick", type=Path, help="the same of the yardstick")
    add("--aggregates", type=Path, help="the same of the example `aggregates`; else the one beside Metrograph's binary")
    add(
        "--before", type=Path, metavar="BINARY",
        help="a release build of an earlier Metrograph; without it, nothing is judged by what was before",
    )
    add(
        "--duckdb", action=argparse.BooleanOptionalAction,
        help="compare with PyPI's newest DuckDB; by default, unless the run is small",
    )
    add(
        "--reference", metavar="COMMAND",
        help="starts another server of REST v1, measured in turn: {database} and {port} stand for a SQLite file in the "
        "reference's layout and a port of 127.0.0.1",
    )
    add("--postgres", metavar="URL", help="an empty database, or one that this filled before; else a cluster is made")
    add("--postgres-before", metavar="URL", help="the same for the build before")
    add("--output", type=Path, help="where to write (benches/RESULTS.md, by a whole run)")
    given = arguments.parse_args()
    for binary in (given.metrograph, given.yardstick, given.aggregates, given.before):
        if binary and not binary.exists():
            arguments.error(f"there is no {binary}")
        if binary and "debug" in binary.resolve().parts[-3:-1] and not given.small:
            arguments.error(f"{binary} is a debug build: its times say nothing")
    return given


def rows(text):
    words = text.split(",")
    try:
        chosen(words)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
    return words


if __name__ == "__main__":
    main()
