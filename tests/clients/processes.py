"""Child processes that never outlive this process."""
import os
import signal
import subprocess
import sys


def end_children_on_sigterm():
    """Makes SIGTERM raise an exception, so that everything that ends children runs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def plain_environment(**more):
    """Returns an environment without the caller's settings, proxies and CI variables."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **more}


def run_group(command, seconds, **options):
    """Returns the exit code and output of a command; its children end with it."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, **options
    )
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output.decode(errors="replace")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
