"""GraphQL on PostgreSQL: what a dashboard asks for, on a cluster of our own or on the database that is given."""
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

from driver import loading, wrk
from driver.history import say
from driver.subjects import of_rounds
from driver.wire import Connection

CONNECTIONS = 8
SESSIONS, METRICS = 20, 25
# As many places in the list of sessions are asked about, where there are so many.
PLACES = 100
QUERY = f"""query ($after: String) {{
  sessions(first: {SESSIONS}, after: $after) {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{
      hash runDate scmRef
      metrics(first: {METRICS}) {{
        nodes {{
          itemName variantName componentName totalTime userTime kernelTime cpuUsage memoryUsage
          context {{ hash cpuCount machineNode pythonInfo }}
        }}
      }}
    }}
  }}
}}"""
# One line: a line is a request.
QUERY = " ".join(QUERY.split())


def measure(bench):
    if not bench.wants("postgres"):
        return
    if not bench.postgres and programs() is None:
        say("PostgreSQL IS LEFT OUT: no --postgres, and initdb is not there (Debian: apt-get install postgresql)")
        return
    with databases(bench) as urls:
        history = bench.for_postgres
        for program, url in urls.items():
            with program.serve(url) as server:
                fill(server.port, history)
        rates = {program: [] for program in urls}
        for number in range(bench.rounds):
            for program, url in urls.items():
                say(f"PostgreSQL, round {number + 1} of {bench.rounds}: {program.name}")
                with program.serve(url) as server, wrk.written_down(requests(server.port)) as file:
                    load = wrk.measured(bench, server.port, CONNECTIONS, "requests.lua", "/graphql", file)
                rates[program].append(load.rate)
        bench.results["postgres"] = of_rounds("{:,.0f}/s", *rates.values(), note=f"{history.metrics:,} metrics")


@contextmanager
def databases(bench):
    """The URL of a database for each build of Metrograph: those that are given, or else of clusters of our own."""
    if bench.postgres:
        yield dict(zip(bench.programs, filter(None, (bench.postgres, bench.postgres_before))))
    else:
        with ExitStack() as opened:
            yield {program: opened.enter_context(cluster()) for program in bench.programs}


def fill(port, history):
    """Loads the history, unless it is there."""
    with Connection(port) as connection:
        count = connection.get("/api/v1/metrics/count").json()["count"]
    if count == 0:
        say(f"Loading {history.metrics:,} metrics into PostgreSQL")
        say(f"  {loading.load(port, history.generated()):,.0f} rows/s")
    history.check(port)


def requests(port):
    """The same question at many places of the list, each of which is answered right."""
    asked, after = [], None
    with Connection(port) as connection:
        while len(asked) < PLACES:
            body = {"query": QUERY, "variables": {"after": after}}
            answer = connection.post("/graphql", body)
            found = answer.json()
            if answer.status != 200 or "errors" in found:
                raise RuntimeError(f"GraphQL on PostgreSQL: {answer.status} {answer.body[:300]!r}")
            sessions, place = found["data"]["sessions"]["nodes"], found["data"]["sessions"]["pageInfo"]
            metrics = [metric for session in sessions for metric in session["metrics"]["nodes"]]
            if len(sessions) != SESSIONS or len(metrics) != SESSIONS * METRICS:
                raise RuntimeError(f"GraphQL on PostgreSQL: {len(sessions)} sessions with {len(metrics)} metrics")
            if not all(metric["context"] for metric in metrics):
                raise RuntimeError("GraphQL on PostgreSQL: a metric without its context")
            asked.append(("POST", "/graphql", body))
            if not place["hasNextPage"]:
                break
            after = place["endCursor"]
    return asked


def programs():
    """Where initdb and pg_ctl are: on the path, or where Debian puts them."""
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in [*on_path, *packaged]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    return None


@contextmanager
def cluster():
    """A PostgreSQL with the settings it comes with, in a temporary folder. It listens on a socket in there alone."""
    folder = Path(tempfile.mkdtemp(prefix="metrograph-postgres-"))
    data = folder / "data"
    as_owner = []
    if os.geteuid() == 0:
        # initdb refuses root.
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        as_owner = ["runuser", "-u", "postgres", "--"]

    def run(program, *arguments):
        command = [*as_owner, str(programs() / program), *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(command)}: {done.stderr.decode(errors='replace')}")

    try:
        run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-D", data)
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        run("pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield f"postgres://postgres@localhost/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
