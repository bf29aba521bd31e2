"""Checks that the server has everything the plugin measured, exactly as in the plugin's own database."""
from math import ceil
from urllib.parse import quote

from plugin import METRIC, Run
from report import shorten
from wire import call, everything, graphql, pages

SCM_REF = "5f2b8e1c9d7a4f60b3e8d1c2a9f7e6d5c4b3a291"
PIPELINE, BUILD = "feature/arrow", "42"
SESSIONS_QUERY = """{
  sessions(first: 50) {
    totalCount
    nodes { hash metricCount metrics(first: 5) { nodes { variantName totalTime sessionHash } } }
  }
}"""


def check_plugin(report, way, server, page_size, python, folder, remote, *arguments, workers=0):
    run = Run(
        python, folder, remote, "--tag", "quality=green", "--tag", "note=a=b, Ü", "--description", "real clients",
        *arguments, scm_ref=SCM_REF, ci={"BUILD_NUMBER": BUILD, "BRANCH_NAME": PIPELINE},
    )
    local = run.metrics()

    def called(what):
        return f"plugin, {way}: {what}"

    # One test fails on purpose: pytest then ends with 1.
    ended_well = run.exit_code == 1 and run.outcome("failed") == 1 and "Deactivating" not in run.output
    report.check(called("runs to its end without giving up"), None if ended_well else f"\n{run.output[-3000:]}")
    unmeasured = 1
    report.equal(
        called("measured every passing test"),
        sum(metric["kind"] == "function" for metric in local),
        run.outcome("passed") - unmeasured,
    )

    # A session for each worker, and one for the xdist controller.
    sessions = run.sessions()
    report.equal(called("sessions"), len(sessions), workers + 1)
    check_metrics(report, called, server, page_size, local)
    check_announced(report, called, server, run)
    check_graph(report, called, server, sessions, local)


def check_metrics(report, called, server, page_size, local):
    listed = everything(server.url, "/api/v1/metrics/", "metrics")
    report.same_in_any_order(called("every metric, field by field"), rows(listed), rows(local))
    report.equal(called("fields of a metric"), {frozenset(metric) for metric in listed}, {frozenset(METRIC)})
    report.equal(called("count"), call(f"{server.url}/api/v1/metrics/count"), {"count": len(local)})
    report.equal(
        called("pages"),
        [page["total_page"] for page in pages(server.url, "/api/v1/metrics/")],
        [ceil(len(local) / page_size)] * ceil(len(local) / page_size),
    )
    for session, metrics in by_session(local).items():
        path = f"/api/v1/sessions/{session}/metrics"
        report.same_list(called("metrics of a session, in order"), everything(server.url, path, "metrics"), metrics)


def check_announced(report, called, server, run):
    sessions = everything(server.url, "/api/v1/sessions/", "sessions")
    report.equal(called("sessions with their tags"), by(sessions, "session_h"), by(run.sessions(), "session_h"))

    contexts = everything(server.url, "/api/v1/contexts/", "contexts")
    expected = [{**context, "context_h": context["h"]} for context in run.contexts()]
    report.equal(called("contexts"), by(contexts, "h"), by(expected, "h"))

    # With the field that needs it: a slash in a branch is common.
    builds = f"/api/v1/pipelines/{quote(PIPELINE, safe='')}/builds"
    report.equal(called("pipelines"), call(f"{server.url}/api/v1/pipelines/"), {"pipelines": [PIPELINE]})
    listed = attempt(lambda: everything(server.url, builds, "builds"))
    report.equal(called("builds of a pipeline"), listed, [BUILD])
    listed = attempt(lambda: sorted(everything(server.url, f"{builds}/{BUILD}/sessions", "sessions")))
    report.equal(called("sessions of a build"), listed, sorted(by(run.sessions(), "session_h")))


def check_graph(report, called, server, expected, local):
    answer = attempt(lambda: graphql(server.url, SESSIONS_QUERY)["sessions"])
    if isinstance(answer, Exception):
        return report.check(called("GraphQL"), repr(answer))
    metrics = by_session(local)
    counts = {session["session_h"]: len(metrics.get(session["session_h"], [])) for session in expected}
    report.equal(called("GraphQL: number of sessions"), answer["totalCount"], len(expected))
    nodes = answer["nodes"]
    report.equal(called("GraphQL: sessions and counts"), {node["hash"]: node["metricCount"] for node in nodes}, counts)
    strange = [
        (node["hash"], metric)
        for node in nodes
        for metric in node["metrics"]["nodes"]
        if metric["sessionHash"] != node["hash"]
        or (metric["variantName"], metric["totalTime"])
        not in {(row["item_variant"], row["total_time"]) for row in metrics[node["hash"]]}
    ]
    report.check(called("GraphQL: metrics are those of the session"), shorten(strange) if strange else None)
    report.equal(
        called("GraphQL: as many metrics as asked"),
        {node["hash"]: len(node["metrics"]["nodes"]) for node in nodes},
        {session: min(5, count) for session, count in counts.items()},
    )


def rows(metrics):
    return [tuple(metric.get(field) for field in METRIC) for metric in metrics]


def by(objects, key):
    return {each[key]: each for each in objects}


def by_session(metrics):
    sessions = {}
    for metric in metrics:
        sessions.setdefault(metric["session_h"], []).append(metric)
    return sessions


def attempt(question):
    """Returns the response or the error, so that one refusal does not end the other checks."""
    try:
        return question()
    except Exception as error:
        return error
