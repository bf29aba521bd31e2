"""REST v1 and GraphQL over plain HTTP."""
import json
import urllib.request

# No proxy, whatever the environment: the server is on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SECONDS = 30


def call(url, body=None, **headers):
    """Returns the JSON of a response, None without a body. Statuses of 400 and above raise."""
    request = urllib.request.Request(url, headers={"Accept": "application/json", **headers})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with OPENER.open(request, timeout=SECONDS) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def pages(server_url, path):
    """Yields the pages of a list, following `next_url`."""
    while path:
        page = call(server_url + path)
        if page is None:
            return
        yield page
        path = page.get("next_url")


def everything(server_url, path, name):
    return [element for page in pages(server_url, path) for element in page[name]]


def graphql(server_url, query, variables=None):
    answer = call(f"{server_url}/graphql", {"query": query, "variables": variables})
    if "errors" in answer:
        raise RuntimeError(f"GraphQL: {answer['errors']}")
    return answer["data"]
