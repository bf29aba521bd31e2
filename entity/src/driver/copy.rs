//! Copies of a file: by SQLite itself, as it is at one moment, with what is only in its log.

use std::{path::Path, sync::Arc};

use rusqlite::OpenFlags;
use sea_orm::{DbErr, Statement};

use crate::{
    dialect::{Engine, sqlite},
    driver::{
        error_kind::failed,
        file::File,
        rusqlite::{Connection, Counter},
    },
};

/// Sorts of indexes go to temporary files rather than into memory.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA temp_store = FILE";

/// Copies the database in `file` to `to`, which is empty, or not there. Others may write meanwhile. It blocks its thread.
///
/// # Errors
/// SQLite's; a path that is not Unicode.
pub fn copy(file: &Arc<File>, to: &Path) -> Result<(), DbErr> {
    let name = to.to_str().ok_or_else(|| DbErr::Custom("its path is not Unicode".to_owned()))?;
    let connection = Connection::open(file, PRAGMAS, Counter::default())?;
    let copy = Statement::from_sql_and_values(Engine::Sqlite.backend(), sqlite::COPY, [name.into()]);
    let copied = connection.all::<i64>(&copy).map(drop);
    copied.and(connection.close())
}

/// Returns what is wrong with the file at `path`, which nobody writes to; nothing if it is sound.
///
/// # Errors
/// SQLite's.
pub fn faults(path: &Path) -> Result<Vec<String>, DbErr> {
    let connection = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let connection = connection.map_err(|error| failed(&error))?;
    let mut found = Vec::new();
    let mut statement = connection.prepare(sqlite::INTEGRITY_CHECK).map_err(|error| failed(&error))?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(|error| failed(&error))?;
    for row in rows {
        found.push(row.map_err(|error| failed(&error))?);
    }
    found.retain(|reason| reason != "ok");
    Ok(found)
}

/// The only connection to a file, which is locked as long as this is there.
#[derive(Debug)]
pub struct Sole(#[expect(dead_code, reason = "it holds the lock")] rusqlite::Connection);

impl Sole {
    /// Folds the log of the file at `path` into it, and locks it. `None` if another process has it open.
    ///
    /// # Errors
    /// SQLite's, above all if it is no database.
    pub fn of(path: &Path) -> Result<Option<Self>, DbErr> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        // Another mode needs the file for itself.
        match connection.execute_batch(sqlite::LOCK) {
            Ok(()) => Ok(Some(Self(connection))),
            Err(error) if is_busy(&error) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}
