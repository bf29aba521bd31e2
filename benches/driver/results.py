"""Writes down what came out, of what, on what machine."""
import hashlib
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from driver import ROOT
from driver.table import PACE, TABLE


def text(bench, command):
    judges = not bench.small
    has_reference = any(result.reference for result in bench.results.values())
    head = ["row", "work", "Metrograph", "baseline", *["reference"] * has_reference, "ratio"]
    head += ["wanted", "met"] * judges
    table = [head, ["---"] * len(head)]
    for row in TABLE:
        if not bench.wants(row.id):
            continue
        result = bench.results.get(row.id)
        if result is None:
            cells = [row.id, row.work, "not measured"] + [""] * (len(head) - 3)
        else:
            work = f"{row.work}; {result.note}" if result.note else row.work
            ratio = f"{result.figure:.2f}" if row.unit.startswith("×") else ""
            cells = [row.id, work, result.measured, result.baseline, *[result.reference] * has_reference, ratio]
            cells += [row.wish, "yes" if row.is_met(result.figure) else "**no**"] * judges
        table.append(cells)
    rounds = "1 round" if bench.rounds == 1 else f"{bench.rounds} rounds"
    lines = [
        "# What it costs",
        "",
        f"`{command}` wrote this on {datetime.now(timezone.utc):%Y-%m-%d}. CONTRIBUTING.md says how to read it.",
        "",
        *(["A small run: it shows that the harness works, and judges nothing.", ""] if bench.small else []),
        f"- Of: {version(bench.metrograph)}, commit {commit()}; {binaries(bench)}",
        f"- On: {machine()}",
        f"- With: {'; '.join(bench.histories())}; {rounds}, {bench.seconds} s a load",
        *pace(bench),
        "",
        *map(line, table),
    ]
    slowest = [
        [row.id, time, f"`{path}`"]
        for row in TABLE if row.id in bench.results
        for time, path in bench.results[row.id].slowest
    ]
    if slowest:
        lines += ["", "## The slowest of each class", "", *map(line, [["row", "p50", "path"], ["---"] * 3, *slowest])]
    return "\n".join(lines) + "\n"


def pace(bench):
    """How fast the machine is: limits that are no ratios were set for another one."""
    if bench.small or not PACE.keys() <= bench.pace.keys():
        return []
    rates = ", ".join(f"{bench.pace[row]:,.0f} {noun}" for row, noun in zip(PACE, ("posts", "pages", "sessions")))
    shares = ", ".join(f"{bench.pace[row] / rate:.2f}" for row, rate in PACE.items())
    where = "of what it does on the machine for which limits in time and rows a second were set"
    return [f"- Pace: the yardstick does {rates} a second, {shares} {where}"]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def version(binary):
    return subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def binaries(bench):
    if bench.is_built:
        return "built by this run"
    sums = (hashlib.sha256(binary.read_bytes()).hexdigest()[:10] for binary in (bench.metrograph, bench.yardstick))
    return "the binaries were given, their SHA-256 {} and {}".format(*sums)


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
