//! SQLite without sqlx in between, which costs half a microsecond for each value that it reads or binds. The statements are the
//! same, and so are the answers; only [`crate::driver::executor`] knows that they come from here.

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
        file::{Astray, File, Purpose},
        row::FromRow,
    },
};

/// Prepared statements that a connection keeps.
const KEPT_STATEMENTS: usize = 200;

/// How many statements have run, whatever the connection.
pub type Counter = Arc<AtomicU64>;

/// Waiting for a connection, at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// Steps of SQLite's machine between two looks at whether anybody still waits for the statement.
const STEPS: i32 = 20_000;
/// Between two looks at whether the last statements have ended.
const A_MOMENT: Duration = Duration::from_millis(5);

/// One connection. It runs what it is given on the thread that asks.
#[derive(Debug)]
pub struct Connection {
    inner: Mutex<rusqlite::Connection>,
    statements: Counter,
    uses: Arc<Uses>,
    file: Arc<File>,
    /// What the log held is in the file, wherever that is.
    is_saved: AtomicBool,
}

/// Which use of a connection is going on, and which has been given up: by number, so that giving up one never ends the next.
#[derive(Debug, Default)]
struct Uses {
    current: AtomicU64,
    given_up: AtomicU64,
}

impl Uses {
    fn begin(self: &Arc<Self>) -> Use {
        Use { uses: Arc::clone(self), number: self.current.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    fn give_up(&self, number: u64) {
        self.given_up.fetch_max(number, Ordering::Relaxed);
    }

    fn is_given_up(&self) -> bool {
        self.current.load(Ordering::Relaxed) <= self.given_up.load(Ordering::Relaxed)
    }
}

/// A use of a connection, given up when it is dropped: nobody waits any more.
struct Use {
    uses: Arc<Uses>,
    number: u64,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.uses.give_up(self.number);
    }
}

impl Connection {
    /// Opens `file` once more for its purpose, and runs `pragmas`.
    ///
    /// # Errors
    /// SQLite's; the file is no longer where it was opened.
    pub fn open(file: &Arc<File>, pragmas: &str, statements: Counter) -> Result<Self, DbErr> {
        let access = match file.purpose() {
            Purpose::Write | Purpose::Visit => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Purpose::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Purpose::ReadAtRest => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        };
        // Taken by one thread at a time: SQLite's own locks can stay out.
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        file.look()?;
        let name = if file.purpose() == Purpose::ReadAtRest { &file.uri_at_rest() } else { file.path() };
        let inner = rusqlite::Connection::open_with_flags(name, flags).map_err(|error| failed(&error))?;
        inner.execute_batch(pragmas).map_err(|error| failed(&error))?;
        file.look()?;
        sqlite::add_functions(&inner).map_err(|error| failed(&error))?;
        inner.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
        let (file, is_saved) = (Arc::clone(file), AtomicBool::new(false));
        Ok(Self { inner: Mutex::new(inner), statements, uses: Arc::default(), file, is_saved })
    }

    fn count_and_lock(&self) -> MutexGuard<'_, rusqlite::Connection> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        lock(&self.inner)
    }

    /// Every row that `statement` gives.
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

    /// Runs `sql`, which gives no rows, once for each row of parameters.
    fn execute<P: Params>(&self, sql: &str, rows: impl IntoIterator<Item = P>) -> Result<(), DbErr> {
        let inner = self.count_and_lock();
        let mut prepared = inner.prepare_cached(sql).map_err(|error| failed(&error))?;
        rows.into_iter().try_for_each(|row| prepared.execute(row).map(drop)).map_err(|error| failed(&error))
    }

    /// Begins a transaction that is sure to be able to write.
    pub(crate) fn begin(&self) -> Result<Transaction<'_>, DbErr> {
        self.check()?;
        if !lock(&self.inner).is_autocommit() {
            // What could not be undone before must be now.
            self.execute("ROLLBACK", [()])?;
        }
        self.execute("BEGIN IMMEDIATE", [()])?;
        Ok(Transaction { connection: self, is_open: true })
    }

    /// Whether the file is where it was opened. If not, what the log holds is saved as far as can be, once.
    pub(crate) fn check(&self) -> Result<(), DbErr> {
        let looked = self.file.look();
        match &looked {
            Ok(()) => self.is_saved.store(false, Ordering::Relaxed),
            Err(astray) if !self.is_saved.load(Ordering::Relaxed) => {
                self.is_saved.store(self.save(astray), Ordering::Relaxed);
            }
            Err(_) => {}
        }
        Ok(looked?)
    }

    /// Folds the log into the file, both of which are open, whatever they are called by now: a file that was renamed is whole, and a
    /// log that is empty harms no other file that comes to lie beside it. Answers whether that is done.
    fn save(&self, astray: &Astray) -> bool {
        match astray {
            Astray::Gone(..) => self.fold("TRUNCATE"),
            // Whoever opens that file must not find our log's index.
            Astray::Replaced(_) => self.fold("TRUNCATE") && self.file.leave().is_ok(),
            // Somebody else stores in the file by another log: the two can't both be right.
            Astray::Changed(_) => true,
            Astray::LogGone(_) | Astray::LogReplaced(_) => self.file.has_foreign_log() || self.fold("PASSIVE"),
        }
    }

    fn fold(&self, how: &str) -> bool {
        let inner = lock(&self.inner);
        let pragma = |name: &str, value: &str| inner.query_row(&format!("PRAGMA {name}{value}"), [], |row| row.get(0));
        // Whoever still reads is not waited for: it is tried again.
        let Ok::<i64, _>(patience) = pragma("busy_timeout", "") else { return false };
        let folded: Result<i64, _> =
            pragma("busy_timeout", " = 100").and_then(|_: i64| pragma("wal_checkpoint", &format!("({how})")));
        let restored: Result<i64, _> = pragma("busy_timeout", &format!(" = {patience}"));
        matches!((folded, restored), (Ok(0), Ok(_)))
    }

    /// The last connection to a file folds its log into it, and removes what bears the log's name: not where either is another one.
    fn leave_log(&self) -> Result<(), DbErr> {
        let set = lock(&self.inner).set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        set.map(drop).map_err(|error| failed(&error))
    }

    /// Closes the connection; the last one to a file folds its write-ahead log into it.
    pub(crate) fn close(self) -> Result<(), DbErr> {
        let checked = self.check();
        // Where only names are gone, nobody else can have the file open.
        if !matches!(self.file.look(), Ok(()) | Err(Astray::LogGone(_))) {
            self.leave_log()?;
        }
        let Self { inner, file, .. } = self;
        let inner = inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        inner.close().map_err(|(_, error)| failed(&error))?;
        if let Err(Astray::Gone(..) | Astray::Replaced(_)) = file.look()
            && let Some(kept) = file.leave().map_err(|error| DbErr::Custom(error.to_string()))?
        {
            return Err(DbErr::Custom(format!("what the database's log held is kept in {}", kept.display())));
        }
        checked
    }
}

/// A transaction that writes, undone unless it is committed.
#[derive(Debug)]
pub struct Transaction<'a> {
    connection: &'a Connection,
    is_open: bool,
}

impl Transaction<'_> {
    /// Every row that `statement` gives.
    pub(crate) fn all<T: FromRow>(&self, statement: &Statement) -> Result<Vec<T>, DbErr> {
        self.connection.all(statement)
    }

    /// Runs `statement`, which gives no rows.
    pub(crate) fn execute(&self, statement: &Statement) -> Result<(), DbErr> {
        self.connection.execute(&statement.sql, [params_from_iter(parameters(statement))])
    }

    /// Inserts `rows` into these columns of `table`: a row at a time, which costs less than one statement for many.
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

    /// Makes everything lasting: in a file that is where it was opened before and afterwards.
    pub(crate) fn commit(mut self) -> Result<(), DbErr> {
        self.connection.file.look()?;
        self.connection.execute("COMMIT", [()])?;
        self.is_open = false;
        self.connection.check()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // Where SQLite has undone it by itself, there is nothing left to undo; what fails otherwise is tried again by `begin`.
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

/// Connections for reading. Each statement runs on a thread that may block, and ends early when nobody waits for it any more.
#[derive(Debug, Clone)]
pub struct Pool {
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
    uses: Arc<[Arc<Uses>]>,
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
        for Connection { inner, uses, .. } in &connections {
            let uses = Arc::clone(uses);
            let hook = lock(inner).progress_handler(STEPS, Some(move || uses.is_given_up()));
            hook.map_err(|error| failed(&error))?;
        }
        let uses = connections.iter().map(|connection| Arc::clone(&connection.uses)).collect();
        let (idle, places) = (Arc::new(Mutex::new(connections)), Arc::new(Semaphore::new(size as usize)));
        Ok(Self { idle, places, uses, file: Arc::clone(file) })
    }

    /// Whether the file is where it was opened.
    pub(crate) fn check(&self) -> Result<(), Astray> {
        self.file.look()
    }

    /// Every row that `statement` gives.
    pub(crate) async fn all<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, DbErr> {
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| gone("all connections are busy"))?.map_err(|_| gone("the database is closed"))?;
        let lent = Lent::take(&self.idle, place).ok_or_else(|| gone("no connection is left"))?;
        let _use = lent.connection()?.uses.begin();
        let rows = tokio::task::spawn_blocking(move || lent.connection()?.all(&statement)).await;
        rows.map_err(|error| gone(&error.to_string()))?
    }

    /// Refuses whoever waits, ends the statements that run, and closes every connection.
    pub async fn close(&self) {
        self.places.close();
        while lock(&self.idle).len() < self.uses.len() {
            self.uses.iter().for_each(|uses| uses.give_up(uses.current.load(Ordering::Relaxed)));
            tokio::time::sleep(A_MOMENT).await;
        }
        let mut idle = lock(&self.idle);
        if self.file.leaves_log() || !matches!(self.file.look(), Ok(()) | Err(Astray::LogGone(_))) {
            // What can't be set leaves the connection open: it ends with the process, and touches nothing.
            idle.drain(..).for_each(|connection| {
                if connection.leave_log().is_err() {
                    std::mem::forget(connection);
                }
            });
        }
        idle.clear();
    }
}

/// A connection out of a pool, which gets it back.
struct Lent {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Given up last, so that whoever gets it finds the connection.
    _place: OwnedSemaphorePermit,
}

impl Lent {
    fn take(idle: &Arc<Mutex<Vec<Connection>>>, place: OwnedSemaphorePermit) -> Option<Self> {
        let connection = Some(lock(idle).pop()?);
        Some(Self { connection, idle: Arc::clone(idle), _place: place })
    }

    fn connection(&self) -> Result<&Connection, DbErr> {
        self.connection.as_ref().ok_or_else(|| gone("the connection went back"))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        lock(&self.idle).extend(self.connection.take());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone(reason: &str) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(reason.to_owned()))
}
