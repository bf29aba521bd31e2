#!/usr/bin/env bash
# sqlx 0.9.0 (crates.io) with PostgreSQL 15: without a statement cache, every query leaves a named statement behind.
#
# Behaviour: with `PgConnectOptions::statement_cache_capacity(0)`, a query is still prepared under a name (`sqlx_s_1` and so on), as
# `persistent` is true by default. What closes statements is the cache when it is full, and there is none.
# Seen: six queries with three texts leave 3 statements in the session with the default capacity, 1 with a capacity of 1, and 6
# with a capacity of 0; with `.persistent(false)`, none.
#
# Why a good guess is wrong: if a capacity of 1 keeps one statement, 0 should keep none. The documentation of this option says
# nothing of names, and a capacity of 0 was the advice for PgBouncer in issue 67 of sqlx's repository.
#
# For a project: behind a pooler that hands sessions from client to client, without support for prepared statements, the name
# is taken by another client: "prepared statement already exists". Elsewhere, each query of a long connection costs the server
# memory. Give each query `.persistent(false)`; where a library above sqlx has no way to say so, begin each transaction with
# `DEALLOCATE ALL`, which is safe as long as the capacity is 0.
set -euo pipefail

# PostgreSQL of the path, or where Debian puts it.
programs=$(for folder in ${PATH//:/ } $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
    if [[ -x $folder/initdb && -x $folder/pg_ctl ]]; then dirname "$(readlink -f "$folder/initdb")" && break; fi
done)
if [[ -z $programs ]]; then
    echo "LEFT OUT: initdb is not there (Debian: apt-get install postgresql)" >&2
    exit 2
fi

work=$(mktemp -d)
as_owner=()
stop() {
    "${as_owner[@]}" "$programs/pg_ctl" -D "$work/cluster/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap stop EXIT
cd "$work"

# PostgreSQL refuses root.
mkdir cluster
if [[ $(id -u) == 0 ]]; then
    chmod a+x "$work"
    chown postgres cluster
    as_owner=(runuser -u postgres --)
fi
(
    cd cluster
    "${as_owner[@]}" "$programs/initdb" -U postgres -A trust -E UTF8 --no-sync -D "$work/cluster/data" >/dev/null
    "${as_owner[@]}" "$programs/pg_ctl" -D "$work/cluster/data" -l "$work/cluster/log" -w \
        -o "-c listen_addresses= -c unix_socket_directories=$work/cluster -c fsync=off" start >/dev/null
)

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["postgres", "runtime-tokio"] }
tokio = { version = "1", features = ["macros", "rt"] }

# Only the result counts here: debug information costs time and space.
[profile.dev]
debug = false
TOML
cat >src/main.rs <<'RUST'
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Error, Row};

const TEXTS: [&str; 3] = ["SELECT $1::int", "SELECT $1::int + 1", "SELECT $1::int + 2"];
/// The capacity (`None`: the default), what `persistent` is set to (`None`: left alone), and how many statements are left.
const CASES: [(Option<usize>, Option<bool>, usize); 5] =
    [(None, None, 3), (Some(1), None, 1), (Some(0), None, 6), (Some(0), Some(false), 0), (None, Some(false), 0)];

async fn connect(capacity: Option<usize>) -> Result<PgConnection, Error> {
    let socket = std::env::args().nth(1).expect("the folder of the socket");
    let options = PgConnectOptions::new_without_pgpass().socket(socket).username("postgres").database("postgres");
    match capacity {
        Some(capacity) => options.statement_cache_capacity(capacity).connect().await,
        None => options.connect().await,
    }
}

async fn ask(connection: &mut PgConnection, text: &'static str, persistent: Option<bool>) -> Result<i32, Error> {
    let query = sqlx::query(text).bind(40);
    let query = match persistent {
        Some(persistent) => query.persistent(persistent),
        None => query,
    };
    query.fetch_one(connection).await?.try_get(0)
}

/// The named statements of this session, asked for without preparing one more.
async fn names(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let rows =
        sqlx::raw_sql("SELECT name FROM pg_prepared_statements ORDER BY prepare_time").fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// What a query says where another client of a shared session has left a statement of the first name.
async fn after_another(first: &'static str, persistent: Option<bool>) -> Result<String, Error> {
    let mut connection = connect(Some(0)).await?;
    sqlx::raw_sql("PREPARE sqlx_s_1 AS SELECT 0").execute(&mut connection).await?;
    sqlx::raw_sql(first).execute(&mut connection).await?;
    let outcome = match ask(&mut connection, TEXTS[0], persistent).await {
        Ok(number) => number.to_string(),
        Err(Error::Database(error)) => error.message().to_owned(),
        Err(error) => return Err(error),
    };
    connection.close().await?;
    Ok(outcome)
}

fn noted(persistent: Option<bool>) -> String {
    persistent.map_or_else(String::new, |persistent| format!(" and persistent({persistent})"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut changed = false;
    for (capacity, persistent, expected) in CASES {
        let mut connection = connect(capacity).await?;
        for text in TEXTS.into_iter().chain(TEXTS) {
            ask(&mut connection, text, persistent).await?;
        }
        let left = names(&mut connection).await?;
        connection.close().await?;
        let capacity =
            capacity.map_or_else(|| "default capacity".to_owned(), |capacity| format!("capacity {capacity}"));
        println!("{capacity}{}: 6 queries leave {} [{}]", noted(persistent), left.len(), left.join(" "));
        changed |= left.len() != expected;
    }
    for (first, persistent, expected) in [
        ("BEGIN", None, "prepared statement \"sqlx_s_1\" already exists"),
        ("BEGIN", Some(false), "40"),
        ("BEGIN; DEALLOCATE ALL", None, "40"),
    ] {
        let seen = after_another(first, persistent).await?;
        println!("capacity 0{}, sqlx_s_1 is taken, after {first} -> {seen}", noted(persistent));
        changed |= seen != expected;
    }
    if changed {
        eprintln!("CHANGED: a capacity of 0 no longer leaves named statements behind as described");
        std::process::exit(1);
    }
    println!("As described: with a capacity of 0, each query leaves a named statement, unless it is not persistent.");
    Ok(())
}
RUST
CARGO_TARGET_DIR="$work/target" cargo run --quiet -- "$work/cluster"
