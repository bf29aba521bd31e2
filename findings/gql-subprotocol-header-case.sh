#!/usr/bin/env bash
# gql 4.4.0 (PyPI) with websockets 17.4: WebsocketsTransport chooses its subprotocol by the exact spelling of a header name.
#
# Behaviour: after the handshake, the transport looks up "Sec-WebSocket-Protocol" in a plain dict of the response's headers, where
# the case of a name matters. If the server writes `sec-websocket-protocol: graphql-transport-ws`, the lookup finds
# nothing and the transport speaks the older protocol `graphql-ws`: it sends `start` where the server expects `subscribe`.
# Seen: Sec-WebSocket-Protocol -> subscribe; sec-websocket-protocol and Sec-Websocket-Protocol -> start, closed with 4400.
#
# Why a good guess is wrong: header names are case-insensitive (RFC 9110, section 5.1), and the library underneath has read the
# header correctly: its connection reports the subprotocol graphql-transport-ws in all three cases. The other transport of the
# same package, AIOHTTPWebsocketsTransport (with aiohttp 3.14.5), sends `subscribe` in all of them.
#
# For a project: hyper writes header names in lower case, and with `title_case_headers` writes `Sec-Websocket-Protocol`, which isn't
# found either. Clients need `subprotocols=["graphql-transport-ws"]`, which is then also what the transport assumes.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gql==4.4.0 websockets==17.4 aiohttp==3.14.5

cat >probe.py <<'PYTHON'
import asyncio
import base64
import hashlib
import json
import sys

from gql import Client, gql
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.websockets import WebsocketsTransport

MODERN = "graphql-transport-ws"


async def read_frame(reader):
    """Returns the opcode and the unmasked payload; a client's frames here are short and not fragmented."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(length)
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def write_frame(writer, opcode, payload):
    assert len(payload) < 126
    writer.write(bytes([0x80 | opcode, len(payload)]) + payload)


def server(header, received):
    """A server of graphql-transport-ws alone, with the name of the header spelled as given."""

    async def serve(reader, writer):
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
        key = {name.lower(): value for name, value in fields.items()}["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n{header}: {MODERN}\r\n\r\n".encode()
        )
        try:
            while True:
                opcode, payload = await read_frame(reader)
                if opcode == 8:
                    write_frame(writer, 8, payload)
                    break
                if opcode != 1:
                    continue
                message = json.loads(payload)
                received.append(message["type"])
                if message["type"] == "connection_init":
                    answers = [{"type": "connection_ack"}]
                elif message["type"] == "subscribe":
                    answers = [
                        {"id": message["id"], "type": "next", "payload": {"data": {"hello": "world"}}},
                        {"id": message["id"], "type": "complete"},
                    ]
                elif message["type"] == "complete":
                    answers = []
                else:
                    write_frame(writer, 8, (4400).to_bytes(2, "big") + b"Unexpected message")
                    break
                for answer in answers:
                    write_frame(writer, 1, json.dumps(answer).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return serve


def negotiated(transport):
    socket = transport.adapter.websocket
    return socket.subprotocol if isinstance(transport, WebsocketsTransport) else socket.protocol


async def probe(kind, header, **options):
    received = []
    listener = await asyncio.start_server(server(header, received), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    transport = kind(url=f"ws://127.0.0.1:{port}/", **options)
    below = None
    try:
        async with Client(transport=transport) as session:
            below = negotiated(transport)
            outcome = (await asyncio.wait_for(session.execute(gql("{ hello }")), 10))["hello"]
    except Exception as error:
        outcome = type(error).__name__
    listener.close()
    sent = next((message for message in received if message != "connection_init"), None)
    return below, sent, outcome


async def main():
    changed = False
    for kind, other_spelling in ((WebsocketsTransport, "start"), (AIOHTTPWebsocketsTransport, "subscribe")):
        print(kind.__name__)
        for header, options, expected in (
            ("Sec-WebSocket-Protocol", {}, "subscribe"),
            ("sec-websocket-protocol", {}, other_spelling),
            ("Sec-Websocket-Protocol", {}, other_spelling),
            ("sec-websocket-protocol", {"subprotocols": [MODERN]}, "subscribe"),
        ):
            below, sent, outcome = await probe(kind, header, **options)
            note = " (subprotocols given)" if options else ""
            print(f"  {header}: {MODERN}{note} -> negotiated {below}, sent {sent!r}, outcome {outcome}")
            changed |= (below, sent, outcome == "world") != (MODERN, expected, expected == "subscribe")
    if changed:
        sys.exit("CHANGED: the subprotocol no longer depends on the spelling of the header's name as described")
    print("As described: WebsocketsTransport speaks the older protocol unless the name is spelled Sec-WebSocket-Protocol.")


asyncio.run(main())
PYTHON
venv/bin/python probe.py
