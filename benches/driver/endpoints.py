"""The lists, counts and rankings of REST v1 that are asked, and what each must answer.

A name stands for an endpoint under /api/v1 and for which of its arguments were taken: `{most}` is the component,
say, with most metrics. It is the same for every history, so that figures of two histories can be laid side by side.
"""
import math
from typing import NamedTuple
from urllib.parse import quote

from driver.facts import extremes

PREFIX = "/api/v1"
PAGE_SIZE = 500
RESOURCES = ("total_time", "user_time", "kernel_time", "cpu", "memory")


class Expected(NamedTuple):
    """Either so many rows under a name, on one of so many pages, or a count."""

    member: str
    rows: int
    pages: int | None = None

    def problem(self, answer):
        if self.member == "count":
            return None if answer.status == 200 and answer.json() == {"count": self.rows} else self._differs(answer)
        if self.rows == 0:
            return None if answer.status == 204 and not answer.body else self._differs(answer)
        if answer.status != 200:
            return self._differs(answer)
        found = answer.json()
        if len(found.get(self.member, [])) != self.rows:
            return self._differs(answer)
        if self.pages is not None and found.get("total_page") != self.pages:
            return f"{found.get('total_page')} pages, not {self.pages}"
        return None

    def _differs(self, answer):
        return f"{answer.status} {answer.body[:200]!r}, not {self.rows} {self.member}"


class Read(NamedTuple):
    """Requests that are timed as one: they are asked in turn."""

    name: str
    asked: list


class List(NamedTuple):
    """A list, all of whose pages can be asked for."""

    name: str
    path: str
    member: str
    count: int

    @property
    def pages(self):
        return max(1, math.ceil(self.count / PAGE_SIZE))

    def rows(self, page):
        return min(PAGE_SIZE, self.count - (page - 1) * PAGE_SIZE)

    def expected(self, page):
        return Expected(self.member, self.rows(page), self.pages)

    def asked(self, page, spelled=None):
        mark = "&" if "?" in self.path else "?"
        return f"{self.path}{mark}page={spelled or page}", self.expected(page)

    def first(self):
        return Read(self.name, [(self.path, self.expected(1))])

    def last(self):
        return Read(self.name, [self.asked(self.pages, -1)])

    def around(self, page):
        """Pages about this one: no two are the same, where there are enough."""
        reach = min(10, self.pages // 4)
        pages = range(max(1, page - reach), min(self.pages, page + reach) + 1)
        return [self.asked(page) for page in pages]


def entry(*parts):
    return PREFIX + "".join(part if part.startswith("/") else "/" + quote(part, safe="") for part in parts)


def all_lists(facts):
    return [List("/metrics/", f"{PREFIX}/metrics/", "metrics", facts.metrics), *filtered_lists(facts)]


def metric_lists(facts):
    """Metrics by whatever metrics are found by, `like` aside: (name, path, count)."""
    for noun, counts in (("sessions", facts.of_session), ("contexts", facts.of_context)):
        for which, hash in extremes(counts):
            yield f"/{noun}/{{{which}}}/metrics", entry(f"/{noun}", hash, "/metrics"), counts[hash]
    columns = {"variants": "variant", "items": "item", "filters/scope": "kind", "components": "component"}
    for noun, column in columns.items():
        counts = facts.by(column)
        for which, key in extremes({key: count for key, count in counts.items() if key[0]}):
            yield f"/{noun}/{{{which}}}/metrics", entry(f"/{noun}", key[0], "/metrics"), counts[key]
    for noun, column in (("variants", "variant"), ("items", "item")):
        counts = facts.by("component", column)
        for which, key in extremes({key: count for key, count in counts.items() if key[0]}):
            path = entry("/components", key[0], f"/{noun}", key[1], "/metrics")
            yield f"/components/{{component}}/{noun}/{{{which}}}/metrics", path, counts[key]
        for which, key in extremes({key: count for key, count in counts.items() if not key[0]}):
            path = entry(f"/components/{noun}", key[1], "/metrics")
            yield f"/components/{noun}/{{{which}}}/metrics", path, counts[key]
    yield "/components/metrics", entry("/components/metrics"), facts.by("component")["",]
    for which, ref in scm_refs(facts):
        path = entry("/filters/scm", ref, "/metrics")
        count = facts.metrics_of(lambda session: session.scm_ref.startswith(ref))
        yield f"/filters/scm/{{{which}}}/metrics", path, count


def scm_refs(facts):
    """A revision in full, and how a sixteenth of them begins."""
    ref = middle(facts.sessions.values()).scm_ref
    return ("revision", ref), ("prefix", ref[0])


def middle(values):
    values = list(values)
    return values[len(values) // 2]


def like_lists(facts):
    rare = extremes(facts.by("item"))[-1][1][0]
    for noun, column in (("items", "item"), ("variants", "variant")):
        for which, pattern in (("every", "test"), ("many", "FAST"), ("rare", rare), ("none", "no such test")):
            path = entry(f"/{noun}/like", pattern, "/metrics")
            yield List(f"/{noun}/like/{{{which}}}/metrics", path, "metrics", facts.like(column, pattern))


def session_lists(facts):
    sessions = list(facts.sessions.values())

    def counted(matches):
        return sum(map(matches, sessions))

    some = middle(sessions)
    yield "/sessions/", entry("/sessions/"), len(sessions)
    yield "/sessions/{hash}", entry("/sessions", some.hash), 1
    start = some.hash[0]
    yield "/sessions/{prefix}", entry("/sessions", start), counted(lambda session: session.hash.startswith(start))
    for which, ref in scm_refs(facts):
        path = entry("/filters/scm", ref, "/sessions")
        yield f"/filters/scm/{{{which}}}/sessions", path, counted(lambda session: session.scm_ref.startswith(ref))
    path = f"{entry('/sessions/')}?with_flags=numpy"
    yield "/sessions/?with_flags={name}", path, counted(lambda session: "numpy" in session.tags)
    path = f"{entry('/sessions/')}?with_flags=__ci__&restrict_flags=gitlabci"
    yield "/sessions/?with_flags={name}&restrict_flags={value}", path, counted(
        lambda session: session.tags["__ci__"] == "gitlabci"
    )


def context_lists(facts):
    hash = middle(facts.contexts)
    of_prefix = sum(other.startswith(hash[0]) for other in facts.contexts)
    yield "/contexts/", entry("/contexts/"), len(facts.contexts)
    yield "/contexts/{hash}", entry("/contexts", hash), 1
    yield "/contexts/{prefix}", entry("/contexts", hash[0]), of_prefix


def filtered_lists(facts):
    """Every list of objects but that of all metrics, and `like`."""
    for member, lists in (
        ("metrics", metric_lists(facts)), ("sessions", session_lists(facts)), ("contexts", context_lists(facts)),
    ):
        for name, path, count in lists:
            yield List(name, path, member, count)


def name_lists(facts):
    """Listings of names that have pages."""
    components = [component for component, in facts.by("component")]
    yield List("/components/", entry("/components/"), "components", len(components))
    named = sum(component.startswith("co") for component in components)
    yield List("/components/{prefix}", entry("/components", "co"), "components", named)
    some = middle(facts.sessions.values())
    yield from build_lists("/pipelines", entry("/pipelines"), some, facts.sessions.values())
    for which, (component,) in extremes({key: count for key, count in facts.by("component").items() if key[0]}):
        sessions = facts.sessions_of(component)
        name, path = f"/components/{{{which}}}/pipelines", entry("/components", component, "/pipelines")
        yield List(name, path, "pipelines", len({session.pipeline for session in sessions}))
        yield from build_lists(name, path, middle(sessions), sessions)


def build_lists(name, path, some, sessions):
    """The builds of a pipeline, and the sessions of a build, among these sessions."""
    of_pipeline = [session for session in sessions if session.pipeline == some.pipeline]
    of_build = [session for session in of_pipeline if session.build == some.build]
    name, path = f"{name}/{{pipeline}}/builds", f"{path}/{quote(some.pipeline, safe='')}/builds"
    yield List(name, path, "builds", len({session.build for session in of_pipeline}))
    yield List(f"{name}/{{build}}/sessions", f"{path}/{some.build}/sessions", "sessions", len(of_build))


def names(facts):
    """Listings of names: their first pages, and the one without pages."""
    pipelines = len({session.pipeline for session in facts.sessions.values()})
    yield Read("/pipelines/", [(entry("/pipelines/"), Expected("pipelines", pipelines))])
    yield from (listed.first() for listed in name_lists(facts))


def counts(facts):
    """Every count."""
    totals = {
        "/metrics/count": facts.metrics,
        "/sessions/count": len(facts.sessions),
        "/contexts/count": len(facts.contexts),
        "/components/count": sum(component != "" for component, in facts.by("component")),
    }
    for path, count in totals.items():
        yield Read(path, [(PREFIX + path, Expected("count", count))])
    counted = ("/sessions/", "/contexts/", "/variants/", "/items/", "/filters/")
    for name, path, count in metric_lists(facts):
        if name.startswith(counted):
            yield Read(f"{name}/count", [(f"{path}/count", Expected("count", count))])


def rankings(facts):
    """Head and tail of each resource: of everything, of a component, each pipeline, a build."""
    scopes = [("", "", facts.metrics)]
    for which, key in extremes({key: count for key, count in facts.by("component").items() if key[0]}):
        scopes.append((f"/components/{{{which}}}", f"/components/{quote(key[0], safe='')}", facts.by("component")[key]))
    for name in sorted({session.pipeline for session in facts.sessions.values()}):
        of_pipeline = facts.metrics_of(lambda session, name=name: session.pipeline == name)
        scopes.append((f"/pipelines/{name}", f"/pipelines/{quote(name, safe='')}", of_pipeline))
    some = middle(facts.sessions.values())
    pipeline = f"/pipelines/{quote(some.pipeline, safe='')}"
    scopes.append((
        "/pipelines/{pipeline}/builds/{build}", f"{pipeline}/builds/{some.build}",
        facts.metrics_of(lambda session: (session.pipeline, session.build) == (some.pipeline, some.build)),
    ))
    for resource in RESOURCES:
        for name, path, count in scopes:
            for end in ("head", "tail"):
                for most, given in ((10, ""), (500, "/500")):
                    ending = f"/{end}{given}/metrics"
                    asked = f"{PREFIX}/resources/{resource}{path}{ending}", Expected("metrics", min(most, count), 1)
                    yield Read(f"/resources/{resource}{name}{ending}", [asked])
