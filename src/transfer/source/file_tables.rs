//! The tables of the plugin or of monitor-server in a file of SQLite.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};

use super::{
    reading::{Sender, SourceError},
    tables::{
        CONTEXTS, Cell, Holds, METRICS, OF_CONTEXTS, OF_METRICS, OF_RUNS, OF_SESSIONS, SESSIONS, Wanted, context,
        expressions, has, metric, quoted, run, session,
    },
};
use crate::transfer::record::{Part, Parts, Record};

/// How a file of SQLite begins.
const START: &[u8] = b"SQLite format 3\0";
/// How long reading waits for a lock: a test run may be writing.
const LOCK_TIMEOUT_MILLIS: u32 = 10_000;

/// Whether a file that begins so is a database of SQLite.
pub(super) fn is_database(start: &[u8]) -> bool {
    start.starts_with(START)
}

/// Whether the file has the tables.
///
/// # Errors
/// It can't be read.
pub(super) fn are_there(path: &Path, name: &str) -> Result<bool, SourceError> {
    let columns = open(path).and_then(|connection| columns(&connection, METRICS));
    columns.map(|columns| !columns.is_empty()).map_err(|error| unreadable(name, &error))
}

/// Returns the greatest key of its metrics.
pub(super) fn length(path: &Path) -> Option<u64> {
    let greatest = format!("SELECT MAX(rowid) FROM {}", quoted(METRICS));
    let greatest: Option<i64> = open(path).ok()?.query_row(&greatest, [], |row| row.get(0)).ok()?;
    greatest.and_then(|greatest| u64::try_from(greatest).ok())
}

/// Reads all of it, as far as `sender` takes it.
pub(super) fn read(path: &Path, name: &str, sender: &Sender) {
    let read = open(path).and_then(|connection| read_from(&connection, sender));
    if let Err(error) = read {
        // Without a receiver, nobody wants to know.
        let _ = sender.blocking_send(Err(unreadable(name, &error)));
    }
}

fn unreadable(name: &str, error: &rusqlite::Error) -> SourceError {
    SourceError::Unreadable(name.to_owned(), format!("it can't be read: {error}"))
}

fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let look = |connection: Connection| {
        connection.execute_batch(&format!("PRAGMA busy_timeout = {LOCK_TIMEOUT_MILLIS}; PRAGMA query_only = ON"))?;
        connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |_| Ok(()))?;
        Ok(connection)
    };
    match Connection::open_with_flags(path, flags).and_then(look) {
        // A log can't be created next to it.
        Err(rusqlite::Error::SqliteFailure(error, _))
            if matches!(error.code, rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly) =>
        {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
            let encode = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let path: String = path.as_os_str().as_encoded_bytes().iter().map(encode).collect();
            let uri = format!("file://{path}?immutable=1");
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI).and_then(look)
        }
        opened => opened,
    }
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// A table in this file: what is read, from where, and in which order.
struct Query<'a, const N: usize> {
    table: &'static str,
    columns: &'a [String],
    wanted: [Wanted; N],
    rest: &'static str,
}

impl<const N: usize> Query<'_, N> {
    /// Reads all rows with `read`. Returns whether they are still wanted.
    fn read(
        &self,
        connection: &Connection,
        take: &mut Taker<'_>,
        read: impl Fn(&[Cell<'_>; N]) -> Result<Record, String>,
    ) -> Result<bool, rusqlite::Error> {
        if self.columns.is_empty() {
            return Ok(true);
        }
        let expressions = expressions(self.columns, &self.wanted, |expression, _: Holds| expression.to_owned());
        let select = format!("SELECT {}, MIN(rowid) FROM {} {}", expressions.join(", "), quoted(self.table), self.rest);
        let select = if self.rest.contains("GROUP BY") { select } else { select.replace(", MIN(rowid)", ", rowid") };
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut cells = [const { Cell::Null }; N];
            for (place, cell) in cells.iter_mut().enumerate() {
                *cell = cell_of(row, place)?;
            }
            let key: i64 = row.get(N)?;
            if !take.row(self.table, key, read(&cells)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn cell_of<'r>(row: &'r Row<'_>, place: usize) -> Result<Cell<'r>, rusqlite::Error> {
    Ok(match row.get_ref(place)? {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => str::from_utf8(text).map_or(Cell::Other, |text| Cell::Text(text.into())),
        ValueRef::Blob(_) => Cell::Other,
    })
}

/// Passes records on in parts.
struct Taker<'a> {
    parts: Parts,
    sender: &'a Sender,
}

impl Taker<'_> {
    /// Takes a row. Returns whether more are wanted.
    fn row(&mut self, table: &str, key: i64, record: Result<Record, String>) -> bool {
        let is_metric = table == METRICS;
        self.parts.add(|| format!("{table}, row {key}"), record);
        let position = if is_metric { u64::try_from(key).unwrap_or_default() } else { 0 };
        self.parts.full(position).is_none_or(|part| self.send(part))
    }

    fn send(&self, part: Part) -> bool {
        self.sender.blocking_send(Ok(part)).is_ok()
    }
}

fn read_from(connection: &Connection, sender: &Sender) -> Result<(), rusqlite::Error> {
    // All of it as it is now.
    connection.execute_batch("BEGIN")?;
    let [metrics, sessions, contexts] = [METRICS, SESSIONS, CONTEXTS].map(|table| columns(connection, table));
    let (metrics, sessions, contexts) = (metrics?, sessions?, contexts?);
    let mut take = Taker { parts: Parts::default(), sender };
    let contexts = Query { table: CONTEXTS, columns: &contexts, wanted: OF_CONTEXTS, rest: "ORDER BY rowid" };
    if !contexts.read(connection, &mut take, |cells| context(cells).map(Record::Context))? {
        return Ok(());
    }
    let sessions = Query { table: SESSIONS, columns: &sessions, wanted: OF_SESSIONS, rest: "ORDER BY rowid" };
    if !sessions.read(connection, &mut take, |cells| session(cells).map(Record::Session))? {
        return Ok(());
    }
    if has(&metrics, "RUN_DATE") {
        let rest = if has(&metrics, "SESSION_H") {
            "WHERE SESSION_H IS NULL AND RUN_DATE IS NOT NULL GROUP BY 1, 2 ORDER BY MIN(rowid)"
        } else {
            "WHERE RUN_DATE IS NOT NULL GROUP BY 1, 2 ORDER BY MIN(rowid)"
        };
        let runs = Query { table: METRICS, columns: &metrics, wanted: OF_RUNS, rest };
        if !runs.read(connection, &mut take, |cells| run(cells).map(Record::Session))? {
            return Ok(());
        }
    }
    let metrics = Query { table: METRICS, columns: &metrics, wanted: OF_METRICS, rest: "ORDER BY rowid" };
    if metrics.read(connection, &mut take, |cells| metric(cells).map(Record::Metric))? {
        let rest = take.parts.rest(u64::MAX);
        take.send(rest);
    }
    Ok(())
}
