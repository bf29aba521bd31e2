"""A history of metrics, and what Python finds out of it: the model that aggregates are compared with."""
import math
import random
import statistics
from datetime import datetime, timedelta

import numpy

RESOURCES = {
    "TOTAL_TIME": "totalTime", "USER_TIME": "userTime", "KERNEL_TIME": "kernelTime", "CPU": "cpuUsage", "MEMORY": "memoryUsage",
}
PERCENTILES = {"firstQuartile": 25, "median": 50, "thirdQuartile": 75, "p90": 90, "p95": 95, "p99": 99}
# The head is sealed once it has two segments: half of these are sealed.
METRICS = 65_600
EPOCH = datetime(1970, 1, 1)
# With more values, numpy's long doubles are as good, and Python's fractions slow.
FEW = 300


class History:
    def __init__(self, seed):
        chance = random.Random(seed)
        self.sessions = [self._session(chance, number) for number in range(60)]
        self.contexts = [f"context-{number}" for number in range(7)]
        variants = [self._variant(chance, number) for number in range(260)]
        self.metrics = []
        for number in range(METRICS):
            session = min(number * len(self.sessions) // METRICS, len(self.sessions) - 1)
            start = datetime(2026, 1, 1) + timedelta(hours=37 * session, microseconds=chance.randrange(40_000_000_000))
            if chance.random() < 0.0002:
                start = chance.choice([datetime(1970, 1, 1, 0, 0, 1), datetime(2106, 2, 7, 6, 28, 15)])
            variant = variants[number] if number < len(variants) else chance.choice(variants)
            # A context of the session's, which is not announced for the last ones.
            context = self.contexts[session % len(self.contexts)]
            total = chance.choice([chance.randrange(1, 90_000_000) * 2.0**-22, 0.1 * chance.randrange(1000), chance.expovariate(1)])
            user, kernel = (self._processor_time(chance) for _ in range(2))
            self.metrics.append({
                "sessionHash": self.sessions[session]["hash"], "contextHash": context, "startedAt": iso(start), **variant,
                "totalTime": total, "userTime": user, "kernelTime": kernel, "cpuUsage": (user + kernel) / (total or 1.0),
                "memoryUsage": chance.choice([0.0, chance.randrange(-50_000, 900_000) / 256, chance.uniform(-1e6, 1e6)]),
                "passed": chance.choice([None, True, False, True]),
            })

    @staticmethod
    def _processor_time(chance):
        """A difference of counters of 10 ms, as doubles hold them."""
        since = chance.randrange(2000)
        return (since + chance.choice([0, 0, 1, 1, 2, 37])) / 100 - since / 100

    @staticmethod
    def _session(chance, number):
        tags = {}
        if number % 5:
            tags = {"pipeline_branch": f"pipeline-{chance.randrange(3)}", "python": chance.choice(["3.9", "3.10", "3.12"])}
        if number % 3 == 1:
            tags["pipeline_build_no"] = str(number)
        if number % 4 == 2:
            tags["numpy"] = chance.choice(["2.0", "2.1", ""])
        is_announced = number % 10 != 9
        scm_ref = chance.choice(["a", "b", "ç"]) if number % 7 else None
        return {"hash": f"session-{number}", "tags": tags, "scmRef": scm_ref, "isAnnounced": is_announced}

    @staticmethod
    def _variant(chance, number):
        component = chance.choice(["", "core", "net", "ui"])
        item = number // 3
        return {
            "componentName": component if number % 3 == 0 else "core", "itemPath": f"pkg.mod{item % 7}", "itemName": f"test_{item}",
            "variantName": f"test_{item}[{number % 3}]", "location": f"pkg/mod{item % 7}.py",
            "kind": "module" if number % 11 == 0 else "function",
        }


def iso(time):
    return time.isoformat()


class Dimension:
    """What each metric has in one dimension: an index into `things`, which are in order of arrival; None is the last one."""

    def __init__(self, values, is_text, name=lambda thing: thing, arrival=()):
        self.things = [thing for thing in dict.fromkeys([*arrival, *values]) if thing is not None]
        if is_text:
            self.things.sort()
        index = {thing: number for number, thing in enumerate(self.things)}
        index[None] = len(self.things)
        self.things.append(None)
        self.codes = numpy.array([index[value] for value in values])
        by_name = sorted(range(len(self.things)), key=lambda number: (self.things[number] is None, *self._name(name, number)))
        self.places = numpy.empty(len(self.things), dtype=int)
        self.places[by_name] = range(len(self.things))

    def _name(self, name, number):
        thing = self.things[number]
        return () if thing is None else (name(thing) if name else "", number)


class Model:
    def __init__(self, history):
        self.values = {name: numpy.array([metric[field] for metric in history.metrics]) for name, field in RESOURCES.items()}
        self.starts = [datetime.fromisoformat(metric["startedAt"]) for metric in history.metrics]
        self.micros = numpy.array([(start - EPOCH) // timedelta(microseconds=1) for start in self.starts])
        self.history = history
        sessions = {session["hash"]: session if session["isAnnounced"] else {"tags": {}, "scmRef": None} for session in history.sessions}
        self.columns = {
            "component": [metric["componentName"] for metric in history.metrics],
            "passed": [metric["passed"] for metric in history.metrics],
            "pipeline": [sessions[metric["sessionHash"]]["tags"].get("pipeline_branch") for metric in history.metrics],
            "scmRef": [sessions[metric["sessionHash"]]["scmRef"] for metric in history.metrics],
        }
        self._sessions, self._dimensions = sessions, {}

    def dimension(self, by):
        key = repr(by)
        if key not in self._dimensions:
            self._dimensions[key] = self._new_dimension(*next(iter(by.items())))
        return self._dimensions[key]

    def _new_dimension(self, kind, of):
        metrics, sessions = self.history.metrics, self._sessions
        of_session = lambda value: [value(sessions[metric["sessionHash"]]) for metric in metrics]
        if kind == "tag":
            return Dimension(of_session(lambda session: session["tags"].get(of)), True)
        if kind == "time":
            return Dimension([iso(bucket(of, start)) for start in self.starts], True)
        if of == "COMPONENT":
            return Dimension(self.columns["component"], False)
        if of == "ITEM":
            items = [(metric["componentName"], metric["itemPath"], metric["itemName"]) for metric in metrics]
            return Dimension(items, False, lambda item: f"{item[1]}.{item[2]}")
        if of == "VARIANT":
            variants = [(metric["location"], metric["variantName"]) for metric in metrics]
            return Dimension(variants, False, "::".join)
        if of == "KIND":
            return Dimension([metric["kind"] for metric in metrics], True)
        if of == "SESSION":
            arrival = [hash for hash, session in sessions.items() if "hash" in session]
            return Dimension([metric["sessionHash"] for metric in metrics], False, None, arrival)
        if of == "PIPELINE":
            return Dimension(self.columns["pipeline"], False, arrival=self._arrival(lambda tags: tags.get("pipeline_branch")))
        if of == "BUILD":
            build = lambda tags: (tags["pipeline_branch"], tags["pipeline_build_no"]) if {"pipeline_branch", "pipeline_build_no"} <= tags.keys() else None
            return Dimension(of_session(lambda session: build(session["tags"])), False, None, self._arrival(build))
        if of == "SCM_REF":
            return Dimension(self.columns["scmRef"], True)
        if of == "CONTEXT":
            return Dimension([metric["contextHash"] for metric in metrics], False, None, self.history.contexts[:-1])
        if of == "MACHINE":
            machine = {context: f"machine-{number % 3}" for number, context in enumerate(self.history.contexts[:-1])}
            return Dimension([machine.get(metric["contextHash"]) for metric in metrics], True)
        return Dimension([{None: None, True: "PASSED", False: "FAILED"}[passed] for passed in self.columns["passed"]], True)

    def _arrival(self, value):
        return [value(session["tags"]) for session in self._sessions.values()]

    def select(self, where):
        """Returns the indexes of the metrics that match."""
        chosen = numpy.ones(METRICS, dtype=bool)
        if "component" in where:
            chosen &= numpy.array([component == where["component"]["eq"] for component in self.columns["component"]])
        if "pipeline" in where:
            chosen &= numpy.array([pipeline in where["pipeline"]["in"] for pipeline in self.columns["pipeline"]])
        if "passed" in where:
            chosen &= numpy.array([passed is where["passed"] for passed in self.columns["passed"]])
        if "totalTime" in where:
            chosen &= self.values["TOTAL_TIME"] >= where["totalTime"]["gte"]
        if "startedAt" in where:
            chosen &= self.micros < (datetime.fromisoformat(where["startedAt"]["lt"]) - EPOCH) // timedelta(microseconds=1)
        return numpy.flatnonzero(chosen)


def bucket(of, start):
    hour = start.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    return {"HOUR": hour, "DAY": day, "WEEK": day - timedelta(days=day.weekday()), "MONTH": day.replace(day=1)}[of]


def deviation(values):
    """The sample standard deviation, and how exact it is."""
    if len(values) < 2:
        return None, 0.0
    if len(values) <= FEW:
        return statistics.stdev(values.tolist()), 5e-16
    values = values.astype(numpy.longdouble)
    differences = values - values.mean()
    return float(numpy.sqrt((differences**2).sum() / (len(values) - 1))), 1e-14


def statistic(name, values, p=None):
    """A statistic of values, of which there is at least one."""
    if name == "sum":
        return math.fsum(values)
    if name == "mean":
        return math.fsum(values) / len(values)
    if name in ("min", "max"):
        return float(getattr(values, name)())
    if name in PERCENTILES:
        return float(numpy.percentile(values, PERCENTILES[name]))
    return float(numpy.quantile(values, p))
