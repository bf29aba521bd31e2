//! How the file is opened, and the indexes that it lacks.

use std::time::Duration;

use rusqlite::Connection;

/// A commit is on disk when it returns (`synchronous=FULL`), and readers see the last one while the next is written.
const PRAGMAS: [(&str, &str); 5] = [
    ("journal_mode", "WAL"),
    ("synchronous", "FULL"),
    ("mmap_size", "2000000000"),
    ("cache_size", "-64000"),
    ("foreign_keys", "OFF"),
];

/// One connection.
pub fn open(path: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    for (name, value) in PRAGMAS {
        connection.pragma_update(None, name, value)?;
    }
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

/// As many as Metrograph keeps of its metrics: by session, by variant, by execution context.
pub fn add_indexes(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE INDEX IF NOT EXISTS metric_by_session ON TEST_METRICS (SESSION_H);
         CREATE INDEX IF NOT EXISTS metric_by_variant ON TEST_METRICS (ITEM_VARIANT);
         CREATE INDEX IF NOT EXISTS metric_by_context ON TEST_METRICS (CONTEXT_H);",
    )
}
