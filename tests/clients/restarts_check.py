"""A server whose socket is held by systemd-socket-activate restarts time after time during one run of pytest: nothing is lost."""
import os
import signal
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

from plugin import Run
from plugin_check import check_metrics
from processes import plain_environment

RESTARTS = 20
SECONDS = 120

# Holds the socket, as systemd does, and starts the server again whenever it has ended.
SUPERVISE = """
while [ ! -e stop ]; do
  sh -c 'echo $$ >pid; LISTEN_PID=$$ exec "$0" "$@"' "$0" "$@"
done
"""
# As long as the restarts take.
TESTS = """
import time
import pytest

@pytest.mark.parametrize("number", range(400))
def test_in_between(number):
    time.sleep(0.03)
"""


def check_restarts(report, binary, python, folder, page_size):
    def called(what):
        return f"plugin, {RESTARTS} restarts: {what}"

    address = free_address()
    command = [
        "systemd-socket-activate", f"--listen={address}", "--setenv=METROGRAPH_DRAIN=0s",
        "sh", "-c", SUPERVISE, str(binary), "--page-size", str(page_size),
        "--database-url", f"sqlite://{folder}/metrograph.db?mode=rwc",
    ]
    tests = folder / "test_restarts.py"
    tests.write_text(TESTS)
    with open(folder / "log.txt", "wb") as log:
        supervisor = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=plain_environment(), start_new_session=True
        )
    restarted = []
    try:
        is_over = threading.Event()
        restarting = threading.Thread(target=lambda: restarted.extend(restarts(folder, is_over)))
        restarting.start()
        run = Run(python, folder, f"http://{address}/api/v1", str(tests))
        is_over.set()
        restarting.join(SECONDS)
        is_green = run.exit_code == 0 and "Deactivating" not in run.output
        report.check(called("pytest is green"), None if is_green else f"\n{run.output[-3000:]}")
        report.equal(called("all of them in one run"), len(restarted), RESTARTS)
        check_metrics(report, called, SimpleNamespace(url=f"http://{address}"), page_size, run.metrics())
    except Exception as error:
        log = (folder / "log.txt").read_text(errors="replace")
        report.check(called("it goes to its end"), f"{type(error).__name__}: {error}\n{log[-2000:]}")
    finally:
        (folder / "stop").touch()
        os.killpg(supervisor.pid, signal.SIGTERM)
        supervisor.wait(SECONDS)


def restarts(folder, is_over):
    """Ends the server time after time while the run goes on. Yields the process ids."""
    pid = None
    for _ in range(RESTARTS):
        deadline = time.monotonic() + SECONDS
        while (found := running(folder)) in (None, pid):
            if is_over.is_set() or time.monotonic() > deadline:
                return
            time.sleep(0.02)
        # It serves for a moment, or has only begun to start.
        time.sleep(0.2)
        if is_over.is_set():
            return
        pid = found
        os.kill(pid, signal.SIGTERM)
        yield pid


def running(folder):
    try:
        return int((folder / "pid").read_text())
    except (FileNotFoundError, ValueError):
        return None


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "%s:%s" % probe.getsockname()
