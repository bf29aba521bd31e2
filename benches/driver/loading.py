"""Brings a history into Metrograph through its own API, as users' histories come to be."""
import itertools
import json
import sqlite3
import threading
from contextlib import closing

from driver.wire import Connection, message

CONNECTIONS = 8
BATCH = 1_000
# The bodies of so many batches are written down before the clock runs: 25 MB of JSON.
BATCHES_AHEAD = 50

RECORD = "mutation ($input: RecordMetricsInput!) { recordMetrics(input: $input) { userErrors { code message } } }"
# In the order of the file's columns.
CONTEXT = (
    "h", "cpu_count", "cpu_frequency", "cpu_type", "cpu_vendor", "ram_total", "machine_node", "machine_type",
    "machine_arch", "system_info", "python_info",
)
METRIC = (
    "sessionHash", "contextHash", "startedAt", "itemPath", "itemName", "variantName", "location", "kind",
    "componentName", "totalTime", "userTime", "kernelTime", "cpuUsage", "memoryUsage",
)
METRIC_COLUMNS = (
    "SESSION_H, CONTEXT_H, ITEM_START_TIME, ITEM_PATH, ITEM, ITEM_VARIANT, ITEM_FS_LOC, KIND, COMPONENT, TOTAL_TIME, "
    "USER_TIME, KERNEL_TIME, CPU_USAGE, MEM_USAGE"
)


def read_only(file):
    return closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True))


def load(port, file):
    """Everything in the file. Returns how many metrics were stored a second."""
    announce(port, file)
    with read_only(file) as database:
        count, seconds = 0, 0.0
        rows = metrics(database)
        while batches := list(itertools.islice(bodies(rows), BATCHES_AHEAD)):
            stored, took = record(port, batches)
            count += stored
            seconds += took
    return count / seconds


def announce(port, file):
    with read_only(file) as database:
        contexts = [
            ("/api/v1/contexts/", dict(zip(CONTEXT, row)))
            for row in database.execute("SELECT * FROM EXECUTION_CONTEXTS ORDER BY rowid")
        ]
        post_all(port, contexts)
        post_all(port, [("/api/v1/sessions/", session) for session in sessions(database)])


class More:
    """The first batches of a history once more, as runs of their own: their sessions have other hashes."""

    def __init__(self, file, batches):
        with read_only(file) as database:
            rows = [
                {**row, "sessionHash": another(row["sessionHash"])}
                for row in itertools.islice(metrics(database), batches * BATCH)
            ]
            hashes = {row["sessionHash"] for row in rows}
            again = ({**session, "session_h": another(session["session_h"])} for session in sessions(database))
            self.sessions = [session for session in again if session["session_h"] in hashes]
        self.rows = rows
        self.requests = list(bodies(iter(rows)))

    def announce(self, port):
        post_all(port, [("/api/v1/sessions/", session) for session in self.sessions])

    def write(self, file):
        """Writes them to a file in the plugin's layout."""
        columns = METRIC_COLUMNS.replace("CONTEXT_H", "ENV_H")
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("CREATE TABLE TEST_SESSIONS (SESSION_H, RUN_DATE, SCM_ID, RUN_DESCRIPTION)")
            database.execute(f"CREATE TABLE TEST_METRICS ({columns})")
            database.executemany(
                "INSERT INTO TEST_SESSIONS VALUES (?, ?, ?, ?)",
                ((s["session_h"], s["run_date"], s["scm_ref"], json.dumps(s["description"])) for s in self.sessions),
            )
            database.executemany(
                f"INSERT INTO TEST_METRICS VALUES ({', '.join('?' * len(METRIC))})", (tuple(row[name] for name in METRIC) for row in self.rows)
            )


def another(hash):
    return hash[::-1]


def sessions(database):
    for hash, run_date, scm_ref, tags in database.execute("SELECT * FROM TEST_SESSIONS ORDER BY rowid"):
        yield {"session_h": hash, "run_date": run_date, "scm_ref": scm_ref, "description": json.loads(tags)}


def metrics(database):
    for row in database.execute(f"SELECT {METRIC_COLUMNS} FROM TEST_METRICS ORDER BY ITEM_PK"):
        yield dict(zip(METRIC, row))


def post_all(port, posts):
    """Posts (path, object) pairs, over several connections."""
    requests = [message("POST", path, json.dumps(value).encode()) for path, value in posts]
    problems = []

    def work(share):
        try:
            with Connection(port) as connection:
                for request in share:
                    answer = connection.send(request)
                    if answer.status != 201:
                        raise RuntimeError(f"{request[:60]!r} answered {answer.status}: {answer.body[:300]!r}")
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(requests[i::CONNECTIONS],)) for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def bodies(rows):
    """(rows, request) for each batch of rows."""
    while batch := list(itertools.islice(rows, BATCH)):
        body = json.dumps({"query": RECORD, "variables": {"input": {"metrics": batch}}}).encode()
        yield len(batch), message("POST", "/graphql", body)


def record(port, batches):
    """Sends batches over one connection, in order. Returns how many rows that were, and the seconds it took."""
    count, seconds = 0, 0.0
    with Connection(port) as connection:
        for rows, request in batches:
            answer = connection.send(request)
            if answer.status != 200 or answer.json() != {"data": {"recordMetrics": {"userErrors": []}}}:
                raise RuntimeError(f"recordMetrics answered {answer.status}: {answer.body[:300]!r}")
            count += rows
            seconds += answer.seconds
    return count, seconds
