//! A database in a file: the checks before it is opened, and how it is opened.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use entity::driver::{
    executor::Reader,
    file::{File, Purpose},
    rusqlite::{Counter, Pool},
    wal_owner,
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbErr, RuntimeErr};

use super::open_error::OpenError;
use crate::config::{Connections, DatabaseUrl};

/// How each connection is set. A commit that was answered survives a power cut (`synchronous`). The log is folded into
/// the file in larger pieces: most pages that an insert touches are touched again by the next ones; 20,000 pages are 80 MB.
pub(super) const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 20000; PRAGMA mmap_size = 2147418112; \
    PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY";

/// The settings of connections that must not write.
const READ_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 10000; PRAGMA mmap_size = 2147418112; PRAGMA cache_size = -8000; \
    PRAGMA temp_store = MEMORY";

/// Selects the names of the tables.
pub(super) const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";

/// Pause before migrations are tried again that another server runs.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// How long a server waits for the migrations of another one, which may fill new tables from old ones.
const MIGRATION_TIMEOUT: Duration = Duration::from_mins(10);
/// After this time the server logs what it waits for.
const WARN_AFTER: Duration = Duration::from_secs(5);
/// How long the first checks wait for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Refuses a file that can't be used, before anything is written: opening it for writing would already change it.
pub(super) async fn look(
    url: &DatabaseUrl,
    path: &Path,
    read_only: bool,
) -> Result<Option<DatabaseConnection>, OpenError> {
    let refused = |reason: String| OpenError::File(path.to_owned(), reason);
    parameters(url, read_only).map_err(refused)?;
    if read_only && !path.exists() {
        return Err(refused(
            "there is no such file, and --read-only makes none: start it without that once".to_owned(),
        ));
    }
    let may_make = !read_only && url.parameters().iter().any(|(name, value)| name == "mode" && value == "rwc");
    let is_there = is_file(path, may_make).map_err(refused)?;
    if !read_only {
        may_write(path, is_there).map_err(refused)?;
    }
    if !is_there {
        return Ok(None);
    }
    // In WAL mode even a reader creates files, unless the file is declared immutable.
    let is_at_rest = !log_of(&real(path)).exists() || read_only && to_read(url, path) == Purpose::ReadAtRest;
    let at_rest = if is_at_rest { "&immutable=true" } else { "" };
    let mut options = ConnectOptions::new(format!("{}?mode=ro{at_rest}", url.without_parameters()));
    options.max_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(LOCK_TIMEOUT));
    let connection = sea_orm::Database::connect(options).await.map_err(|error| refused(remedy(&error, read_only)))?;
    Ok(Some(connection))
}

/// Checks the parameters of the address.
fn parameters(url: &DatabaseUrl, read_only: bool) -> Result<(), String> {
    for (name, value) in url.parameters() {
        match (&*name, &*value) {
            ("mode", "rw" | "rwc") | ("immutable", "false" | "0") | ("cache", "private") => {}
            ("mode", "ro") | ("immutable", "true" | "1") if read_only => {}
            ("mode", "ro") | ("immutable", _) => {
                let remedy = "leave that out, or serve what is there with --read-only";
                return Err(format!("?{name}={value} can't be served, since metrics are stored in it: {remedy}"));
            }
            _ => {
                return Err(format!(
                    "?{name}={value} is not understood: give ?mode=rw, or ?mode=rwc to have the file made"
                ));
            }
        }
    }
    Ok(())
}

/// Whether the file is there. If not, it can be created.
fn is_file(path: &Path, may_make: bool) -> Result<bool, String> {
    // Next to the real file, wherever a link leads.
    let log = log_of(&real(path));
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let orphaned = || {
        format!(
            "its log {} is there without it, and may hold what was stored last: put the file back, or move the log away",
            log.display()
        )
    };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err("it is a folder: give the path of a file".to_owned()),
        Ok(found) if !found.is_file() => Err("it is no file: give the path of one".to_owned()),
        Ok(found) if found.len() == 0 && has_log => Err(orphaned()),
        Ok(_) if has_log && wal_owner::is_of_another(path, &log) => Err(format!(
            "its log {} belongs to the file that was there before, which was not closed in order: put that file back, or move the log away",
            log.display()
        )),
        Ok(_) => Ok(true),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
        Err(_) if has_log => Err(orphaned()),
        Err(_) if !folder_of(path).is_dir() => Err("its folder does not exist: create it first".to_owned()),
        Err(_) if !may_make => Err("there is no such file: add ?mode=rwc to the address to have it made".to_owned()),
        Err(_) => Ok(false),
    }
}

/// Checks the permissions to write the file and its folder, without opening anything: see [`entity::driver::file`].
#[cfg(unix)]
fn may_write(path: &Path, is_there: bool) -> Result<(), String> {
    use rustix::{fs::Access, process::geteuid};

    let remedy = "let the user that the server runs as";
    let who = geteuid().as_raw();
    if is_there {
        may(path, Access::READ_OK | Access::WRITE_OK).map_err(|error| {
            format!("it can't be read and written: {error}: {remedy} ({who}) do both, or give another file")
        })?;
    }
    // The log is created and removed next to the real file, wherever a link leads.
    let path = real(path);
    let folder = folder_of(&path);
    may(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let folder = folder.display();
        format!("its folder {folder} can't be written, where its log belongs: {error}: {remedy} ({who}) write there")
    })?;
    // An existing log is used as it is, whatever its owner.
    for (what, end) in [("its log", "-wal"), ("the index of its log", "-shm"), ("its journal", "-journal")] {
        let left = with_suffix(&path, end);
        match may(&left, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let left = left.display();
                return Err(format!("{what} {left} can't be read and written: {error}: {remedy} ({who}) do both"));
            }
        }
    }
    Ok(())
}

/// Shows when it is written.
#[cfg(not(unix))]
fn may_write(_: &Path, _: bool) -> Result<(), String> {
    Ok(())
}

/// How a file that must not change is opened. In WAL mode a reader creates a log and its index, or needs those that are there.
#[cfg(unix)]
pub(super) fn to_read(url: &DatabaseUrl, path: &Path) -> Purpose {
    use rustix::fs::Access;

    let path = real(path);
    let holds = |end| fs::metadata(with_suffix(&path, end)).is_ok_and(|found| found.len() > 0);
    let [has_log, has_index] = ["-wal", "-shm"].map(|end| with_suffix(&path, end).exists());
    let is_said = url.parameters().iter().any(|(name, value)| name == "immutable" && matches!(&**value, "true" | "1"));
    let may_write_folder = may(folder_of(&path), Access::WRITE_OK | Access::EXEC_OK).is_ok();
    if holds("-wal") || holds("-journal") {
        Purpose::Read
    } else if is_said || !(may_write_folder || has_log && has_index) {
        Purpose::ReadAtRest
    } else if may_write_folder && !has_log && may(&path, Access::READ_OK | Access::WRITE_OK).is_ok() {
        Purpose::Visit
    } else {
        Purpose::Read
    }
}

/// Other processes may write to it.
#[cfg(not(unix))]
pub(super) fn to_read(_: &DatabaseUrl, _: &Path) -> Purpose {
    Purpose::Read
}

/// Whether another process holds a lock on a file, as SQLite's do while they have it open. For a file that SQLite can't open itself.
#[cfg(unix)]
pub(crate) fn is_open_elsewhere(path: &Path) -> bool {
    use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

    // The bytes that SQLite locks: pending, reserved and shared.
    let all = Flock {
        start: 0x4000_0000,
        length: 512,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    fs::File::open(path).is_ok_and(|file| fcntl_getlk(&file, &all).is_ok_and(|held| held.is_some()))
}

/// Nothing is found out elsewhere.
#[cfg(not(unix))]
pub(crate) fn is_open_elsewhere(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn may(path: &Path, access: rustix::fs::Access) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, accessat};

    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}

/// The real path, wherever a link leads.
pub(super) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Runs missing migrations, and opens three pools for reading: for requests, for tokens (one connection), and for the history watcher (one
/// connection, with a counter of its own).
pub(super) async fn open(
    url: &DatabaseUrl,
    path: &Path,
    is_lacking: bool,
    read_only: bool,
    [statements, uncounted]: [&Counter; 2],
) -> Result<(Arc<File>, [Reader; 3]), OpenError> {
    let refused = |error: DbErr| refused(path, &error, read_only);
    let first = if read_only { None } else { Some(first(url, path, is_lacking).await?) };
    let purpose = if read_only { to_read(url, path) } else { Purpose::Write };
    let file = File::opened(path, purpose).map_err(|error| OpenError::File(path.to_owned(), error.to_string()))?;
    let file = Arc::new(file);
    let pragmas = if read_only { READ_PRAGMAS } else { PRAGMAS };
    let read = |connections, statements| {
        Pool::open(&file, pragmas, connections, statements).map(Reader::Direct).map_err(refused)
    };
    let readers = Connections::default().readers();
    let opened = [read(readers, statements)?, read(1, statements)?, read(1, uncounted)?];
    // Not earlier, so that all have the same log open.
    if let Some(first) = first {
        first.close().await.map_err(refused)?;
    }
    Ok((file, opened))
}

/// The first connection, which creates the file and runs missing migrations.
async fn first(url: &DatabaseUrl, path: &Path, is_lacking: bool) -> Result<DatabaseConnection, OpenError> {
    let refused = |error: DbErr| refused(path, &error, false);
    let is_new = !fs::metadata(path).is_ok_and(|found| found.len() > 0);
    let mut options = ConnectOptions::new(url.as_str());
    options.max_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = sqlite.busy_timeout(LOCK_TIMEOUT).pragma("journal_mode", "WAL").pragma("synchronous", "FULL");
        // So that it can give back to the system what is deleted from it. In an older file this would be a write without an effect.
        if is_new { sqlite.pragma("auto_vacuum", "INCREMENTAL") } else { sqlite }
    });
    let connection = sea_orm::Database::connect(options).await.map_err(refused)?;
    if is_lacking {
        let wait = format!("PRAGMA busy_timeout = {}", MIGRATION_TIMEOUT.as_millis());
        connection.execute_unprepared(&wait).await.map_err(refused)?;
        tokio::select! {
            done = migrate(&connection) => done.map_err(refused)?,
            () = warn_after(WARN_AFTER, path) => {}
        }
    } else {
        // A read, so that the log is open from now on.
        connection.execute_unprepared(TABLES).await.map_err(refused)?;
    }
    Ok(connection)
}

/// Logs once that it takes long, and never ends.
async fn warn_after(delay: Duration, path: &Path) {
    tokio::time::sleep(delay).await;
    tracing::warn!("migrations of {} take long, or wait for another process that writes to it", path.display());
    std::future::pending::<()>().await;
}

/// Runs missing migrations. A server that comes second finds the tables created, and looks again.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    // Another server may have run each step meanwhile.
    for _ in Migrator::migrations() {
        match Migrator::up(connection, None).await {
            Err(error) if is_collision(&error) => {
                tracing::info!(%error, "another server may be running the migrations; retrying");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            done => return done,
        }
    }
    Migrator::up(connection, None).await
}

/// Whether a migration failed because another server runs it, or has run it.
fn is_collision(error: &DbErr) -> bool {
    const FAILED: i32 = 1;
    const BUSY: i32 = 5;
    const CONSTRAINT: i32 = 19;
    code_of(error).is_none_or(|code| [FAILED, BUSY, CONSTRAINT].contains(&code))
}

/// SQLite's primary result code.
fn code_of(error: &DbErr) -> Option<i32> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// The error for a file that can't be opened.
pub(super) fn refused(path: &Path, error: &DbErr, read_only: bool) -> OpenError {
    OpenError::File(path.to_owned(), remedy(error, read_only))
}

/// The error for a file that fails after it was opened.
pub(super) fn unusable(path: &Path, error: &DbErr) -> OpenError {
    OpenError::File(
        path.to_owned(),
        format!("it is not as it was left: put a backup in its place, or give another file ({error})"),
    )
}

/// The error for a file with a migration of a newer version.
pub(super) fn newer(path: &Path, step: &str) -> OpenError {
    let reason = format!("it was changed by a newer metrograph ({step}): start that one, or give another file");
    OpenError::File(path.to_owned(), reason)
}

/// The reason, and what to do.
fn remedy(error: &DbErr, read_only: bool) -> String {
    let advice = match code_of(error) {
        Some(1) => "it is not as it was left: put a backup in its place, or give another file",
        Some(5 | 6) => "another process has it locked: end that one, or give another file",
        Some(8 | 14) if read_only => {
            "let the server's user read it and its -wal and -shm files; if its -wal is not empty, serve a copy of both from a folder \
             that this user can write, or start and stop a server that writes to it"
        }
        Some(8) => "let the server's user write it and its folder",
        Some(10) => "check that its disk is sound and has room",
        Some(11) => "it is damaged: put a backup in its place, and remove its -wal and -shm files",
        Some(13) => "its disk is full: free some space",
        Some(14) => "let the server's user read and write it and its folder",
        Some(26) => "it is no SQLite database: give another file",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}

/// SQLite's write-ahead log, which exists while a process has the database open, or if none closed it in order.
pub(super) fn log_of(path: &Path) -> PathBuf {
    with_suffix(path, "-wal")
}

/// The path with a suffix.
pub(super) fn with_suffix(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
