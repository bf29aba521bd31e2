"""Single requests of REST v1 on one connection: each class of endpoints counts by its slowest."""
from driver.endpoints import Read, all_lists, counts, filtered_lists, like_lists, name_lists, names, rankings
from driver.subjects import compare, programs_on, slowest
from driver.table import ON_LARGE


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
ON_THE_LARGE = {f"large-{row}": ON_MAIN[row] for row in ON_LARGE}
ON_MANY_CONTEXTS = {**{f"contexts-{row}": reads_of for row, reads_of in ON_MAIN.items()}, "contexts-list": context_pages}


def measure(bench):
    for history, classes in ((bench.main, ON_MAIN), (bench.many_contexts, ON_MANY_CONTEXTS), (bench.large, ON_THE_LARGE)):
        wanted = {row: reads_of for row, reads_of in classes.items() if bench.wants(row)}
        if wanted:
            subjects = programs_on(bench, history)
            medians = compare(bench, subjects, wanted, f"Single requests on {history}")
            for row in wanted:
                bench.results[row] = slowest(*(medians[row, subject] for subject in subjects))
