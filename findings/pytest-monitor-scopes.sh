#!/usr/bin/env bash
# pytest-monitor 1.6.6 with pytest 9.1.1: two of the four scopes in its help are never measured.
#
# Behaviour: `pytest --help` lists "function, class, module, session" for `--restrict-scope-to`. `class`, `session` and
# `class,session` are accepted without a warning, the tests pass, the session is recorded, and TEST_METRICS stays empty.
# Seen: function 3 rows, module 1, class 0, session 0, "class,session" 0, all four scopes 4 rows of the kinds function and module.
#
# Why a good guess is wrong: the values come from the help text, and the database has the columns for them (ITEM, KIND), so
# one row per class and one per session are expected. Only the fixtures for functions and modules exist. The option
# also replaces the default scope, so the result is no metrics at all rather than function metrics without the extra ones.
#
# For a project: a session without metrics isn't a broken upload, and the kinds `class` and `session` don't occur.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset PYTEST_ADDOPTS PYTEST_PLUGINS

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pytest-monitor==1.6.6 pytest==9.1.1

mkdir suite
cat >suite/test_sort.py <<'PYTHON'
class TestSort:
    def test_numbers(self):
        assert sorted([2, 1]) == [1, 2]

    def test_words(self):
        assert sorted(["b", "a"]) == ["a", "b"]


def test_empty():
    assert sorted([]) == []
PYTHON

cat >count.py <<'PYTHON'
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
sessions = db.execute("SELECT count(*) FROM TEST_SESSIONS").fetchone()[0]
kinds = [kind for (kind,) in db.execute("SELECT KIND FROM TEST_METRICS ORDER BY KIND")]
print(f"sessions={sessions} rows={len(kinds)} kinds={','.join(sorted(set(kinds))) or '-'}")
PYTHON

fail() {
  printf 'CHANGED: %s\n' "$1" >&2
  exit 1
}

# Collapse the line breaks of the help text.
help=$(venv/bin/pytest -p no:cacheprovider --help | tr -s ' \n' ' ')
[[ $help == *"Values are function, class, module, session."* ]] || fail "the help no longer lists the four scopes"

expect() {
  local scope=$1 expected=$2 seen
  venv/bin/pytest -q -W error -p no:cacheprovider --restrict-scope-to "$scope" --db "$work/$scope.db" suite >run.log 2>&1 ||
    fail "--restrict-scope-to $scope is no longer accepted: $(tail -n 1 run.log)"
  seen=$(venv/bin/python count.py "$work/$scope.db")
  printf -- '--restrict-scope-to %-30s %s\n' "$scope" "$seen"
  [[ $seen == "$expected" ]] || fail "expected $expected"
}

expect function 'sessions=1 rows=3 kinds=function'
expect module 'sessions=1 rows=1 kinds=module'
expect class 'sessions=1 rows=0 kinds=-'
expect session 'sessions=1 rows=0 kinds=-'
expect class,session 'sessions=1 rows=0 kinds=-'
expect function,class,module,session 'sessions=1 rows=4 kinds=function,module'
printf 'As described: the scopes class and session are accepted and nothing is measured.\n'
