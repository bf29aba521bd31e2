"""Writes the history of a test suite as the SQLite file that a monitor-server-api 1.x would hold.

    python3 benches/dataset.py OUT.db --metrics 1000000 [--contexts 8000]

The same arguments give the same rows, whatever the machine.

Figures have the grain of those that pytest-monitor measures, because histories compress accordingly: total time is a
difference of epoch seconds, so a multiple of 2^-22 s; user and kernel time are differences of counters of 10 ms; memory
is a number of pages of 4 KiB; CPU usage is (user + kernel) / total. Each build runs every test, in an order of its own.
Each session is faster or slower than others, by a factor of its own.
"""
import argparse
import hashlib
import itertools
import json
import math
import random
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

SEED = 7
VARIANTS = 2_000
# A build runs the whole suite, in sessions that run side by side.
BUILD_SESSIONS = 4
PIPELINES = ["main", "release-2.x", "feature/arrow-io", "nightly"]
CI_SYSTEMS = ["jenkinsci", "gitlabci", "circleci", "droneci"]
START = datetime(2025, 1, 6, 2, 0, 0)
BETWEEN_BUILDS = timedelta(hours=7)
# So many variants become faster or slower, leaner or fatter, for good, somewhere in the middle third of the history.
CHANGED_VARIANTS = VARIANTS // 50
# The standard deviation of the logarithm of a session's pace.
HOST_NOISE = 0.06
# No clock sees less pass.
SHORTEST_SECONDS = 3e-6
TICKS_A_SECOND = 100
PAGES_A_MEGABYTE = 256
ROWS_AT_ONCE = 50_000

TABLES = """
CREATE TABLE "EXECUTION_CONTEXTS" (
    "ENV_H" VARCHAR(64) NOT NULL, "CPU_COUNT" INTEGER NOT NULL, "CPU_FREQUENCY_MHZ" INTEGER NOT NULL,
    "CPU_TYPE" VARCHAR(64) NOT NULL, "CPU_VENDOR" VARCHAR(256), "RAM_TOTAL_MB" INTEGER NOT NULL,
    "MACHINE_NODE" VARCHAR(512) NOT NULL, "MACHINE_TYPE" VARCHAR(32) NOT NULL, "MACHINE_ARCH" VARCHAR(16) NOT NULL,
    "SYSTEM_INFO" VARCHAR(256) NOT NULL, "PYTHON_INFO" VARCHAR(512) NOT NULL, PRIMARY KEY ("ENV_H"));
CREATE TABLE "TEST_SESSIONS" (
    "SESSION_H" VARCHAR(64) NOT NULL, "RUN_DATE" VARCHAR(64) NOT NULL, "SCM_REF" VARCHAR(128), "DESCRIPTION" JSON,
    PRIMARY KEY ("SESSION_H"));
CREATE TABLE "TEST_METRICS" (
    "ITEM_PK" INTEGER NOT NULL, "SESSION_H" VARCHAR(64), "CONTEXT_H" VARCHAR(64),
    "ITEM_START_TIME" VARCHAR(64) NOT NULL, "ITEM_PATH" VARCHAR(4096) NOT NULL, "ITEM" VARCHAR(2048) NOT NULL,
    "ITEM_VARIANT" VARCHAR(2048) NOT NULL, "ITEM_FS_LOC" VARCHAR(2048) NOT NULL, "KIND" VARCHAR(64) NOT NULL,
    "COMPONENT" VARCHAR(512), "TOTAL_TIME" FLOAT NOT NULL, "USER_TIME" FLOAT NOT NULL, "KERNEL_TIME" FLOAT NOT NULL,
    "CPU_USAGE" FLOAT NOT NULL, "MEM_USAGE" FLOAT NOT NULL, PRIMARY KEY ("ITEM_PK"),
    FOREIGN KEY ("SESSION_H") REFERENCES "TEST_SESSIONS" ("SESSION_H"),
    FOREIGN KEY ("CONTEXT_H") REFERENCES "EXECUTION_CONTEXTS" ("ENV_H"));
"""


class Test(NamedTuple):
    """A variant of the suite under watch, and what it takes when nothing disturbs it."""

    component: str
    path: str
    item: str
    variant: str
    location: str
    seconds: float
    user_share: float
    kernel_share: float
    memory: float
    noise: float


class Session:
    """A session while it runs: its pace, and the clocks that it reads."""

    def __init__(self, hash, machine, began, pace):
        self.hash, self.machine, self.pace = hash, machine, pace
        self.clock = began
        self.user = self.kernel = self.user_ticks = self.kernel_ticks = 0.0

    def figures(self, seconds, user, kernel, memory):
        """What the plugin makes of a run: total, user and kernel time, CPU usage, memory."""
        began, user_began, kernel_began = self.clock, self.user_ticks, self.kernel_ticks
        self.clock += seconds if seconds > SHORTEST_SECONDS else SHORTEST_SECONDS
        self.user += user
        self.kernel += kernel
        self.user_ticks = int(self.user * TICKS_A_SECOND) / TICKS_A_SECOND
        self.kernel_ticks = int(self.kernel * TICKS_A_SECOND) / TICKS_A_SECOND
        total, user, kernel = self.clock - began, self.user_ticks - user_began, self.kernel_ticks - kernel_began
        return total, user, kernel, (user + kernel) / total, round(memory * PAGES_A_MEGABYTE) / PAGES_A_MEGABYTE


class Change(NamedTuple):
    """What happens to a variant, from which build on."""

    build: int
    number: int
    figure: str
    factor: float

    def to(self, test):
        return test._replace(**{self.figure: getattr(test, self.figure) * self.factor})


def digest(*words):
    return hashlib.md5("/".join(map(str, words)).encode()).hexdigest()


def contexts(chance, count):
    return [
        (
            digest("ctx", i, chance.random()), [4, 8, 16, 32][i % 4], [2400, 2799, 3100, 3600][i % 4], "x86_64",
            ["AMD EPYC 7B13", "Intel(R) Xeon(R) Gold 6242 CPU @ 2.80GHz"][i % 2], 16384 << (i % 3),
            f"ci-{i:02d}.build.example.org", "x86_64", "64bit", f"Linux - 6.{i}.0-13-amd64",
            f"3.{9 + i % 4}.{i} (main) [GCC 12.2.0]",
        )
        for i in range(count)
    ]


def suite(chance):
    areas = ("core", "io", "net", "ml", "ui")
    parts = ("api", "cache", "codec", "engine", "plan", "store", "wire", "stats")
    components = [f"{area}.{part}" for area in areas for part in parts] + [""]
    verbs = ["load", "merge", "scan", "join", "parse", "index", "sort", "send"]
    adjectives = ["fast", "wide", "deep", "empty", "unicode", "large", "sparse"]
    tests = []
    while len(tests) < VARIANTS:
        component = chance.choice(components)
        module = f"test_{chance.choice(verbs)}_{chance.randrange(40)}"
        item = f"test_{chance.choice(adjectives)}_{chance.randrange(900)}"
        path = f"tests.{component.replace('.', '_') or 'misc'}.{module}"
        variants = chance.choice([1, 1, 1, 2, 3, 5])
        for number in range(variants):
            variant = item if variants == 1 else f"{item}[n={10 ** number}, engine={chance.choice('abc')}]"
            tests.append(Test(
                component, path, item, variant, path.replace(".", "/") + ".py",
                seconds=math.exp(chance.gauss(-2.2, 1.5)),
                user_share=chance.uniform(0.3, 0.98),
                kernel_share=chance.uniform(0.01, 0.2),
                memory=math.exp(chance.gauss(3, 1.2)),
                noise=chance.uniform(0.01, 0.08),
            ))
    return tests[:VARIANTS]


def changes(chance, builds):
    third = builds // 3
    return [
        Change(
            third + chance.randrange(max(1, third)), number, chance.choice(["seconds", "memory"]),
            chance.choice([0.6, 1.25, 1.5, 2.0]),
        )
        for number in chance.sample(range(VARIANTS), CHANGED_VARIANTS)
    ]


def sessions(chance, build, machines):
    """The sessions of a build: as rows, and as they run."""
    for number in range(BUILD_SESSIONS):
        # Machines of a build are far apart, so that a short history has many, too.
        machine = machines[(build + number * (len(machines) // BUILD_SESSIONS + 1)) % len(machines)]
        tags = {
            "pipeline_branch": PIPELINES[build % len(PIPELINES)],
            "pipeline_build_no": str(1000 + build),
            "__ci__": CI_SYSTEMS[build % len(CI_SYSTEMS)],
            "python": machine[10].split()[0],
            "description": f"shard {number} of build {1000 + build}",
        }
        if build % 5 == 0:
            tags["numpy"] = f"1.{20 + build % 7}.0"
        row = (
            digest("session", SEED, build, number), begin(build).isoformat(timespec="microseconds"),
            hashlib.sha1(f"{SEED}/{build}".encode()).hexdigest(), json.dumps(tags),
        )
        began = begin(build).replace(tzinfo=timezone.utc).timestamp()
        yield row, Session(row[0], machine[0], began, math.exp(chance.gauss(0, HOST_NOISE)))


def begin(build):
    return START + BETWEEN_BUILDS * build


def metrics(chance, build, tests, running):
    """The rows of a build."""
    clock = begin(build)
    # Quicker than a shuffle.
    order = sorted(range(len(tests)), key=lambda _: chance.random())
    for position, number in enumerate(order):
        test, session = tests[number], running[position % BUILD_SESSIONS]
        seconds = test.seconds * chance.gauss(1, test.noise) * session.pace
        if chance.random() < 0.004:
            # Once in a while something else has the machine.
            seconds *= 3
        memory = test.memory * chance.gauss(1, test.noise / 4)
        clock += timedelta(0, seconds + 0.0009)
        yield (
            session.hash, session.machine, clock.isoformat("T", "microseconds"), test.path, test.item, test.variant,
            test.location, "function" if number % 50 else "module", test.component,
            *session.figures(seconds, seconds * test.user_share, seconds * test.kernel_share, memory),
        )


def write(file, metric_count, context_count=8):
    """Writes a new file."""
    chance = random.Random(SEED)
    machines, tests = contexts(chance, context_count), suite(chance)
    builds = max(1, math.ceil(metric_count / len(tests)))
    changing = changes(chance, builds)
    database = sqlite3.connect(file)
    database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + TABLES)

    def insert(table, columns, rows):
        marks = ", ".join("?" * len(columns.split(",")))
        database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    def insert_metrics(rows):
        insert(
            "TEST_METRICS",
            "SESSION_H, CONTEXT_H, ITEM_START_TIME, ITEM_PATH, ITEM, ITEM_VARIANT, ITEM_FS_LOC, KIND, COMPONENT, "
            "TOTAL_TIME, USER_TIME, KERNEL_TIME, CPU_USAGE, MEM_USAGE",
            rows,
        )

    insert(
        "EXECUTION_CONTEXTS",
        "ENV_H, CPU_COUNT, CPU_FREQUENCY_MHZ, CPU_TYPE, CPU_VENDOR, RAM_TOTAL_MB, MACHINE_NODE, MACHINE_TYPE, "
        "MACHINE_ARCH, SYSTEM_INFO, PYTHON_INFO",
        machines,
    )
    announced, waiting = [], []
    for build in range(builds):
        for change in changing:
            if change.build == build:
                tests[change.number] = change.to(tests[change.number])
        running = []
        for row, session in sessions(chance, build, machines):
            announced.append(row)
            running.append(session)
        left = metric_count - build * len(tests)
        waiting += itertools.islice(metrics(chance, build, tests, running), left)
        if len(waiting) >= ROWS_AT_ONCE:
            insert_metrics(waiting)
            waiting.clear()
    insert("TEST_SESSIONS", "SESSION_H, RUN_DATE, SCM_REF, DESCRIPTION", announced)
    insert_metrics(waiting)
    database.commit()
    database.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--metrics", type=int, default=100_000)
    arguments.add_argument("--contexts", type=int, default=8, help="the plugin makes one of every clock of a CPU")
    given = arguments.parse_args()
    write(given.file, given.metrics, given.contexts)


if __name__ == "__main__":
    main()
