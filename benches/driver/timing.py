"""Times, and what is said of them."""
import itertools
import statistics
import time
from collections import defaultdict

MOST_SAMPLES = 200
# A read that takes longer than this in all is sampled less often: the other servers' connections would be idle for too long.
FEWEST_SAMPLES = 3
SLOW_SECONDS = 3


def checked(connection, path, expected):
    answer = connection.get(path)
    problem = expected.problem(answer)
    if problem:
        raise RuntimeError(f"GET {path}: {problem}")
    return answer


def p50(bench, connection, read):
    """The median of milliseconds over the requests of a read, asked in turn. What they answer is checked, and stays."""
    right = {path: checked(connection, path, expected)[:2] for path, expected in read.asked}
    times = []
    end = time.monotonic() + bench.seconds_a_read
    for path in itertools.cycle(right):
        answer = connection.get(path)
        if answer[:2] != right[path]:
            raise RuntimeError(f"GET {path} answers something else each time")
        times.append(answer.seconds * 1000)
        now = time.monotonic()
        is_slow = len(times) >= FEWEST_SAMPLES and now > end + SLOW_SECONDS
        if is_slow or len(times) >= bench.least_samples and (now > end or len(times) >= MOST_SAMPLES):
            return statistics.median(times)


def spread(form, figures):
    """The median, and between what it lies."""
    middle = form.format(statistics.median(figures))
    if len(figures) == 1:
        return middle
    low, high = (form.format(end(figures)) for end in (min, max))
    return f"{middle} ({low} to {high})"


class Medians:
    """The p50 of many reads, by their names, over the rounds."""

    def __init__(self):
        self.rounds = defaultdict(list)
        self.paths = {}

    def add(self, name, path, milliseconds):
        self.rounds[name].append(milliseconds)
        self.paths[name] = path

    def __getitem__(self, name):
        return statistics.median(self.rounds[name])

    def __iter__(self):
        return iter(self.rounds)

    def __len__(self):
        return len(self.rounds)

    def slowest(self):
        """Names, the slowest first."""
        return sorted(self, key=self.__getitem__, reverse=True)
