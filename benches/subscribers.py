"""Measures what subscribers cost: memory of a thousand sockets, and the rate of concurrent POST requests.

    python3 benches/subscribers.py target/dist/metrograph [--sockets 1000] [--seconds 4]

Needs wrk, and two files a socket: the limit is raised as far as the system lets it.
"""
import argparse
import json
import resource
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "clients")]

from driver import wrk  # noqa: E402
from driver.servers import Metrograph  # noqa: E402

EVERYTHING = "subscription { metricRecorded { itemName totalTime } }"
ONE_FILTER = 'subscription { metricRecorded(where: {component: {eq: "nobody"}}) { itemName totalTime } }'
OWN_FILTER = 'subscription { metricRecorded(where: {session: {eq: "%d"}}) { itemName totalTime } }'
KINDS = (
    ("idle, one filter", lambda _: ONE_FILTER),
    ("idle, a filter of their own", lambda number: OWN_FILTER % number),
    ("of everything, who read nothing", lambda _: EVERYTHING),
)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("metrograph", type=Path)
    arguments.add_argument("--sockets", type=int, default=1000)
    arguments.add_argument("--seconds", type=int, default=4)
    given = arguments.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    print("| subscribers | MB before | MB with them | kB each | MB after POSTs | POST/s without | POST/s with | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, query in KINDS:
        with tempfile.TemporaryDirectory(prefix="metrograph-subscribers-") as folder:
            with Metrograph(given.metrograph.resolve(), Path(folder) / "metrograph.db") as server:
                posts = lambda: wrk.run(given.seconds, server.port, 32, "post.lua", "/api/v1/metrics/").rate
                posts()
                without = posts()
                with ExitStack() as sockets:
                    before = server.anonymous_memory()
                    for number in range(given.sockets):
                        sockets.enter_context(subscriber(server.port, query(number)))
                    time.sleep(2)
                    there = server.anonymous_memory()
                    concurrent = posts()
                    after = server.anonymous_memory()
                without = (without + posts()) / 2
        each = (there - before) * 1000 / given.sockets
        print(
            f"| {given.sockets} {kind} | {before:.0f} | {there:.0f} | {each:.1f} | {after:.0f} | {without:.0f} | {concurrent:.0f} "
            f"| {concurrent / without:.2f} |",
            flush=True,
        )


def subscriber(port, query):
    """A socket that subscribed."""
    stream = socket.create_connection(("127.0.0.1", port))
    stream.sendall(
        b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    expect(stream, b"101 Switching Protocols", b"\r\n\r\n")
    say(stream, {"type": "connection_init"})
    expect(stream, b"connection_ack", b"}")
    say(stream, {"id": "1", "type": "subscribe", "payload": {"query": query}})
    return stream


def say(stream, message):
    """One masked frame; a mask of zeros leaves the text as it is."""
    text = json.dumps(message).encode()
    length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    stream.sendall(b"\x81" + length + bytes(4) + text)


def expect(stream, words, end):
    heard = b""
    while end not in heard:
        part = stream.recv(4096)
        if not part:
            raise RuntimeError(f"the server closed after {heard!r}")
        heard += part
    if words not in heard:
        raise RuntimeError(f"not {words!r}: {heard!r}")


if __name__ == "__main__":
    main()
