#!/usr/bin/env bash
# SeaORM 2.0.4 (crates.io): the features `proxy` and `sqlx-sqlite` do not compile together.
#
# Behaviour: `proxy` adds a conversion from SQLite's rows to proxy rows, which puts `Option<Box<String>>` into a value that holds
# `Option<String>`.
# Seen: two errors E0308 in src/driver/sqlx_sqlite.rs, for TEXT and for BLOB; each feature compiles without the other.
#
# Why a good guess is wrong: features of a crate are additive, and `proxy` is documented as one more kind of connection.
#
# For a project: SeaORM's entities can't run over a driver of your own in a program that has `sqlx-sqlite`, since only `proxy` can make a
# `QueryResult` from outside. Have SeaORM build the statement (`QueryTrait::into_query`), and run it yourself.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
touch src/lib.rs
compiles() {
    cat >Cargo.toml <<TOML
[package]
name = "probe"
version = "0.0.0"
edition = "2024"

[dependencies]
sea-orm = { version = "=2.0.4", default-features = false, features = [$1] }
TOML
    CARGO_TARGET_DIR="$work/target" cargo check --quiet 2>"$work/errors"
}

compiles '"proxy"' || { cat errors >&2; echo "CHANGED: proxy does not compile by itself" >&2; exit 1; }
compiles '"runtime-tokio", "sqlx-sqlite"' || { cat errors >&2; echo "CHANGED: sqlx-sqlite does not compile by itself" >&2; exit 1; }
if compiles '"proxy", "runtime-tokio", "sqlx-sqlite"'; then
    echo "CHANGED: the two features compile together" >&2
    exit 1
fi
grep --quiet 'driver/sqlx_sqlite.rs' errors || { cat errors >&2; echo "CHANGED: another error than described" >&2; exit 1; }
echo "As described: proxy and sqlx-sqlite compile one without the other, and not together."
