#!/usr/bin/env bash
# pytest-monitor 1.6.6 with pytest 9.1.1: the hash of an execution context includes the CPU's current frequency and leaves out
# its model.
#
# Behaviour: ExecutionContext.hash() digests `psutil.cpu_freq().current`, which changes with load on most machines, but not
# `cpu_vendor`. Each run at another frequency adds a row to EXECUTION_CONTEXTS. Two machines that differ only in the CPU
# model share one row, which keeps the model of the first.
# Seen: two runs of one machine at 1800 MHz and 2400.5 MHz: 2 contexts. Two runs with different CPU models: 1 context.
# With PYTEST_MONITOR_FORCE_CPU_FREQ=1 and a fixed PYTEST_MONITOR_CPU_FREQ: 1 context.
#
# Why a good guess is wrong: the column is called CPU_FREQUENCY_MHZ, the attribute behind it is named "base", and the hash is
# the table's primary key. It looks like the identity of a machine: stable in time, different for different hardware.
#
# For a project: don't treat a context's hash as a machine. Group by node, system and Python, or fix the frequency in CI.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset PYTEST_ADDOPTS PYTEST_PLUGINS PYTEST_MONITOR_FORCE_CPU_FREQ PYTEST_MONITOR_CPU_FREQ

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pytest-monitor==1.6.6 pytest==9.1.1 psutil==7.2.2

# Only the two readings of the operating system are replaced: what they return depends on the machine that runs this.
mkdir suite
cat >suite/conftest.py <<'PYTHON'
import os
from collections import namedtuple

import psutil
from pytest_monitor import sys_utils

Frequency = namedtuple("Frequency", "current min max")
psutil.cpu_freq = lambda percpu=False: Frequency(float(os.environ["MEGAHERTZ"]), 800.0, 3600.0)
sys_utils._get_cpu_string = lambda: os.environ["MODEL"]
PYTHON
cat >suite/test_one.py <<'PYTHON'
def test_one():
    assert sum([1, 2]) == 3
PYTHON

cat >contexts.py <<'PYTHON'
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
sessions = db.execute("SELECT count(*) FROM TEST_SESSIONS").fetchone()[0]
rows = db.execute("SELECT CPU_FREQUENCY_MHZ, CPU_VENDOR FROM EXECUTION_CONTEXTS ORDER BY 1, 2").fetchall()
print(f"{sessions} sessions, {len(rows)} contexts:", "; ".join(f"{frequency} MHz, {model}" for frequency, model in rows))
PYTHON

fail() {
  printf 'CHANGED: %s\n' "$1" >&2
  exit 1
}

run() {
  MEGAHERTZ=$2 MODEL=$3 venv/bin/pytest -q -p no:cacheprovider --db "$work/$1.db" suite >run.log 2>&1 || {
    cat run.log >&2
    fail 'the run failed'
  }
}

expect() {
  local seen
  seen=$(venv/bin/python contexts.py "$work/$1.db")
  printf '%-22s %s\n' "$1" "$seen"
  [[ $seen == "$2" ]] || fail "expected $2"
}

run frequency 1800.0 'Model A'
run frequency 2400.5 'Model A'
expect frequency '2 sessions, 2 contexts: 1800 MHz, Model A; 2400.5 MHz, Model A'

run model 1800.0 'Model A'
run model 1800.0 'Model B'
expect model '2 sessions, 1 contexts: 1800 MHz, Model A'

export PYTEST_MONITOR_FORCE_CPU_FREQ=1 PYTEST_MONITOR_CPU_FREQ=2000
run forced 1800.0 'Model A'
run forced 2400.5 'Model A'
expect forced '2 sessions, 1 contexts: 2000 MHz, Model A'
printf 'As described: a new context for each frequency, none for another CPU model.\n'
