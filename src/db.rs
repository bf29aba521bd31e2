//! Opens the database and brings its tables up to date.

mod file;
pub(crate) mod notification_listener;
mod postgres;
mod reason;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use entity::driver::{
    executor::{Reader, Writer},
    file::File,
    rusqlite::{Connection, Counter},
    source::Source as _,
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbErr, Statement,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::config::{DatabaseUrl, DirectUrl, StorageSettings};
use notification_listener::NotificationListener;

/// Why a database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is somebody else's, and stays as it is.
    #[error(
        "the database holds the tables of a monitor-server (TEST_METRICS); it was left untouched: give --database-url \
         another file or database"
    )]
    MonitorServer,
    /// It is somebody else's, with a table of a name that we need, and stays as it is.
    #[error(
        "--database-url: the database holds a table '{0}' of another program; it was left untouched: give another file or \
         database"
    )]
    Foreign(String),
    /// It can't hold every text.
    #[error(
        "--database-url: PostgreSQL at {place}: the database is in {encoding}, which can't hold every name: make one in UTF8 \
         (CREATE DATABASE metrograph ENCODING 'UTF8' TEMPLATE template0), and restore into it what pg_dump gives of this one"
    )]
    Encoding {
        /// Where it is.
        place: String,
        /// What it is in.
        encoding: String,
    },
    /// The server does not let us connect as often as we are to.
    #[error("--database-connections: {got} of {wanted} connections could be opened: {reason}")]
    TooFew {
        /// Those that could be opened.
        got: usize,
        /// Those that were asked for.
        wanted: u32,
        /// What was in the way of the next one.
        reason: String,
    },
    /// A newer version has changed the tables.
    #[error("--database-url: the database was written by a newer Metrograph ({0}): run that version, or a later one")]
    Newer(String),
    /// The tables are yet to be made or changed, which is not allowed.
    #[error(
        "--read-only: the tables are not those of this version ({0} is lacking): start it without --read-only once, \
         or run the version that made them"
    )]
    Older(String),
    /// Nothing is to be stored, and something would be.
    #[error("--read-only (METROGRAPH_READ_ONLY): nothing is stored, and this has to be: leave it out")]
    ReadOnly,
    /// Nothing can be stored.
    #[error(
        "--database-url: {0}: nothing could be stored: grant that, give the address of the primary, or start with --read-only"
    )]
    MayNotWrite(String),
    /// A PostgreSQL that can't be used, with the reason.
    #[error("--database-url: {0}")]
    Server(String),
    /// Its file can't be used as it is.
    #[error("--database-url: {}: {}", crate::config::shown(.0), .1)]
    File(PathBuf, String),
    /// It can't be opened or brought up to date.
    #[error("--database-url: the database can't be opened: {0}")]
    Unusable(#[from] DbErr),
}

/// An open database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Reads. On SQLite several connections that see the last commit while a write goes on.
    pub reader: Reader,
    /// Reads of who may enter, on a connection of their own: that is known also while all others are busy.
    pub access: Reader,
    /// Looks at what others have stored. Its statements are not counted.
    pub watch: Reader,
    url: DatabaseUrl,
    storage: StorageSettings,
    /// Where it is a file.
    file: Option<Arc<File>>,
    statements: Counter,
}

impl Database {
    /// Opens what `url` names, and runs the migrations that it lacks. A statement that reads may take `longest_read`.
    ///
    /// # Errors
    /// A database that can't be used.
    pub async fn open(url: &DatabaseUrl, storage: &StorageSettings, longest_read: Duration) -> Result<Self, OpenError> {
        let (statements, uncounted) = (Counter::default(), Counter::default());
        let (url, storage) = (url.clone(), storage.clone());
        if let Some(path) = url.sqlite_file() {
            let is_lacking = is_lacking(&url, storage.read_only).await?;
            let counters = [&statements, &uncounted];
            let (file, readers) = file::open(&url, &path, is_lacking, storage.read_only, counters).await?;
            let [reader, access, watch] = readers;
            return Ok(Self { reader, access, watch, url, storage, file: Some(file), statements });
        }
        let (look, read) =
            postgres::open(&url, &storage, longest_read).await.map_err(|error| explained(&url, error))?;
        let sessions = postgres::sessions(&storage, longest_read);
        let reader = |pool, statements| Reader::Orm(postgres::counted(pool, statements), sessions.clone());
        Ok(Self {
            reader: reader(read, &statements),
            access: reader(look.clone(), &statements),
            watch: reader(look, &uncounted),
            url,
            storage,
            file: None,
            statements,
        })
    }

    /// Whether nothing is stored.
    pub(crate) fn is_read_only(&self) -> bool {
        self.storage.read_only
    }

    /// Whether it is where it was opened, where it is a file.
    ///
    /// # Errors
    /// What became of the file, and what to do.
    pub(crate) fn look(&self) -> Result<(), String> {
        self.access.check().map_err(|astray| astray.to_string())
    }

    /// Whether it answers: a small question is asked of it.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn ask(&self) -> Result<(), DbErr> {
        self.access.number(&Query::select().expr(Expr::col("id").max()).from("metric").take()).await.map(drop)
    }

    /// What to say where it fails while the server starts.
    pub(crate) fn unusable(&self, error: DbErr) -> OpenError {
        match &self.file {
            Some(file) => file::unusable(file.path(), &error),
            None => explained(&self.url, OpenError::Unusable(error)),
        }
    }

    /// Whether a server has been on what `url` names: it is there, with our tables in it. Nothing is written.
    ///
    /// # Errors
    /// A database that can't be used.
    pub(crate) async fn is_there(url: &DatabaseUrl, storage: &StorageSettings) -> Result<bool, OpenError> {
        if url.sqlite_file().is_some_and(|path| !path.exists()) {
            return Ok(false);
        }
        let url = storage.direct_url.as_ref().map_or(url, DirectUrl::url);
        let applied = applied(url, storage.read_only).await.map_err(|error| explained(url, error))?;
        Ok(applied.is_some())
    }

    /// The connection that writes, for the committer alone. SQLite has one writer, and waiting for it in our own queue is cheaper
    /// than in SQLite's busy handler.
    ///
    /// # Errors
    /// The database's; one that nothing may be stored in.
    pub(crate) async fn writer(&self) -> Result<Writer, OpenError> {
        if self.is_read_only() {
            return Err(OpenError::ReadOnly);
        }
        let Some(file) = &self.file else {
            let pool = postgres::writer(&self.url, &self.storage).await;
            let connection = postgres::counted(pool.map_err(|error| explained(&self.url, error))?, &self.statements);
            return Ok(Writer::Orm(connection, postgres::sessions(&self.storage, Duration::ZERO)));
        };
        // The pages that inserts come back to: those of variants and their counters, above all.
        let pragmas = format!("{}; PRAGMA cache_size = -32000", file::PRAGMAS);
        let connection = Connection::open(file, &pragmas, Counter::clone(&self.statements));
        connection.map(Writer::Direct).map_err(|error| self.unusable(error))
    }

    /// Listens to the other servers on the same tables; `None` on SQLite, which has one server.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn notification_listener(&self) -> Result<Option<NotificationListener>, OpenError> {
        // A standby refuses LISTEN.
        if self.file.is_some() || self.is_read_only() {
            return Ok(None);
        }
        let url = self.storage.direct_url.as_ref().map_or(&self.url, DirectUrl::url);
        NotificationListener::connect(url).await.map(Some).map_err(|error| explained(url, error.into()))
    }

    /// How many SQL statements have run since the start.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Closes every connection for reading.
    ///
    /// # Errors
    /// The database's.
    pub async fn close(self) -> Result<(), DbErr> {
        self.watch.close().await?;
        self.access.close().await?;
        self.reader.close().await
    }
}

/// Makes the tables on PostgreSQL, or brings them up to date. Nothing is written where nothing is lacking.
async fn prepare(url: &DatabaseUrl, read_only: bool) -> Result<(), OpenError> {
    if !is_lacking(url, read_only).await? {
        return Ok(());
    }
    let connection = postgres::counted(postgres::alone(url).await?, &Counter::default());
    migrate(&connection).await?;
    Ok(connection.close().await?)
}

/// Runs the migrations that are lacking. Servers that start together take turns by a lock, which belongs to this one connection.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    connection.execute_unprepared("SELECT pg_advisory_lock(1835365474, hashtext(current_schema()))").await?;
    Migrator::up(connection, None).await?;
    connection.execute_unprepared("SELECT pg_advisory_unlock(1835365474, hashtext(current_schema()))").await.map(drop)
}

/// Whether there are migrations yet to be run.
async fn is_lacking(url: &DatabaseUrl, read_only: bool) -> Result<bool, OpenError> {
    let applied = applied(url, read_only).await?.unwrap_or_default();
    let mut known = Migrator::migrations().into_iter().map(|step| step.name().to_owned());
    match known.find(|known| !applied.contains(known)) {
        Some(lacking) if read_only => Err(OpenError::Older(lacking)),
        lacking => Ok(lacking.is_some()),
    }
}

/// Looks before anything is written. Gives the migrations that have run, where our tables are there.
async fn applied(url: &DatabaseUrl, read_only: bool) -> Result<Option<Vec<String>>, OpenError> {
    let Some(path) = url.sqlite_file() else {
        let connection = postgres::counted(postgres::alone(url).await?, &Counter::default());
        let judged = judge(&connection, postgres::TABLES).await?;
        connection.close().await?;
        return judged;
    };
    let Some(connection) = file::look(url, &path, read_only).await? else { return Ok(None) };
    let judged = judge(&connection, file::TABLES).await.map_err(|error| file::refused(&path, &error, read_only))?;
    connection.close().await.map_err(|error| file::refused(&path, &error, read_only))?;
    judged.map_err(|error| match error {
        OpenError::Newer(step) => file::newer(&path, &step),
        other => other,
    })
}

/// Whether it is ours, if it has tables at all, and not ahead of us: then the migrations that have run. `tables` asks for the names of
/// its tables.
async fn judge(connection: &DatabaseConnection, tables: &str) -> Result<Result<Option<Vec<String>>, OpenError>, DbErr> {
    let engine = connection.get_database_backend();
    let names = async |sql: &str, column: &str| -> Result<Vec<String>, DbErr> {
        let rows = connection.query_all_raw(Statement::from_string(engine, sql)).await?;
        rows.iter().map(|row| row.try_get("", column)).collect()
    };
    let names_of_tables = names(tables, "name").await?;
    let has = |table: &str| names_of_tables.iter().any(|name| name == table);
    if has("TEST_METRICS") {
        return Ok(Err(OpenError::MonitorServer));
    }
    if !has("seaql_migrations") {
        let foreign = migration::tables().find(|table| has(table));
        return Ok(foreign.map_or(Ok(None), |table| Err(OpenError::Foreign(table.to_owned()))));
    }
    let known: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let taken = names("SELECT version FROM seaql_migrations ORDER BY version", "version").await?;
    let unknown = taken.iter().find(|step| !known.contains(step)).cloned();
    Ok(unknown.map_or(Ok(Some(taken)), |step| Err(OpenError::Newer(step))))
}

/// What was in the way at a PostgreSQL, with where it is and what helps.
fn explained(url: &DatabaseUrl, error: OpenError) -> OpenError {
    match (error, postgres::options(url)) {
        (OpenError::Unusable(error), Ok(options)) => OpenError::Server(reason::of(&options, &error)),
        (error, _) => error,
    }
}
