"""Writes down what came out, of what, on what machine."""
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from driver import ROOT
from driver.binaries import digest
from driver.table import TABLE

IN_WORDS = {True: "yes", False: "**no**", None: "not judged"}


def text(bench, command):
    rows = [row for row in TABLE if bench.wants(row.id)]
    results = {row: bench.results[row.id] for row in rows if row.id in bench.results}
    rounds = "1 round" if bench.rounds == 1 else f"{bench.rounds} rounds"
    lines = [
        "# What it costs",
        "",
        f"`{command}` wrote this on {datetime.now(timezone.utc):%Y-%m-%d}. CONTRIBUTING.md says how to read it.",
        "",
        *legend(bench),
        "",
        f"- Of: {version(bench.present.binary)}, commit {commit()}; {binaries(bench)}",
        *([f"- Before: {version(bench.before.binary)}, its SHA-256 {bench.before.digest}"] if bench.before else []),
        *([f"- DuckDB: {bench.duckdb}"] if bench.duckdb else []),
        f"- On: {machine()}",
        f"- With: {'; '.join(bench.histories())}; {rounds}, {bench.seconds} s a load",
        "",
        *table(bench, rows, results),
        *part("What DuckDB is asked", ["row", "SQL"], questions(results)),
        *part("The slowest of each class", ["row", "p50", "path"], [
            [row.id, time, f"`{path}`"] for row, result in results.items() for time, path in result.slowest
        ]),
    ]
    return "\n".join(lines) + "\n"


def legend(bench):
    if bench.small:
        return ["A small run: it shows that the harness works, and judges nothing."]
    lines = ["A ratio is that of medians of the same rounds. A figure within a tenth of what is wanted counts as met."]
    if bench.before is None:
        lines.append("Nothing is judged by an earlier build: none was given.")
    return lines


def table(bench, rows, results):
    judges = not bench.small
    has_reference = any(result.reference for result in results.values())
    head = ["row", "work", "Metrograph", "baseline", *["reference"] * has_reference, "ratio"]
    head += ["wanted", "met"] * judges
    lines = [head, ["---"] * len(head)]
    for row in rows:
        if row not in results:
            lines.append([row.id, row.work, "not measured"] + [""] * (len(head) - 3))
            continue
        result = results[row]
        work = f"{row.work}; {result.note}" if result.note else row.work
        ratio = "; ".join(in_digits(figure) for unit, figure in result.figures.items() if unit.startswith("×"))
        cells = [row.id, work, result.measured, result.baseline, *[result.reference] * has_reference, ratio]
        if judges:
            met = "; ".join(IN_WORDS[is_met] for is_met in row.is_met(result.figures))
            cells += ["; ".join(map(str, row.aims)), met]
        lines.append(cells)
    return map(line, lines)


def in_digits(ratio):
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def questions(results):
    """The SQL, once where it is asked of several histories."""
    rows_of = {}
    for row in results:
        if row.sql:
            rows_of.setdefault(row.sql, []).append(row.id)
    return [[", ".join(ids), f"`{sql}`"] for sql, ids in rows_of.items()]


def part(title, head, rows):
    return ["", f"## {title}", "", *map(line, [head, ["---"] * len(head), *rows])] if rows else []


def line(cells):
    return "| " + " | ".join(cells) + " |"


def version(binary):
    return subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def binaries(bench):
    if bench.is_built:
        return "built by this run"
    return f"the binaries were given, their SHA-256 {bench.present.digest} and {digest(bench.yardstick)}"


def commit():
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def machine():
    cores = len(os.sched_getaffinity(0))
    memory = field("/proc/meminfo", "MemTotal") or "0"
    gigabytes = int(memory.split()[0]) / 1024**2
    model = field("/proc/cpuinfo", "model name") or platform.machine()
    return f"{model}, {cores} cores, {gigabytes:.0f} GB of memory, {platform.system()} {platform.release()}"


def field(file, name):
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
