"""Who is measured side by side: how each is started on the main history, and how it is asked for the same things."""
from driver.endpoints import PAGE_SIZE
from driver.loading import METRIC, read_only
from driver.servers import Reference, Yardstick
from driver.wire import Connection

FIELDS = " ".join(METRIC)
PAGE = f"query ($page: Int!) {{ metricPage(page: $page) {{ items {{ {FIELDS} }} totalPages }} }}"
SESSION = f"query ($hash: String!) {{ session(hash: $hash) {{ metrics(first: 500) {{ nodes {{ {FIELDS} }} }} }} }}"


def get(path):
    return "GET", path, None


def graphql(query, **variables):
    return "POST", "/graphql", {"query": query, "variables": variables}


class OfMetrograph:
    post_path = "/api/v1/metrics/"
    # What is asked for a page by its number, and for a session by its hash.
    asks = {
        "pages": lambda number: get(f"/api/v1/metrics/?page={number}"),
        "session": lambda hash: get(f"/api/v1/sessions/{hash}/metrics"),
        "graphql-pages": lambda number: graphql(PAGE, page=number),
        "graphql-session": lambda hash: graphql(SESSION, hash=hash),
    }

    def __init__(self, bench, program):
        self.bench, self.program, self.name = bench, program, program.name

    def database(self):
        return self.bench.main.database(self.program)

    def server(self, database):
        return self.program.serve(database)

    def stored(self, server, _database):
        """How many metrics are on disk."""
        with Connection(server.port) as connection:
            return connection.get("/api/v1/metrics/count").json()["count"]


class OfYardstick:
    name = "yardstick"
    post_path = "/metrics/"
    asks = {
        "pages": lambda number: get(f"/metrics?after={(number - 1) * PAGE_SIZE}"),
        "session": lambda hash: get(f"/sessions/{hash}/metrics"),
    }

    def __init__(self, bench):
        self.bench = bench

    def database(self):
        return self.bench.main.yardstick()

    def server(self, database):
        return Yardstick(self.bench.yardstick, database)

    def stored(self, _server, database):
        with read_only(database) as file:
            return file.execute("SELECT max(ITEM_PK) FROM TEST_METRICS").fetchone()[0]


class OfReference(OfMetrograph):
    name = "reference"
    asks = {row: OfMetrograph.asks[row] for row in ("pages", "session")}

    def __init__(self, bench):
        self.bench = bench

    def database(self):
        return self.bench.main.generated()

    def server(self, database):
        return Reference(self.bench.reference, database)
