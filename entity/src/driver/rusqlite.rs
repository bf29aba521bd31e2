//! SQLite through rusqlite: sqlx costs half a microsecond for each value that it reads or binds. Statements and results are the same;
//! only [`crate::driver::executor`] distinguishes the two.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{
    OpenFlags, Params, ToSql,
    config::DbConfig,
    params_from_iter,
    types::{ToSqlOutput, Value as Bound},
};
use sea_orm::{DbErr, RuntimeErr, Statement, sea_query::Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    dialect::sqlite,
    driver::{
        error_kind::failed,
        file::{File, FileError, Purpose},
        row::FromRow,
    },
};

/// Prepared statements that a connection caches.
const STATEMENT_CACHE_CAPACITY: usize = 200;

/// The number of statements that have run, on all connections.
pub type Counter = Arc<AtomicU64>;

/// How long a read waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// Instructions of SQLite's virtual machine between two checks for cancellation.
const PROGRESS_INTERVAL: i32 = 20_000;
/// Pause between two checks, while the pool closes, of whether the last statements have ended.
const CLOSE_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// One connection. It runs statements on the calling thread.
#[derive(Debug)]
pub struct Connection {
    inner: Mutex<rusqlite::Connection>,
    statements: Counter,
    cancel_flag: Arc<CancelFlag>,
    file: Arc<File>,
    /// Whether the log was folded into the file, after the file was moved or removed.
    is_saved: AtomicBool,
}

/// The number of the current use of a connection, and the last use that was cancelled: cancelling one use never ends the next.
#[derive(Debug, Default)]
struct CancelFlag {
    current: AtomicU64,
    cancelled: AtomicU64,
}

impl CancelFlag {
    fn begin(self: &Arc<Self>) -> Cancellation {
        Cancellation { flag: Arc::clone(self), number: self.current.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    fn cancel(&self, number: u64) {
        self.cancelled.fetch_max(number, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.current.load(Ordering::Relaxed) <= self.cancelled.load(Ordering::Relaxed)
    }
}

/// A use of a connection, which is cancelled when its caller drops it.
struct Cancellation {
    flag: Arc<CancelFlag>,
    number: u64,
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        self.flag.cancel(self.number);
    }
}

impl Connection {
    /// Opens another connection to `file` for its purpose, and runs `pragmas`.
    ///
    /// # Errors
    /// SQLite's; the file is no longer where it was opened.
    pub fn open(file: &Arc<File>, pragmas: &str, statements: Counter) -> Result<Self, DbErr> {
        let access = match file.purpose() {
            Purpose::Write | Purpose::Visit => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Purpose::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Purpose::ReadAtRest => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        };
        // The mutex here replaces SQLite's own.
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        file.check()?;
        let name = if file.purpose() == Purpose::ReadAtRest { &file.uri_at_rest() } else { file.path() };
        let inner = rusqlite::Connection::open_with_flags(name, flags).map_err(|error| failed(&error))?;
        inner.execute_batch(pragmas).map_err(|error| failed(&error))?;
        file.check()?;
        inner.set_prepared_statement_cache_capacity(STATEMENT_CACHE_CAPACITY);
        let (file, is_saved) = (Arc::clone(file), AtomicBool::new(false));
        Ok(Self { inner: Mutex::new(inner), statements, cancel_flag: Arc::default(), file, is_saved })
    }

    fn count_and_lock(&self) -> MutexGuard<'_, rusqlite::Connection> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        lock(&self.inner)
    }

    /// Returns every row of `statement`.
    pub(crate) fn all<T: FromRow>(&self, statement: &Statement) -> Result<Vec<T>, DbErr> {
        let inner = self.count_and_lock();
        let mut prepared = inner.prepare_cached(&statement.sql).map_err(|error| failed(&error))?;
        let mut rows = prepared.query(params_from_iter(parameters(statement))).map_err(|error| failed(&error))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|error| failed(&error))? {
            found.push(T::from_row(&mut row.into())?);
        }
        Ok(found)
    }

    /// Runs `sql`, which returns no rows, once for each row of parameters.
    fn execute<P: Params>(&self, sql: &str, rows: impl IntoIterator<Item = P>) -> Result<(), DbErr> {
        let inner = self.count_and_lock();
        let mut prepared = inner.prepare_cached(sql).map_err(|error| failed(&error))?;
        rows.into_iter().try_for_each(|row| prepared.execute(row).map(drop)).map_err(|error| failed(&error))
    }

    /// Begins a transaction that holds the write lock.
    pub(crate) fn begin(&self) -> Result<Transaction<'_>, DbErr> {
        self.check()?;
        if !lock(&self.inner).is_autocommit() {
            // An earlier rollback failed.
            self.execute("ROLLBACK", [()])?;
        }
        self.execute("BEGIN IMMEDIATE", [()])?;
        Ok(Transaction { connection: self, is_open: true })
    }

    /// Checks that the file is where it was opened. If not, the log is folded into it as far as possible, once.
    pub(crate) fn check(&self) -> Result<(), DbErr> {
        let looked = self.file.check();
        match &looked {
            Ok(()) => self.is_saved.store(false, Ordering::Relaxed),
            Err(error) if !self.is_saved.load(Ordering::Relaxed) => {
                self.is_saved.store(self.save(error), Ordering::Relaxed);
            }
            Err(_) => {}
        }
        Ok(looked?)
    }

    /// Folds the log into the file. Both are open, whatever their names are by now: so a renamed file is complete, and the empty log
    /// can't damage another file that takes the old name. Returns whether that succeeded.
    fn save(&self, error: &FileError) -> bool {
        match error {
            FileError::Gone(..) => self.fold("TRUNCATE"),
            // Another process that opens that file must not find the index of our log.
            FileError::Replaced(_) => self.fold("TRUNCATE") && self.file.abandon().is_ok(),
            // Another process writes to the file through another log: the two can't be merged.
            FileError::Changed(_) => true,
            FileError::LogGone(_) | FileError::LogReplaced(_) => self.file.has_foreign_log() || self.fold("PASSIVE"),
        }
    }

    fn fold(&self, how: &str) -> bool {
        let inner = lock(&self.inner);
        let pragma = |name: &str, value: &str| inner.query_row(&format!("PRAGMA {name}{value}"), [], |row| row.get(0));
        // Does not wait for readers: the next check tries again.
        let Ok::<i64, _>(patience) = pragma("busy_timeout", "") else { return false };
        let folded: Result<i64, _> =
            pragma("busy_timeout", " = 100").and_then(|_: i64| pragma("wal_checkpoint", &format!("({how})")));
        let restored: Result<i64, _> = pragma("busy_timeout", &format!(" = {patience}"));
        matches!((folded, restored), (Ok(0), Ok(_)))
    }

    /// Keeps SQLite from folding the log into the file and removing it when the last connection closes: either name may belong to another
    /// file by now.
    fn leave_log(&self) -> Result<(), DbErr> {
        let set = lock(&self.inner).set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        set.map(drop).map_err(|error| failed(&error))
    }

    /// Closes the connection; the last one to a file folds its write-ahead log into it.
    pub(crate) fn close(self) -> Result<(), DbErr> {
        let checked = self.check();
        // If only the log's name is gone, no other process has the file open.
        if !matches!(self.file.check(), Ok(()) | Err(FileError::LogGone(_))) {
            self.leave_log()?;
        }
        let Self { inner, file, .. } = self;
        let inner = inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        inner.close().map_err(|(_, error)| failed(&error))?;
        if let Err(FileError::Gone(..) | FileError::Replaced(_)) = file.check()
            && let Some(kept) = file.abandon().map_err(|error| DbErr::Custom(error.to_string()))?
        {
            return Err(DbErr::Custom(format!("what the database's log held is kept in {}", kept.display())));
        }
        checked
    }
}

/// A transaction that writes. It is rolled back unless it is committed.
#[derive(Debug)]
pub struct Transaction<'a> {
    connection: &'a Connection,
    is_open: bool,
}

impl Transaction<'_> {
    /// Returns every row of `statement`.
    pub(crate) fn all<T: FromRow>(&self, statement: &Statement) -> Result<Vec<T>, DbErr> {
        self.connection.all(statement)
    }

    /// Runs `statement`, which returns no rows.
    pub(crate) fn execute(&self, statement: &Statement) -> Result<(), DbErr> {
        self.connection.execute(&statement.sql, [params_from_iter(parameters(statement))])
    }

    /// Inserts `rows` into these columns of `table`, row by row: here that costs less than one statement for many.
    pub(crate) fn insert<const N: usize>(
        &self,
        table: &str,
        columns: [&str; N],
        rows: &[[Value; N]],
    ) -> Result<(), DbErr> {
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), ["?"; N].join(", "));
        self.execute_each(&sql, rows)
    }

    /// Runs `sql`, which gives no rows, once for each row of values.
    pub(crate) fn execute_each<const N: usize>(&self, sql: &str, rows: &[[Value; N]]) -> Result<(), DbErr> {
        self.connection.execute(sql, rows.iter().map(|row| params_from_iter(row.iter().map(Parameter))))
    }

    /// Gives up to `pages` free pages back to the system.
    pub(crate) fn give_back(&self, pages: u32) -> Result<(), DbErr> {
        let inner = self.connection.count_and_lock();
        let mut prepared = inner.prepare(&sqlite::give_back(pages)).map_err(|error| failed(&error))?;
        let mut given = prepared.query([]).map_err(|error| failed(&error))?;
        // Each step gives one of them.
        while given.next().map_err(|error| failed(&error))?.is_some() {}
        Ok(())
    }

    /// Commits. The file must be where it was opened, both before and afterwards.
    pub(crate) fn commit(mut self) -> Result<(), DbErr> {
        self.connection.file.check()?;
        self.connection.execute("COMMIT", [()])?;
        self.is_open = false;
        self.connection.check()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // SQLite may have rolled it back already; another failure is retried by `begin`.
            let _ = self.connection.execute("ROLLBACK", [()]);
        }
    }
}

fn parameters(statement: &Statement) -> impl Iterator<Item = Parameter<'_>> {
    statement.values.iter().flat_map(|values| &values.0).map(Parameter)
}

/// A value as SQLite takes it.
struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.0 {
            Value::Bool(value) => value.to_sql(),
            Value::Int(value) => value.to_sql(),
            Value::BigInt(value) => value.to_sql(),
            Value::BigUnsigned(Some(value)) => {
                let whole =
                    i64::try_from(*value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                Ok(ToSqlOutput::Owned(Bound::Integer(whole)))
            }
            Value::Double(value) => value.to_sql(),
            Value::String(value) => value.to_sql(),
            Value::Bytes(value) => value.to_sql(),
            other => Err(rusqlite::Error::ToSqlConversionFailure(format!("no statement binds {other:?}").into())),
        }
    }
}

/// A pool of connections for reading. Each statement runs on a thread that may block, and is cancelled when its caller drops it.
#[derive(Debug, Clone)]
pub struct Pool {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    cancel_flags: Arc<[Arc<CancelFlag>]>,
    file: Arc<File>,
}

impl Pool {
    /// Opens `size` connections to `file`, see [`Connection::open`].
    ///
    /// # Errors
    /// SQLite's.
    pub fn open(file: &Arc<File>, pragmas: &str, size: u32, statements: &Counter) -> Result<Self, DbErr> {
        let connections = (0..size).map(|_| Connection::open(file, pragmas, Arc::clone(statements)));
        let connections: Vec<Connection> = connections.collect::<Result<_, _>>()?;
        for Connection { inner, cancel_flag, .. } in &connections {
            let cancel_flag = Arc::clone(cancel_flag);
            let hook = lock(inner).progress_handler(PROGRESS_INTERVAL, Some(move || cancel_flag.is_cancelled()));
            hook.map_err(|error| failed(&error))?;
        }
        let cancel_flags = connections.iter().map(|connection| Arc::clone(&connection.cancel_flag)).collect();
        let (idle, permits) = (Arc::new(Mutex::new(connections)), Arc::new(Semaphore::new(size as usize)));
        Ok(Self { idle, permits, cancel_flags, file: Arc::clone(file) })
    }

    /// Returns the number of its connections, and of those that no statement uses.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.cancel_flags.len(), self.permits.available_permits())
    }

    /// Checks that the file is where it was opened.
    pub(crate) fn check(&self) -> Result<(), FileError> {
        self.file.check()
    }

    /// Returns every row of `statement`.
    pub(crate) async fn all<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, DbErr> {
        let permit = tokio::time::timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit
            .map_err(|_| unavailable("all connections are busy"))?
            .map_err(|_| unavailable("the database is closed"))?;
        let pooled = PooledConnection::take(&self.idle, permit).ok_or_else(|| unavailable("no connection is left"))?;
        let _cancellation = pooled.connection()?.cancel_flag.begin();
        let rows = tokio::task::spawn_blocking(move || pooled.connection()?.all(&statement)).await;
        rows.map_err(|error| unavailable(&error.to_string()))?
    }

    /// Refuses new reads, cancels running statements, and closes every connection.
    pub async fn close(&self) {
        self.permits.close();
        while lock(&self.idle).len() < self.cancel_flags.len() {
            self.cancel_flags.iter().for_each(|flag| flag.cancel(flag.current.load(Ordering::Relaxed)));
            tokio::time::sleep(CLOSE_POLL_INTERVAL).await;
        }
        let mut idle = lock(&self.idle);
        if self.file.leaves_log() || !matches!(self.file.check(), Ok(()) | Err(FileError::LogGone(_))) {
            // A connection that can't be set so stays open until the process ends, and touches nothing.
            idle.drain(..).for_each(|connection| {
                if connection.leave_log().is_err() {
                    std::mem::forget(connection);
                }
            });
        }
        idle.clear();
    }
}

/// A connection of a pool, which returns to it when dropped.
struct PooledConnection {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Released last, after the connection is back.
    _permit: OwnedSemaphorePermit,
}

impl PooledConnection {
    fn take(idle: &Arc<Mutex<Vec<Connection>>>, permit: OwnedSemaphorePermit) -> Option<Self> {
        let connection = Some(lock(idle).pop()?);
        Some(Self { connection, idle: Arc::clone(idle), _permit: permit })
    }

    fn connection(&self) -> Result<&Connection, DbErr> {
        self.connection.as_ref().ok_or_else(|| unavailable("the connection was returned"))
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        lock(&self.idle).extend(self.connection.take());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(reason: &str) -> DbErr {
    DbErr::Query(RuntimeErr::Internal(reason.to_owned()))
}
