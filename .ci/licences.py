"""Do the npm packages that end up in the binary permit any use? Reads lock files. `cargo deny` asks the same of crates.

    python3 .ci/licences.py PACKAGE-LOCK…
"""
import json
import re
import sys
from pathlib import Path

PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "ISC", "MIT", "MPL-2.0", "Python-2.0", "Unicode-3.0", "Zlib",
}


def permits(expression):
    """Whether an SPDX expression leaves a choice of permissive licences only."""
    # A slash is how crates wrote OR before.
    tokens = re.findall(r"[()]|[^\s()/]+(?: +WITH +[^\s()]+)?", expression.replace("/", " OR "))

    def either():
        found = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            found = both() or found
        return found

    def both():
        found = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            found = one() and found
        return found

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token in PERMISSIVE
        found = either()
        tokens.pop(0)
        return found

    return bool(tokens) and either()


def npm_packages(lock):
    """The packages that may end up in the bundle."""
    for path, package in lock["packages"].items():
        if path and not package.get("dev"):
            yield path.rpartition("node_modules/")[2], package["version"], package.get("license")


def main(*locks):
    packages = [package for lock in locks for package in npm_packages(json.loads(Path(lock).read_text()))]
    refused = [each for each in packages if not permits(each[2] or "")]
    for name, version, licence in refused:
        print(f"{name} {version}: {licence or 'no licence named'}")
    print(f"{len(packages)} packages, {len(refused)} of them not permissive")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
