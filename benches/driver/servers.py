"""The servers under measurement, each a process of its own on 127.0.0.1."""
import os
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress

from processes import plain_environment

START_SECONDS = 300
STOP_SECONDS = 120


class Server:
    """`with Server(…) as server:` serves at `server.port`, and ends with the block."""

    def __init__(self, name, command, environment=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.environment = environment or plain_environment()
        self.ends_with = 0

    def __enter__(self):
        self.said = tempfile.TemporaryFile()
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, stdin=self._input(), stdout=self._output(), stderr=self.said, env=self.environment,
            start_new_session=True,
        )
        try:
            self.port = self._port()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind, *_):
        code = self._end()
        # An exit code is not worth hiding the error that ended the block.
        if kind is None and code != self.ends_with:
            raise RuntimeError(f"{self.name} ended with {code}, not {self.ends_with}{self._words()}")

    def _input(self):
        return subprocess.DEVNULL

    def _output(self):
        return subprocess.PIPE

    def _port(self):
        """What the line that the server says once it listens ends with."""
        start = b"Listening on http://"
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if ready else b""
        if not line.startswith(start):
            raise RuntimeError(f"{self.name} said {line!r}, not where it listens{self._words()}")
        return int(line.rsplit(b":", 1)[1])

    def _end(self):
        """Its exit code. Whatever it started ends with it."""
        self._signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return f"nothing within {STOP_SECONDS} s"
        finally:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def _words(self):
        self.said.seek(0)
        return f". It said:\n{self.said.read().decode(errors='replace')[-4000:]}"

    def anonymous_memory(self):
        """Megabytes that are its own; the pages of mapped files are the system's."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) / 1000
        raise RuntimeError("this system does not tell RssAnon")


class Metrograph(Server):
    def __init__(self, binary, database, name="Metrograph"):
        """`database` is a file, or the URL of a PostgreSQL."""
        url = database if "://" in str(database) else f"sqlite://{database}?mode=rwc"
        # Nothing more, so that an older one understands it.
        super().__init__(name, [binary, "--listen", "127.0.0.1:0", "--database-url", url, "--log", "warn"])


class LineServer(Server):
    """A program that answers each line of its standard input with one."""

    def ask(self, line):
        # Whoever has ended does not answer either.
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        answer = self.process.stdout.readline().decode()
        if not answer.endswith("\n"):
            raise RuntimeError(f"{self.name} did not answer {line!r}{self._words()}")
        return answer[:-1]

    def _input(self):
        return subprocess.PIPE

    def _port(self):
        return None

    def _end(self):
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return super()._end()


class Yardstick(Server):
    def __init__(self, binary, database):
        super().__init__("the yardstick", [binary, database, 0])
        # It stops at once on the signal.
        self.ends_with = -signal.SIGTERM


class Reference(Server):
    """Whatever serves REST v1 on a file in the reference's layout, when `{database}` and `{port}` are filled in."""

    def __init__(self, command, database):
        self.free_port = free_port()
        words = [word.format(database=database, port=self.free_port) for word in shlex.split(command)]
        super().__init__("the reference", words, environment=dict(os.environ))

    def __exit__(self, kind, *_):
        # How it ends is no concern of ours.
        self._end()

    def _output(self):
        return self.said

    def _port(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.free_port), 1).close()
                return self.free_port
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the reference does not listen on port {self.free_port}{self._words()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MemoryWatch:
    """`with MemoryWatch(server) as watch:` knows the most anonymous memory that the server had meanwhile."""

    def __init__(self, server):
        self.server = server
        self.most = 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _watch(self):
        while True:
            self.most = max(self.most, self.server.anonymous_memory())
            if self.over.wait(0.02):
                return
