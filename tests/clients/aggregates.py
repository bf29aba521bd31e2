"""Compares aggregates with Python's: math.fsum, statistics.stdev and numpy's percentiles, on random questions, on both databases.

    python3 tests/clients/aggregates.py target/debug/metrograph [CACHE] [CASES]

Half of the metrics are sealed. SEED in the environment repeats the questions of an earlier run.
"""
import os
import random
import sys
from pathlib import Path

from environments import python_with
from processes import end_children_on_sigterm, plain_environment, run_group

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# A case takes a tenth of a second or two.
SECONDS_A_CASE = 3


def run(binary, cache=ROOT / "target" / "clients", cases="500"):
    python = python_with(Path(cache) / "aggregates", [HERE / "requirements-aggregates.txt"])
    seed = os.environ.get("SEED") or str(random.randrange(1 << 32))
    command = [str(python), str(HERE / "aggregates_check.py"), str(Path(binary).resolve()), cases, seed]
    code, output = run_group(command, 300 + SECONDS_A_CASE * int(cases), env=plain_environment())
    print(output, end="", flush=True)
    return code


if __name__ == "__main__":
    end_children_on_sigterm()
    sys.exit(run(*sys.argv[1:]))
