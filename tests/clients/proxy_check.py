"""Checks a server through a proxy with plain HTTP."""
import gzip
import json
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

from report import shorten
from wire import SECONDS, call

# The value of --hosts.
PUBLIC_NAME = "public.example"
MOST = 16 * 1024 * 1024
QUERY = b'{"query": "{ metricCount }"}'
JSON = {"Content-Type": "application/json"}
HANDSHAKE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "graphql-transport-ws",
}
METRIC = {
    "session_h": "s", "context_h": "c", "item_start_time": "2026-01-05T03:00:00", "item_path": "tests.proxy", "item": "i",
    "item_variant": "v", "item_fs_loc": "tests/proxy.py", "kind": "function", "component": "a/b c", "total_time": 1.5,
    "user_time": 1, "kernel_time": 0.25, "cpu_usage": 0.75, "mem_usage": 1,
}


SESSION = {"session_h": "s", "run_date": "2026-01-05T03:00:00", "scm_ref": "r", "description": {"pipeline_branch": "p"}}


def store_some(proxy):
    """Checks of pages."""
    call(f"{proxy.url}/api/v1/sessions/", SESSION)
    for number in range(3):
        call(f"{proxy.url}/api/v1/metrics/", {**METRIC, "item_variant": f"v{number}"})


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode(errors="replace")


def send(proxy, method, path, body=None, headers=()):
    """Sends one request below the prefix, with its address and headers unchanged."""
    url = urlsplit(proxy.url)
    connection = HTTPConnection(url.hostname, url.port, timeout=SECONDS)
    try:
        connection.request(method, url.path + path, body, dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def check_http(report, name, proxy):
    """Checks that every proxy must pass."""

    def called(what):
        return f"{name}: {what}"

    padding = b" " * (MOST - len(QUERY))
    answer = send(proxy, "POST", "/graphql", QUERY + padding, JSON)
    report.equal(called("a body of 16 MiB"), (answer.status, "metricCount" in answer.text), (200, True))

    described = "/api/v1/swagger.json"
    plain, packed = send(proxy, "GET", described), send(proxy, "GET", described, None, {"Accept-Encoding": "gzip"})
    report.equal(called("compressed by one of the two"), packed.headers["Content-Encoding"], "gzip")
    report.check(called("compressed once"), None if gzip.decompress(packed.body) == plain.body else "it is another text")

    def counts():
        return [call(f"{proxy.url}{path}") for path in ("/api/v1/metrics/count", "/graphql?query=%7BmetricCount%7D")]

    before = counts()
    call(f"{proxy.url}/api/v1/metrics/", METRIC)
    old = [one for one, other in zip(before, counts()) if one == other]
    report.check(called("nothing old is shown"), shorten(old) if old else None)

    # As the library sends it, which encodes nothing, and as it should be sent.
    for component in ("a/b%20c", "a%2Fb%20c"):
        answer = send(proxy, "GET", f"/api/v1/components/{component}/metrics")
        found = {metric["component"] for metric in json.loads(answer.body)["metrics"]} if answer.status == 200 else answer.text
        report.equal(called(f"a name with a slash, as {component}"), found, {METRIC["component"]})

    answer = send(proxy, "POST", "/graphql", QUERY, {**JSON, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    report.equal(called("a page of another site may not ask"), (answer.status, "FORBIDDEN" in answer.text), (403, True))


def from_our_page(proxy, **more):
    url = urlsplit(proxy.url)
    return send(proxy, "POST", "/graphql", QUERY, {**JSON, "Origin": f"{url.scheme}://{url.netloc}", **more})


def check_documented(report, name, proxy):
    """Checks of a proxy with a documented configuration."""

    def called(what):
        return f"{name}: {what}"

    answer = send(proxy, "GET", "")
    moved = (answer.status, (answer.headers["Location"] or "").endswith("/metrograph/"))
    report.equal(called("the prefix without a slash leads on"), moved, (301, True))
    answer = from_our_page(proxy)
    report.equal(called("our own page is recognised by Host"), answer.status, 200)

    for host, expected in ((PUBLIC_NAME, (200, False)), ("evil.example", (403, True))):
        answer = send(proxy, "GET", "/api/v1/metrics/count", None, {"Host": f"{host}:{urlsplit(proxy.url).port}"})
        report.equal(called(f"the name {host} is passed on"), (answer.status, "--hosts" in answer.text), expected)

    asked = "/graphql?query=" + quote("{ metricCount contextCount: contexts { totalCount } }")
    tag = send(proxy, "GET", asked, None, {"Accept-Encoding": "gzip"}).headers["ETag"]
    again = send(proxy, "GET", asked, None, {"Accept-Encoding": "gzip", "If-None-Match": tag or ""})
    report.equal(called("an ETag is recognised"), (again.status, again.body), (304, b""))


def check_undocumented(report, name, proxy):
    """Checks the errors through a proxy that changes Host and removes Upgrade."""

    def called(what):
        return f"{name}: {what}"

    answer = from_our_page(proxy, **{"Sec-Fetch-Site": "same-origin"})
    report.equal(called("our own page is recognised by fetch metadata"), answer.status, 200)
    answer = from_our_page(proxy)
    refused = answer.status == 403 and "forward Host unchanged" in answer.text
    report.check(called("a browser without fetch metadata gets an error about Host"), None if refused else f"{answer.status} {answer.text}")
    for path in ("/graphql", "/graphql/ws"):
        answer = send(proxy, "GET", path, None, HANDSHAKE)
        refused = answer.status == 426 and "Upgrade" in answer.text
        report.check(called(f"a handshake without Upgrade, {path}"), None if refused else f"{answer.status} {answer.text}")
