"""What runs where DuckDB is installed.

    duckdb_worker.py version
    duckdb_worker.py load GENERATED.db FILE THREADS     makes a database of a history
    duckdb_worker.py serve FILE THREADS                 a line of JSON is a query, and is answered by one

The tables are what is fastest for what is asked: numbers for names, and the component beside each metric.
"""
import json
import sqlite3
import sys
import time

import duckdb
import numpy

# DuckDB's row groups.
ROWS_AT_ONCE = 122_880

TABLES = """
CREATE TABLE contexts (
    context_id INTEGER, hash VARCHAR, cpu_count INTEGER, cpu_frequency INTEGER, cpu_type VARCHAR, cpu_vendor VARCHAR,
    ram_total INTEGER, machine_node VARCHAR, machine_type VARCHAR, machine_arch VARCHAR, system_info VARCHAR,
    python_info VARCHAR);
CREATE TABLE sessions (
    session_id INTEGER, hash VARCHAR, run_date TIMESTAMP, scm_ref VARCHAR, pipeline VARCHAR, build VARCHAR, tags VARCHAR);
CREATE TABLE components (component_id INTEGER, name VARCHAR);
CREATE TABLE variants (
    variant_id INTEGER, path VARCHAR, item VARCHAR, name VARCHAR, location VARCHAR, kind VARCHAR, component_id INTEGER);
CREATE TABLE metrics (
    metric_id BIGINT, session_id INTEGER, context_id INTEGER, variant_id INTEGER, component_id INTEGER, started_at TIMESTAMP,
    total_time DOUBLE, user_time DOUBLE, kernel_time DOUBLE, cpu_usage DOUBLE, memory_usage DOUBLE);
"""
INDEXED = """
CREATE TABLE metrics_indexed AS SELECT variant_id, started_at, metric_id, total_time FROM metrics;
CREATE INDEX by_variant ON metrics_indexed (variant_id);
"""
METRICS = """
SELECT ITEM_PK, SESSION_H, CONTEXT_H, ITEM_START_TIME, TOTAL_TIME, USER_TIME, KERNEL_TIME, CPU_USAGE, MEM_USAGE, COMPONENT,
    ITEM_PATH, ITEM, ITEM_VARIANT, ITEM_FS_LOC, KIND
FROM TEST_METRICS ORDER BY ITEM_PK
"""


class Numbers(dict):
    """Numbers keys from 1 on, in the order in which they first occur."""

    def __missing__(self, key):
        self[key] = len(self) + 1
        return self[key]

    def of(self, keys):
        return numpy.array([self[key] for key in keys], numpy.int32)


def load(generated, file, threads):
    source = sqlite3.connect(f"file:{generated}?mode=ro", uri=True)
    database = duckdb.connect(file)
    database.execute(f"SET threads = {threads}")
    database.execute(TABLES)
    contexts, sessions, components, variants = Numbers(), Numbers(), Numbers(), Numbers()
    hashes, *others = zip(*source.execute("SELECT * FROM EXECUTION_CONTEXTS ORDER BY rowid"))
    insert(database, "contexts", contexts.of(hashes), hashes, *others)
    hashes, dates, refs, texts = zip(*source.execute("SELECT * FROM TEST_SESSIONS ORDER BY rowid"))
    tags = [json.loads(text) for text in texts]
    builds = ([of_session[name] for of_session in tags] for name in ("pipeline_branch", "pipeline_build_no"))
    insert(database, "sessions", sessions.of(hashes), hashes, times(dates), refs, *builds, texts)
    found = source.execute(METRICS)
    while rows := found.fetchmany(ROWS_AT_ONCE):
        keys, of_session, of_context, began, total, user, kernel, cpu, memory, of_component, *names = zip(*rows)
        variant, component = variants.of(zip(*names, of_component)), components.of(of_component)
        figures = map(numpy.array, (total, user, kernel, cpu, memory))
        insert(
            database, "metrics", numpy.array(keys), sessions.of(of_session), contexts.of(of_context), variant, component,
            times(began), *figures,
        )
    insert(database, "components", numpy.array(list(components.values())), list(components))
    *names, of_component = zip(*variants)
    insert(database, "variants", numpy.array(list(variants.values())), *names, components.of(of_component))
    database.execute(INDEXED)
    database.execute("CHECKPOINT")
    database.close()


def insert(database, table, *columns):
    def array(column):
        return column if isinstance(column, numpy.ndarray) else numpy.array(column, object)

    # DuckDB finds it by its name.
    rows = {f"column{number}": array(column) for number, column in enumerate(columns)}
    database.execute(f"INSERT INTO {table} SELECT * FROM rows")


def times(texts):
    return numpy.array(texts, "datetime64[us]")


def serve(file, threads):
    database = duckdb.connect(file, read_only=True)
    database.execute(f"SET threads = {threads}")
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        columns = database.execute(asked["sql"], asked["parameters"]).fetchnumpy()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, **said_of(columns)}), flush=True)


def said_of(columns):
    """The number of rows, the first value, and numbers that depend on all of them, as Metrograph's example gives them."""
    first = next(iter(columns.values()))
    if "mean" in columns:
        numbers = [columns["metrics"].sum(), (columns["metrics"] * columns["mean"]).sum(), columns["p95"].sum()]
    elif "average" in columns:
        numbers = [columns[name].sum() for name in ("metrics", "least", "median", "average", "greatest")]
    elif "total_time" in columns:
        numbers = [columns["total_time"].sum(), columns["total_time"][0]]
    else:
        numbers = []
    return {"rows": len(first), "first": str(first[0]), "numbers": [float(number) for number in numbers]}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["load", generated, file, threads]:
            load(generated, file, threads)
        case ["serve", file, threads]:
            serve(file, threads)
        case _:
            print(duckdb.__version__)
