"""Checks that monitor_api reads past page one through a proxy, and names with a slash, which it does not encode.

Run by proxies.py inside the library's environment: `proxy_library_check.py NAME URL`.
"""
import sys

from monitor_api import Monitor

from plugin_check import BUILD, PIPELINE
from report import Report


def main(name, url):
    report = Report()
    remote = Monitor(url)
    metrics, pipelines = list(remote.list_metrics()), remote.list_pipelines()
    report.equal(f"{name}, library: every page", len(metrics), remote.count_metrics())
    report.check(f"{name}, library: several pages", None if len(metrics) > 20 else f"{len(metrics)} metrics")
    report.equal(f"{name}, library: pipelines", pipelines, [PIPELINE])
    report.equal(f"{name}, library: builds of {PIPELINE}", remote.list_pipeline_builds(PIPELINE), [BUILD])
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
