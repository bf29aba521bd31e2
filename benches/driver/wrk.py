"""Loads that wrk makes."""
import json
import subprocess
import tempfile
from contextlib import contextmanager
from typing import NamedTuple

from driver import BENCHES

SCRIPTS = BENCHES / "wrk"


class Load(NamedTuple):
    requests: int
    rate: float
    p50: float
    p99: float


def measured(bench, *load):
    """A run that counts, after one that does not."""
    warm_up(bench, *load)
    return run(bench.seconds, *load)


def warm_up(bench, *load):
    if bench.warm_up:
        run(bench.warm_up, *load)


def run(seconds, port, connections, script, path, *arguments):
    """One run. It fails when one request does."""
    command = [
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "60s",
        "--latency", "--script", script, f"http://127.0.0.1:{port}{path}", "--", *map(str, arguments),
    ]
    # In the scripts' folder, where they find each other.
    done = subprocess.run(command, cwd=SCRIPTS, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"wrk ended with {done.returncode}: {done.stderr}{done.stdout}")
    found = json.loads(lines[-1])
    if found["broken"] or found["refused"] or not found["requests"]:
        raise RuntimeError(f"{script} on {path}: requests failed, or none came through: {lines[-1]}")
    return Load(found["requests"], found["requests"] / found["seconds"], found["p50_ms"], found["p99_ms"])


@contextmanager
def written_down(requests):
    """A file of (method, path, body) for requests.lua."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for method, path, body in requests:
            file.write(f"{method} {path} {json.dumps(body) if body else ''}".rstrip() + "\n")
        file.flush()
        yield file.name
