"""Compares what monitor_api reads from a server with what it reads from the plugin's own database.

Run by run.py inside the library's environment: `library_check.py URL DATABASE`.
The expectation comes from the unfiltered lists of the local side, as its filters differ slightly from those of the server.
"""
import sys

from monitor_api import Monitor
from monitor_api.enums import MetricScope, ResourceMethod, ResourceType

from history import PLUGIN_PIPELINE
from plugin_check import BUILD, SCM_REF
from report import Report

FIGURES = {
    ResourceType.TOTAL_TIME: "wall_time",
    ResourceType.USER_TIME: "user_time",
    ResourceType.KERNEL_TIME: "kernel_time",
    ResourceType.CPU: "cpu_usage",
    ResourceType.MEMORY: "memory_usage",
}


class Check:
    def __init__(self, url, database):
        self.report = Report()
        self.remote = Monitor(url)
        local = Monitor(database)
        self.all_metrics = list(local.list_metrics())
        self.all_sessions = dict(local.list_sessions())
        self.all_contexts = dict(local.list_contexts())

    def run(self):
        for part in (
            self.contexts, self.counts, self.sessions, self.sessions_by_tag, self.metrics, self.components,
            self.pipelines, self.resources, self.crossings, self.data_frames,
        ):
            try:
                part()
            except Exception as error:
                self.report.check(f"library: {part.__name__}", f"{type(error).__name__}: {error}")

    def equal(self, call, got, expected):
        self.report.equal(f"library: {call}", got, expected)

    def same(self, call, got, expected):
        """Compares objects field by field, in order."""
        self.report.same_list(f"library: {call}", plain(got), plain(expected))

    def tag(self, session, name):
        return self.all_sessions[session].tags.get(name)

    def where(self, **fields):
        return [
            metric for metric in self.all_metrics
            if all(getattr(metric, name) == value for name, value in fields.items())
        ]

    def of_pipeline(self, pipeline, build=None):
        return [
            metric for metric in self.all_metrics
            if self.tag(metric.session, "pipeline_branch") == pipeline
            and build in (None, self.tag(metric.session, "pipeline_build_no"))
        ]

    def contexts(self):
        self.same("list_contexts", self.remote.list_contexts(), self.all_contexts)
        for h, context in self.all_contexts.items():
            self.same("get_context", [self.remote.get_context(h)], [context])
        self.equal("get_context of an unknown one", self.remote.get_context("f" * 32), None)
        for h in self.all_contexts:
            self.same("list_context_metrics", self.remote.list_context_metrics(h), self.where(context=h))

    def counts(self):
        remote = self.remote
        metric = self.all_metrics[-1]
        scm_ref = self.all_sessions[metric.session].scm
        same_commit = [each for each in self.all_metrics if self.all_sessions[each.session].scm == scm_ref]
        self.equal("count_metrics", remote.count_metrics(), len(self.all_metrics))
        self.equal(
            "count_metrics of a session",
            remote.count_metrics(session_h=metric.session),
            len(self.where(session=metric.session)),
        )
        self.equal(
            "count_metrics of a context",
            remote.count_metrics(context_h=metric.context),
            len(self.where(context=metric.context)),
        )
        self.equal("count_metrics of a commit", remote.count_metrics(scm_ref=scm_ref), len(same_commit))
        self.equal("count_metrics of no session", remote.count_metrics(session_h="f" * 32), 0)
        self.equal("count_sessions", remote.count_sessions(), len(self.all_sessions))
        self.equal("count_contexts", remote.count_contexts(), len(self.all_contexts))
        named = {each.component for each in self.all_metrics} - {""}
        self.equal("count_components", remote.count_components(), len(named))

    def sessions(self):
        self.same("list_sessions", self.remote.list_sessions(), self.all_sessions)
        first = next(iter(self.all_sessions.values()))
        self.same("get_session", [self.remote.get_session(first.h)], [first])
        self.equal("get_session of an unknown one", self.remote.get_session("f" * 32), None)

    def sessions_by_tag(self):
        def check(call, expected, **arguments):
            found = [session for session in self.all_sessions.values() if expected(session.tags.get)]
            self.same(f"list_sessions, {call}", self.remote.list_sessions(**arguments), found)

        check("a tag's value", lambda tag: tag("quality") == "red", with_tags="quality", restrict_flags="red")
        check("a tag that is set", lambda tag: tag("release"), with_tags="release")
        check("several tags that are set", lambda tag: tag("release") or tag("note"), with_tags=["release", "note"])
        check(
            "any of two values",
            lambda tag: tag("quality") == "green" or tag("pipeline_branch") == "weekly",
            with_tags=["quality", "pipeline_branch"],
            restrict_flags=["green", "weekly"],
            method="match_any",
        )
        check(
            "any is the default",
            lambda tag: tag("quality") == "green" or tag("pipeline_branch") == "weekly",
            with_tags=["quality", "pipeline_branch"],
            restrict_flags=["green", "weekly"],
        )
        check(
            "all of two values",
            lambda tag: tag("quality") == "red" and tag("pipeline_branch") == "nightly",
            with_tags=["quality", "pipeline_branch"],
            restrict_flags=["red", "nightly"],
            method="match_all",
        )
        check(
            "a value and a tag that is set",
            lambda tag: tag("quality") == "red" and tag("release"),
            with_tags=["quality", "release"],
            restrict_flags=["red", ""],
            method="match_all",
        )
        check("no such tag", lambda tag: tag("absent"), with_tags="absent")

    def metrics(self):
        remote = self.remote
        self.same("list_metrics", remote.list_metrics(), self.all_metrics)
        for session in (self.all_metrics[0].session, self.all_metrics[-1].session):
            self.same("list_session_metrics", remote.list_session_metrics(session), self.where(session=session))
        self.same("list_session_metrics of no session", remote.list_session_metrics("f" * 32), [])
        for scope in MetricScope:
            self.same(
                f"list_metrics_by_type, {scope.value}", remote.list_metrics_by_type(scope), self.where(scope=scope)
            )
        for prefix in (SCM_REF, SCM_REF[:8]):
            of_commit = [each for each in self.all_metrics if self.all_sessions[each.session].scm.startswith(prefix)]
            self.same("list_metrics_by_scm_id", remote.list_metrics_by_scm_id(prefix), of_commit)
        for item in ("test_speed", "test_product", "test_none"):
            self.same(f"list_item_metrics, {item}", remote.list_item_metrics(item), self.where(item=item))
        self.metrics_of_variants()
        self.metrics_from_patterns()

    def metrics_of_variants(self):
        # Without / ? and #, which the library does not encode.
        names = ("50%", "Ärger", "日本語", "🦀", "x+y z", "a;b,c", "it's", 'say "so"')
        for variant in ("test_speed[3]", *(f"test_name[{name}]" for name in names)):
            self.same(
                f"list_metrics_of_variant, {variant}",
                self.remote.list_metrics_of_variant(variant),
                self.where(variant=variant),
            )
        self.same(
            "list_metrics_of_variant, in a component",
            self.remote.list_metrics_of_variant("test_speed[3]", component="history.detail"),
            self.where(variant="test_speed[3]", component="history.detail"),
        )

    def metrics_from_patterns(self):
        def check(call, kind, pattern, part):
            found = [each for each in self.all_metrics if part in getattr(each, kind)]
            answer = self.remote.list_metrics_from_pattern(**{kind: pattern})
            self.same(f"list_metrics_from_pattern, {call}", answer, found)

        check("part of an item", "item", "produ", "produ")
        check("upper case", "item", "PRODU", "produ")
        check("part of a variant", "variant", "speed[", "speed[")
        check("a wildcard", "variant", "t_sp_ed[", "speed[")
        check("no such", "variant", "nowhere", "nowhere")

    def components(self):
        remote = self.remote
        names = list(dict.fromkeys(metric.component for metric in self.all_metrics))
        self.equal("list_components", remote.list_components(), names)
        for name in names:
            if name:
                self.same(
                    f"list_component_metrics, {name}", remote.list_component_metrics(name), self.where(component=name)
                )
        self.same("list_component_metrics, without one", remote.list_component_metrics(), self.where(component=""))
        for name in ("history", "arithmetic"):
            found = self.distinct_tags("pipeline_branch", self.where(component=name))
            self.equal(f"list_component_pipelines, {name}", remote.list_component_pipelines(name), found)
        nightly = [each for each in self.of_pipeline("nightly") if each.component == "history"]
        self.same(
            "list_component_pipeline_builds",
            remote.list_component_pipeline_builds("history", "nightly"),
            self.distinct_tags("pipeline_build_no", nightly),
        )

    def distinct_tags(self, name, metrics):
        return list(dict.fromkeys(self.tag(metric.session, name) for metric in metrics))

    def pipelines(self):
        remote = self.remote
        branches = list(dict.fromkeys(each.tags["pipeline_branch"] for each in self.all_sessions.values()))
        self.equal("list_pipelines", remote.list_pipelines(), branches)
        for branch in branches:
            sessions = [each for each in self.all_sessions.values() if each.tags["pipeline_branch"] == branch]
            builds = list(dict.fromkeys(each.tags["pipeline_build_no"] for each in sessions))
            self.same(f"list_pipeline_builds, {branch}", remote.list_pipeline_builds(branch), builds)
            of_build = [each for each in sessions if each.tags["pipeline_build_no"] == builds[0]]
            found = remote.list_build_sessions(branch, builds[0])
            self.same(f"list_build_sessions, {branch}", found, {each.h: each for each in of_build})
        self.same("list_pipeline_builds of no pipeline", remote.list_pipeline_builds("nowhere"), [])

    def resources(self):
        remote = self.remote
        of_component = self.where(component="history")
        scopes = (
            ("", self.all_metrics, remote.list_metrics_resources, ()),
            (", component", of_component, remote.list_metrics_resources_from_component, ("history",)),
            (", pipeline", self.of_pipeline("nightly"), remote.list_metrics_resources_from_pipeline, ("nightly",)),
            (
                ", build",
                self.of_pipeline(PLUGIN_PIPELINE, BUILD),
                remote.list_metrics_resources_from_build,
                (PLUGIN_PIPELINE, BUILD),
            ),
        )
        for scope, metrics, ask, arguments in scopes:
            all_hashes, found = {metric.hash() for metric in metrics}, set()
            for resource, figure in FIGURES.items():
                for method in ResourceMethod:
                    figures = sorted((getattr(metric, figure) for metric in metrics), reverse=bool(method.value))
                    # 120 is more than a page; 10 is the library's default.
                    for most, limit in ((120, {"max_element": 120}), (10, {})):
                        answer = ask(*arguments, resource=resource, method=method, **limit)
                        # Only the values: which of several equal ones is taken is unspecified.
                        self.report.same_list(
                            f"library: list_metrics_resources{scope}: {method.name} {resource.name}",
                            [getattr(metric, figure) for metric in answer],
                            figures[:most],
                        )
                        found |= {metric.hash() for metric in answer}
            self.equal(f"list_metrics_resources{scope}: metrics from elsewhere", found - all_hashes, set())

    def crossings(self):
        remote = self.remote
        metrics = self.where(item="test_sum") + self.where(item="test_speed")[:3]
        sessions = {each.session: self.all_sessions[each.session] for each in metrics}
        contexts = {each.context: self.all_contexts[each.context] for each in metrics}
        self.same("list_sessions_from", remote.list_sessions_from(metrics), sessions)
        self.same("list_contexts_from", remote.list_contexts_from(metrics), contexts)
        of_sessions = [each.hash() for each in self.all_metrics if each.session in sessions]
        found = [each.hash() for each in remote.list_metrics_from(sessions=sessions)]
        self.report.same_in_any_order("library: list_metrics_from", found, of_sessions)

    def data_frames(self):
        remote = self.remote
        frame = remote.list_metrics().to_df(remote.list_sessions(), remote.list_contexts())
        self.equal("to_df, rows", len(frame), len(self.all_metrics))
        self.equal("to_df, a column", list(frame.wall_time), [metric.wall_time for metric in self.all_metrics])


def plain(objects):
    """Returns comparable forms of sessions, contexts and metrics; other values stay as they are."""
    if hasattr(objects, "values"):
        objects = objects.values()
    forms = [each.to_dict() if hasattr(each, "to_dict") else each for each in objects]
    for form in forms:
        # The plugin measures a float; the server answers an integer.
        if isinstance(form, dict) and "cpu_freq" in form:
            form["cpu_freq"] = int(form["cpu_freq"])
    return forms


if __name__ == "__main__":
    Check(*sys.argv[1:]).run()
