"""Checks a running Metrograph with Python's GraphQL clients: gql with each of its transports and its program, and sgqlc.

    python graphql_check.py http://127.0.0.1:PORT
"""
import asyncio
import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport
from report import Report
from sgqlc.endpoint.http import HTTPEndpoint
from sgqlc.endpoint.websocket import WebSocketEndpoint

SECONDS = 20
OLD = WebsocketsTransport.APOLLO_SUBPROTOCOL
NEW = WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL
COUNT = "{ metricCount }"
HEARD = 'subscription { metricRecorded(where: {item: {startsWith: "%s"}}) { itemName } }'


def main(address):
    http, socket = f"{address}/graphql", f"{address.replace('http', 'ws', 1)}/graphql"
    report = Report()

    def check(what, use):
        try:
            use()
            report.check(what)
        except Exception as error:
            report.check(what, f"{type(error).__name__}: {error}")

    check("gql asks over aiohttp", lambda: asyncio.run(asks(AIOHTTPTransport(url=http))))
    check("gql asks over requests, with the schema fetched", lambda: asks_with_schema(http))
    check("gql sends 20 requests in a batch", lambda: sends_batch(http))
    check("gql batches what comes together", lambda: batches(http))
    for name, transport, offers, spoken in (
        ("WebsocketsTransport", WebsocketsTransport, None, NEW),
        ("WebsocketsTransport, the old protocol alone", WebsocketsTransport, [OLD], OLD),
        ("AIOHTTPWebsocketsTransport", AIOHTTPWebsocketsTransport, None, NEW),
    ):

        def hears(transport=transport, offers=offers, spoken=spoken):
            asyncio.run(asyncio.wait_for(subscribes(address, transport(url=socket, subprotocols=offers), spoken), SECONDS))

        check(f"gql subscribes: {name}", hears)
    check("gql-cli asks over http://", lambda: program(http))
    check("gql-cli asks over ws://", lambda: program(socket))
    check("sgqlc asks", lambda: equal(HTTPEndpoint(http)(COUNT).keys() & {"data", "errors"}, {"data"}))
    check("sgqlc subscribes", lambda: sgqlc_subscribes(address, socket))
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got}, expected {expected}")


def record(address, item):
    metric = {
        "session_h": "python", "context_h": "c", "item_start_time": "2026-01-05T03:00:00", "item_path": "tests.python",
        "item": item, "item_variant": item, "item_fs_loc": "tests/python.py", "kind": "function", "component": "core",
        "total_time": 1.5, "user_time": 1, "kernel_time": 0.25, "cpu_usage": 0.75, "mem_usage": 1,
    }
    body, headers = json.dumps(metric).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/api/v1/metrics/", body, headers)) as reply:
        equal(reply.status, 201)


class Recording:
    """`with Recording(address, item):` records until it is left, since subscriptions are not acknowledged."""

    def __init__(self, address, item):
        self.left = threading.Event()
        self.thread = threading.Thread(target=self._record, args=(address, item))

    def _record(self, address, item):
        number = 0
        while not self.left.wait(0.1):
            record(address, f"{item}{number}")
            number += 1

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.left.set()
        self.thread.join()


async def asks(transport):
    async with Client(transport=transport) as session:
        equal(type((await session.execute(gql(COUNT)))["metricCount"]), int)
        try:
            await session.execute(gql("{ nothing }"))
        except TransportQueryError as error:
            return equal(error.errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED")
        raise AssertionError("it ran")


def asks_with_schema(http):
    client = Client(transport=RequestsHTTPTransport(url=http), fetch_schema_from_transport=True)
    query = gql("query ($n: Int!) { metrics(last: $n) { nodes { id session { tags { name value } } } } }")
    query.variable_values = {"n": 1}
    equal(set(client.execute(query)), {"metrics"})


def sends_batch(http):
    client = Client(transport=RequestsHTTPTransport(url=http))
    answers = client.execute_batch([GraphQLRequest(f"{{ a{number}: metricCount }}") for number in range(20)])
    equal([set(answer) for answer in answers], [{f"a{number}"} for number in range(20)])


def batches(http):
    """With the default of ten at a time."""
    client = Client(transport=RequestsHTTPTransport(url=http), batch_interval=0.05)
    with client as session:
        waiting = [session._execute_future(GraphQLRequest(f"{{ a{number}: metricCount }}")) for number in range(25)]
        answers = [future.result(SECONDS) for future in waiting]
    equal([set(answer.data) for answer in answers], [{f"a{number}"} for number in range(25)])


async def subscribes(address, transport, spoken):
    item = f"{type(transport).__name__}-{spoken}-{time.time()}-"
    async with Client(transport=transport) as session:
        equal(transport.subprotocol, spoken)
        equal(type((await session.execute(gql(COUNT)))["metricCount"]), int)
        heard = []
        with Recording(address, item):
            async for answer in session.subscribe(gql(HEARD % item)):
                heard.append(answer["metricRecorded"]["itemName"].startswith(item))
                if len(heard) == 3:
                    break
        equal(heard, [True, True, True])
        try:
            async for _ in session.subscribe(gql("subscription { nothing }")):
                raise AssertionError("it ran")
        except TransportQueryError as error:
            equal(error.errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED")


def program(url):
    command = [Path(sys.executable).with_name("gql-cli"), url]
    done = subprocess.run(command, input=COUNT, capture_output=True, text=True, timeout=SECONDS)
    equal((done.returncode, done.stderr), (0, ""))
    equal(list(json.loads(done.stdout)), ["metricCount"])


def sgqlc_subscribes(address, socket):
    item = f"sgqlc-{time.time()}-"
    endpoint = WebSocketEndpoint(socket, ws_options={"timeout": SECONDS})
    heard = []
    with Recording(address, item):
        for answer in endpoint(HEARD % item):
            heard.append(answer["data"]["metricRecorded"]["itemName"].startswith(item))
            if len(heard) == 3:
                break
    equal(heard, [True, True, True])
    equal([set(answer["data"]) for answer in endpoint(COUNT)], [{"metricCount"}])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
