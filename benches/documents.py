"""Compares what documents cost when first seen and when cached, on two builds.

    python3 benches/documents.py target/dist/metrograph OTHER/metrograph

Each round starts both servers in turn on an empty database, sends 2,000 documents that differ, one after the other over one connection,
and then 2,000 requests for the last hundred of them. Told are the medians of the rounds' medians, and their ratio.
"""
import http.client
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "clients"))
from processes import end_children_on_sigterm  # noqa: E402
from server import Server  # noqa: E402

DOCUMENTS = 2_000
ROUNDS = 5


def document(number):
    """A document of a dashboard's size, unlike all others."""
    return (
        f"query Q{number}($n: Int = {number % 50}, $w: MetricWhere) {{ metrics(first: $n, where: $w) {{ totalCount nodes {{ id "
        f"a{number}: totalTime userTime kernelTime cpuUsage memoryUsage itemName variantName itemPath startedAt kind "
        "session { hash scmRef pipeline { name } tags { name value } } context { hash cpuCount ...C } } "
        "pageInfo { hasNextPage endCursor } } } fragment C on ExecutionContext { machineNode pythonInfo cpuType }"
    )


def ask(connection, body):
    began = time.perf_counter()
    connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
    answer = connection.getresponse().read()
    took = time.perf_counter() - began
    if b'"errors"' in answer:
        raise RuntimeError(answer)
    return took


def measured(binary):
    """The medians of a round: first seen, known."""
    bodies = [json.dumps({"query": document(number), "variables": {"w": {}}}) for number in range(DOCUMENTS)]
    with tempfile.TemporaryDirectory(prefix="metrograph-documents-") as folder:
        with Server(Path(binary).resolve(), folder) as server:
            connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
            # Whatever is made once is made.
            for _ in range(200):
                ask(connection, json.dumps({"query": "{ metricCount sessions(first: 1) { totalCount } }"}))
            first = statistics.median([ask(connection, body) for body in bodies])
            # Few enough that both builds still know them.
            known = statistics.median([ask(connection, body) for body in bodies[-100:] * 20])
            return first, known


def main(*binaries):
    end_children_on_sigterm()
    rounds = [[measured(binary) for binary in binaries] for _ in range(ROUNDS)]
    for name, kind in (("first seen", 0), ("known", 1)):
        medians = [statistics.median(each[place][kind] for each in rounds) for place in range(len(binaries))]
        line = "  ".join(f"{median * 1e6:.0f} µs" for median in medians)
        ratios = [each[0][kind] / each[1][kind] for each in rounds] if len(binaries) == 2 else []
        line += f"  ratio {medians[0] / medians[1]:.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""
        print(f"{name}: {line}")


if __name__ == "__main__":
    main(*sys.argv[1:])
