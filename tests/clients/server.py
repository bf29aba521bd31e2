"""A Metrograph process on a database of its own."""
import signal
import subprocess
import time
from pathlib import Path

from processes import plain_environment

START_SECONDS = 30
STOP_SECONDS = 20


class Server:
    """`with Server(binary, folder) as server:` listens at `server.url` and must end cleanly."""

    def __init__(self, binary, folder, page_size=None, arguments=()):
        self.binary = str(binary)
        self.folder = Path(folder)
        self.command = [
            self.binary,
            "--listen", "127.0.0.1:0",
            "--database-url", self._database_url(),
            *arguments,
        ]
        if page_size:
            self.command += ["--page-size", str(page_size)]

    def _database_url(self):
        return f"sqlite://{self.folder / 'metrograph.db'}?mode=rwc"

    def token(self, *arguments):
        """Returns what `metrograph token` prints."""
        command = [self.binary, "token", *arguments, "--database-url", self._database_url()]
        done = subprocess.run(command, env=plain_environment(), capture_output=True, text=True, timeout=START_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout.rstrip("\n")

    def __enter__(self):
        with open(self.folder / "stdout.txt", "wb") as out, open(self.folder / "stderr.txt", "wb") as err:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=err, env=plain_environment())
        try:
            self.url = self._announced_url()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            code = self._stop()
        finally:
            self._kill()
        # An exit code must not hide the error that ended the block.
        if kind is None and code != 0:
            raise RuntimeError(f"the server ended with {code} on SIGTERM, not 0{self._said()}")

    def _announced_url(self):
        start = "Listening on "
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in (self.folder / "stdout.txt").read_text(errors="replace").splitlines(keepends=True):
                if line.startswith(start) and line.endswith("\n"):
                    return line[len(start):].strip()
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode} while starting{self._said()}")
            time.sleep(0.02)
        raise RuntimeError(f"no line “{start}…” within {START_SECONDS} s{self._said()}")

    def _stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return f"nothing within {STOP_SECONDS} s"

    def _kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _said(self):
        return ", saying:\n" + (self.folder / "stderr.txt").read_text(errors="replace")[-4000:]
