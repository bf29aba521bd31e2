"""Questions that Metrograph and DuckDB answer in turn, and alike."""
import math
import statistics
from collections import defaultdict

from driver.history import say
from driver.rival import DuckDB
from driver.table import DUCKDB, Result
from driver.timing import spread

LARGE = "large-"
# Sums of floating-point numbers depend on their order.
CLOSE = 1e-9


def measure(bench, rows, title, open_contestant, question):
    """`open_contestant(history)` is a context with Metrograph in it: its `answer` to `question(facts, row, duckdb)` is the seconds,
    the number of rows, and numbers that depend on all of them. DuckDB is asked the question's `sql` with its `parameters`."""
    rival = DuckDB(bench.data / "duckdb")
    bench.duckdb = str(rival)
    for history, is_large in ((bench.main, False), (bench.large, True)):
        of_history = [row for row in rows if row.id.startswith(LARGE) == is_large]
        if not of_history:
            continue
        with open_contestant(history) as contestant, rival.serve(history.duckdb(rival)) as duckdb:
            questions = {row.id: question(history.facts(), row, duckdb) for row in of_history}
            compare(bench, f"{title} of {history}", contestant, duckdb, questions)


def compare(bench, title, contestant, duckdb, questions):
    ours, theirs, counts = defaultdict(list), defaultdict(list), {}
    for asked in questions.values():
        # What comes first reads the files.
        both(contestant, duckdb, asked)
    for number in range(bench.rounds):
        say(f"{title}, round {number + 1} of {bench.rounds}")
        for id, asked in questions.items():
            answers = [both(contestant, duckdb, asked) for _ in range(bench.answers)]
            for figures, place in ((ours, 0), (theirs, 1)):
                figures[id].append(statistics.median(answer[place] * 1000 for answer in answers))
            counts[id] = answers[0][2]
    for id in questions:
        ratio = statistics.median(ours[id]) / statistics.median(theirs[id])
        note = "1 row" if counts[id] == 1 else f"{counts[id]:,} rows"
        texts = (spread("{:.2f} ms", figures[id]) for figures in (ours, theirs))
        bench.results[id] = Result({DUCKDB: ratio}, next(texts), f"DuckDB: {next(texts)}", note=note)


def both(contestant, duckdb, asked):
    """The seconds of either, and the number of rows. They answer the same."""
    ours, rows, numbers = contestant.answer(asked)
    theirs, their_rows, their_numbers = duckdb.answer(asked.sql, **asked.parameters)
    is_same = rows == their_rows and len(numbers) == len(their_numbers) and all(
        math.isclose(number, other, rel_tol=CLOSE) for number, other in zip(numbers, their_numbers)
    )
    if not is_same:
        raise RuntimeError(f"{asked!r}: {rows} rows with {numbers}, and DuckDB has {their_rows} with {their_numbers}")
    return ours, theirs, rows
