"""Child processes that never outlive this one."""
import os
import signal
import subprocess
import sys


def end_children_on_sigterm():
    """Lets an end from outside unwind like an error, through everything that ends children."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def plain_environment(**more):
    """An environment without the settings, proxies and CI variables of whoever runs this."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **more}


def run_group(command, seconds, **options):
    """The exit code and output of a command whose own children end with it."""
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
