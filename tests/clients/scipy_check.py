"""Checks the statistics of the crate `analysis` with SciPy, numpy, and a second implementation of the bootstrap.

    python scipy_check.py target/debug/examples/statistics

SEED in the environment repeats the cases of an earlier run.
"""
import os
import random
import subprocess
import sys

import numpy as np
from report import Report, shorten
from scipy import stats

CASES = 500
ALL_SPLITS = stats.PermutationMethod(n_resamples=np.inf)
MAX_EXACT = 20
# Of 64 bits.
MASK = (1 << 64) - 1


def sides(chance, sizes):
    """Returns the values of both sides: with a grain, so that some are equal, or without."""
    grain = chance.choice([0.01, 0.25, 1, 4, None])
    shift = chance.choice([0, 0, 0.5, 3])
    spread = chance.choice([1, 2])
    values = [[chance.gauss(10 + shift * side, spread) for _ in range(size)] for side, size in enumerate(sizes)]
    return [[round(value / grain) * grain if grain else value for value in side] for side in values]


def sizes(chance, number):
    """Most pairs are small: over all splits of 20 values, SciPy takes seconds. It splits no side of one value."""
    if number < 2:
        return [(10, 10), (15, 5)][number]
    if number < 20:
        return chance.choice([(5, 10), (7, 7), (12, 2), (6, 8)])
    if number % 3:
        return chance.randint(2, 6), chance.randint(2, 6)
    return chance.randint(1, 60), chance.randint(20, 60)


def probabilities(chance):
    count = chance.randint(1, 60)
    return [round(chance.random() ** chance.choice([1, 4]), chance.choice([2, 17])) for _ in range(count)]


class Xoshiro256PlusPlus:
    """https://prng.di.unimi.it/xoshiro256plusplus.c, seeded by https://prng.di.unimi.it/splitmix64.c"""

    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            mixed = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & MASK
            mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & MASK
            self.state.append(mixed ^ mixed >> 31)

    def next(self):
        def rotated(value, by):
            return (value << by | value >> (64 - by)) & MASK

        a, b, c, d = self.state
        result = (rotated((a + d) & MASK, 23) + a) & MASK
        c, d = c ^ a, d ^ b
        self.state = [a ^ d, b ^ c, c ^ (b << 17 & MASK), rotated(d, 45)]
        return result


def interval(before, after):
    generator = Xoshiro256PlusPlus(20)

    def resampled_median(values):
        drawn = sorted(values[generator.next() * len(values) >> 64] for _ in values)
        low, high = drawn[(len(drawn) - 1) // 2], drawn[len(drawn) // 2]
        return high - (high - low) * 0.5

    before, after = sorted(before), sorted(after)
    differences = []
    for _ in range(1000):
        median = resampled_median(before)
        differences.append(resampled_median(after) - median)
    return list(np.percentile(differences, [2.5, 97.5]))


class Judge:
    def __init__(self, program, report):
        self.program, self.report = program, report

    def ask(self, word, cases):
        lines = "".join(f"{word} {case}\n" for case in cases)
        output = subprocess.run([self.program], input=lines, text=True, check=True, stdout=subprocess.PIPE).stdout
        return [[float(number) for number in line.split()] for line in output.splitlines()]

    def compare(self, what, cases, found, expected, error=0.0):
        """Compares lists of numbers; `error` is relative."""
        assert len(cases) == len(found) == len(expected)
        for case, one, other in zip(cases, found, expected):
            if not (len(one) == len(other) and all(abs(a - b) <= error * abs(b) for a, b in zip(one, other))):
                problem = f"{shorten(case)} has {shorten(one)}, expected {shorten(other)}"
                return self.report.check(what, problem)
        self.report.check(f"{what} ({len(cases)})")

    def pairs(self, chance):
        pairs = [sides(chance, sizes(chance, number)) for number in range(CASES)]
        found = self.ask("pair", [f"{text(before)} ; {text(after)}" for before, after in pairs])
        exact, near, deltas, medians = [], [], [], []
        for (before, after), one in zip(pairs, found):
            is_exact = len(before) + len(after) <= MAX_EXACT
            method = ALL_SPLITS if is_exact else "asymptotic"
            test = stats.mannwhitneyu(before, after, use_continuity=True, method=method)
            (exact if is_exact else near).append(((before, after), one[:2], [test.statistic, test.pvalue]))
            delta = np.sign(np.subtract.outer(after, before)).sum() / (len(before) * len(after))
            deltas.append([delta])
            medians.append([np.quantile(before, 0.5), np.quantile(after, 0.5)])
        self.compare("Mann-Whitney over all splits", *zip(*exact), error=1e-12)
        self.compare("Mann-Whitney by the normal distribution", *zip(*near), error=1e-9)
        self.compare("Cliff's delta", pairs, [one[2:3] for one in found], deltas, error=1e-15)
        self.compare("medians, to the last bit", pairs, [one[3:5] for one in found], medians)
        few = [at for at, (before, after) in enumerate(pairs) if len(before) + len(after) < 16][:20]
        again = [interval(*pairs[at]) for at in few]
        self.compare("bootstrap intervals, to the last bit", few, [found[at][5:] for at in few], again)

    def percentiles(self, chance):
        def p():
            return chance.choice([0, 0.25, 0.5, 0.9, 0.95, 1, chance.random()])

        cases = [(p(), sides(chance, (chance.randint(1, 50), 0))[0]) for _ in range(CASES)]
        found = self.ask("percentile", [f"{p!r} {text(values)}" for p, values in cases])
        expected = [[np.quantile(values, p)] for p, values in cases]
        self.compare("percentiles, to the last bit", cases, found, expected)

    def adjusted(self, chance):
        cases = [probabilities(chance) for _ in range(CASES)]
        found = self.ask("adjusted", map(text, cases))
        expected = [list(stats.false_discovery_control(case)) for case in cases]
        self.compare("Benjamini-Hochberg", cases, found, expected, error=1e-14)

    def means(self, chance):
        cases = [[chance.lognormvariate(0, 0.5) for _ in range(chance.randint(1, 60))] for _ in range(CASES)]
        found = self.ask("geometric_mean", map(text, cases))
        self.compare("geometric means", cases, found, [[stats.gmean(case)] for case in cases], error=1e-14)


def text(numbers):
    return " ".join(map(repr, numbers))


def main(program):
    seed = int(os.environ.get("SEED") or random.SystemRandom().getrandbits(32))
    print(f"SEED={seed}", flush=True)
    chance, report = random.Random(seed), Report()
    judge = Judge(program, report)
    for judged in (judge.pairs, judge.percentiles, judge.adjusted, judge.means):
        judged(chance)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
