"""Single requests on several servers in turn: builds of Metrograph on a history, or one build on several."""
import statistics
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from driver.binaries import Program
from driver.history import History, say, scratch
from driver.table import BEFORE, Result
from driver.timing import Medians, p50, spread
from driver.wire import Connection

# Of each class, those that are named.
NAMED = 3


class Subject(NamedTuple):
    """A build of Metrograph, and the history that it serves."""

    program: Program
    history: History

    def database(self):
        return self.history.database(self.program)


def programs_on(bench, history):
    return [Subject(program, history) for program in bench.programs]


@contextmanager
def connections(subjects):
    """To a server of each."""
    with ExitStack() as opened:
        servers = {
            subject: opened.enter_context(subject.program.serve(subject.database())) for subject in subjects
        }
        yield {subject: opened.enter_context(Connection(server.port)) for subject, server in servers.items()}


@contextmanager
def connections_to_copies(subjects):
    """To servers that may write."""
    with ExitStack() as opened:
        databases = {subject: opened.enter_context(scratch(subject.database())) for subject in subjects}
        servers = {
            subject: opened.enter_context(subject.program.serve(database)) for subject, database in databases.items()
        }
        yield {subject: opened.enter_context(Connection(server.port)) for subject, server in servers.items()}


def compare(bench, subjects, classes, title):
    """The medians by row and subject. Each read is timed on all of them before the next one is, so that a machine that changes
    its pace changes it for all."""
    reads = {
        subject: {row: {read.name: read for read in reads_of(subject.history.facts())} for row, reads_of in classes.items()}
        for subject in subjects
    }
    medians = defaultdict(Medians)
    for number in range(bench.rounds):
        say(f"{title}, round {number + 1} of {bench.rounds}")
        with connections(subjects) as opened:
            for row in classes:
                for name in reads[subjects[0]][row]:
                    for subject in subjects:
                        read = reads[subject][row][name]
                        medians[row, subject].add(name, read.asked[0][0], p50(bench, opened[subject], read))
    return medians


def of_rounds(form, ours, before=None, note=""):
    """The median of the rounds, and the ratio to that of the build before, if there is one."""
    if not before:
        return Result({}, spread(form, ours), note=note)
    ratio = statistics.median(ours) / statistics.median(before)
    return Result({BEFORE: ratio}, spread(form, ours), f"before: {spread(form, before)}", note=note)


def slowest(ours, before=None):
    """As slow as the slowest, with the slowest by name; and the same of the build before, if there is one."""
    names = ours.slowest()
    most = ours[names[0]]
    figures, baseline, note = {}, "", f"the slowest of {len(ours)}: `{names[0]}`"
    if before:
        most_before = before[before.slowest()[0]]
        ratios = {name: ours[name] / before[name] for name in ours}
        worst = max(ratios, key=ratios.get)
        figures, baseline = {BEFORE: most / most_before}, f"before: {most_before:.2f} ms"
        note += f"; {ratios[worst]:.2f} × before at worst: `{worst}`"

    def text(name):
        return f"{ours[name]:.2f} ms" + (f", before {before[name]:.2f} ms" if before else "")

    return Result(
        figures, f"{most:.2f} ms", baseline, note=note, slowest=[(text(name), ours.paths[name]) for name in names[:NAMED]],
    )
