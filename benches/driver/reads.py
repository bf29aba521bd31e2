"""Single requests of REST v1 on one connection: each class of endpoints counts by its slowest."""
from collections import defaultdict

from driver.endpoints import Read, all_lists, counts, filtered_lists, like_lists, name_lists, names, rankings
from driver.history import say
from driver.servers import Metrograph
from driver.table import Result
from driver.timing import Medians, p50
from driver.wire import Connection


def with_pages(facts):
    """Every list that has pages, `like` and the listings of names with the others."""
    return [*all_lists(facts), *like_lists(facts), *name_lists(facts)]


def first_pages(facts):
    return [listed.first() for listed in all_lists(facts)]


def last_pages(facts):
    return [listed.last() for listed in with_pages(facts) if listed.count]


def middle_pages(facts):
    lists = [*filtered_lists(facts), *like_lists(facts)]
    return [Read(listed.name, listed.around(listed.pages // 2)) for listed in lists if listed.pages >= 3]


def like(facts):
    return [listed.first() for listed in like_lists(facts)]


def context_pages(facts):
    [contexts] = [listed for listed in all_lists(facts) if listed.name == "/contexts/"]
    return [Read(f"/contexts/?page={page}", [contexts.asked(page)]) for page in range(1, contexts.pages + 1)]


ON_MAIN = {
    "first-pages": first_pages, "counts": counts, "names": names, "top": rankings, "last-pages": last_pages,
    "like": like, "middle-pages": middle_pages,
}
ON_MANY_CONTEXTS = {**{f"contexts-{row}": reads_of for row, reads_of in ON_MAIN.items()}, "contexts-list": context_pages}


def measure(bench):
    for history, classes in ((bench.main, ON_MAIN), (bench.many_contexts, ON_MANY_CONTEXTS)):
        wanted = {row: reads_of for row, reads_of in classes.items() if bench.wants(row)}
        if wanted:
            measure_classes(bench, history, wanted)


def measure_classes(bench, history, classes):
    reads = {row: list(reads_of(history.facts())) for row, reads_of in classes.items()}
    medians = defaultdict(Medians)
    for number in range(bench.rounds):
        say(f"Single requests on {history}, round {number + 1} of {bench.rounds}")
        with Metrograph(bench.metrograph, history.metrograph()) as server, Connection(server.port) as connection:
            for row in reads:
                for read in reads[row]:
                    medians[row].add(read.name, read.asked[0][0], p50(bench, connection, read))
    for row in reads:
        bench.results[row] = slowest(medians[row])


def slowest(medians):
    """As slow as the slowest, with the three slowest by name."""
    names = medians.slowest()
    most = medians[names[0]]
    return Result(
        most, f"{most:.2f} ms", note=f"the slowest of {len(medians)}: `{names[0]}`",
        slowest=[(f"{medians[name]:.2f} ms", medians.paths[name]) for name in names[:3]],
    )
