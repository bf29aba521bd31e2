"""Prints the regression tests of each case in tests/cases.tsv; fails if one of them does not exist.

    cargo test --workspace -- --list | python3 .ci/cases.py
"""
import csv
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def is_there(test, listed):
    """Returns whether a test exists: `module::name` of Rust, or a script in tests/clients, optionally with `#` and a text that it
    contains (`#` for its spaces)."""
    if "::" in test:
        return any(name == test or name.startswith(f"{test}::") for name in listed)
    path, _, text = test.partition("#")
    file = ROOT / path
    return file.is_file() and text.replace("#", " ") in file.read_text(encoding="utf-8")


def main():
    listed = {line.rsplit(": ", 1)[0] for line in sys.stdin if line.rstrip().endswith(": test")}
    with (ROOT / "tests" / "cases.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    missing = []
    for row in rows:
        tests = row["shown by"].split()
        missing += [f"case {row['case']}: {test}" for test in tests if not is_there(test, listed)]
        print(f"{row['case']:>3}  {row['what is right']}")
        for test in tests:
            print(f"     {test.replace('#', ' ')}")
    for test in missing:
        print(f"MISSING  {test}", file=sys.stderr)
    print(f"{len(rows)} cases, {len(missing)} tests missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
