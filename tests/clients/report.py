"""Counts checks and prints a line for each."""
from collections import Counter

SHOWN = 400


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, what, problem=None):
        """A check that passes if there is no problem."""
        if problem:
            self.failed += 1
            print(f"FAIL  {what}: {problem}", flush=True)
        else:
            self.passed += 1
            print(f"ok    {what}", flush=True)

    def equal(self, what, got, expected):
        problem = None
        if got != expected:
            got, expected = differing(got, expected)
            problem = f"got {shorten(got)}, expected {shorten(expected)}"
        self.check(what, problem)

    def same_list(self, what, got, expected):
        """Compares element by element; the message has the first difference."""
        what = f"{what} ({len(expected)})"
        for position, (one, other) in enumerate(zip(got, expected)):
            if one != other:
                one, other = differing(one, other)
                return self.check(what, f"element {position} has {shorten(one)}, expected {shorten(other)}")
        self.equal(what, len(got), len(expected))

    def same_in_any_order(self, what, got, expected):
        """Compares without order; the elements are tuples or other hashable values."""
        missing, extra = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
        problems = [
            f"{sum(bag.values())} {kind}, such as {shorten(next(iter(bag)))}"
            for kind, bag in (("missing", missing), ("unexpected", extra))
            if bag
        ]
        self.check(f"{what} ({len(expected)})", "; ".join(problems))

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed

    def count_lines(self, lines):
        """Counts the checks that another process printed."""
        self.passed += sum(line.startswith("ok ") for line in lines)
        self.failed += sum(line.startswith("FAIL ") for line in lines)


def differing(one, other):
    """Returns only the members of two objects that differ, at any depth."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one, other
    pairs = {
        key: differing(one.get(key), other.get(key))
        for key in {**one, **other}
        if key not in one or key not in other or one[key] != other[key]
    }
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}


def shorten(value):
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
