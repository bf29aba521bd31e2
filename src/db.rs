//! Opens the database and brings its tables up to date. The only file that tells the engines apart by their names.

mod notices;
mod postgres;
mod reason;

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use entity::{
    direct::{Connection, Counter, Pool, Purpose},
    source::{Reader, Writer},
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::config::{Connections, DatabaseUrl, DirectUrl, StorageSettings};
pub use notices::{Notice, Notices};

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
    /// Nothing can be stored.
    #[error(
        "--database-url: {0}: nothing could be stored: grant that, give the address of the primary, or start with --read-only"
    )]
    MayNotWrite(String),
    /// A PostgreSQL that can't be used, with the reason.
    #[error("--database-url: {0}")]
    Server(String),
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
        let Some(file) = url.sqlite_file() else {
            let (look, read) =
                postgres::open(&url, &storage, longest_read).await.map_err(|error| explained(&url, error))?;
            let sessions = postgres::sessions(&storage, longest_read);
            let reader = |pool, statements| Reader::Orm(postgres::counted(pool, statements), sessions.clone());
            return Ok(Self {
                reader: reader(read, &statements),
                access: reader(look.clone(), &statements),
                watch: reader(look, &uncounted),
                url,
                storage,
                statements,
            });
        };
        prepare(&url, storage.read_only).await?;
        let connections = Connections::default().readers();
        let (purpose, pragmas) = if storage.read_only { (Purpose::Read, READING) } else { (Purpose::Write, PRAGMAS) };
        let read =
            |connections, statements| Pool::open(&file, purpose, pragmas, connections, statements).map(Reader::Direct);
        let (reader, access, watch) = (read(connections, &statements)?, read(1, &statements)?, read(1, &uncounted)?);
        Ok(Self { reader, access, watch, url, storage, statements })
    }

    /// Whether nothing is stored.
    pub fn is_read_only(&self) -> bool {
        self.storage.read_only
    }

    /// The connection that writes, for the committer alone. SQLite has one writer, and waiting for it in our own queue is cheaper
    /// than in SQLite's busy handler.
    ///
    /// # Errors
    /// The database's; one that nothing may be stored in.
    pub async fn writer(&self) -> Result<Writer, OpenError> {
        if self.is_read_only() {
            return Err(OpenError::MayNotWrite("--read-only was given".to_owned()));
        }
        let Some(file) = self.url.sqlite_file() else {
            let pool = postgres::writer(&self.url, &self.storage).await;
            let connection = postgres::counted(pool.map_err(|error| explained(&self.url, error))?, &self.statements);
            return Ok(Writer::Orm(connection, postgres::sessions(&self.storage, Duration::ZERO)));
        };
        // The pages that inserts come back to: those of variants and their counters, above all.
        let pragmas = format!("{PRAGMAS}; PRAGMA cache_size = -32000");
        Ok(Writer::Direct(Connection::open(&file, Purpose::Write, &pragmas, Counter::clone(&self.statements))?))
    }

    /// What servers on the same tables say; `None` on SQLite, which has one server.
    ///
    /// # Errors
    /// The database's.
    pub async fn notices(&self) -> Result<Option<Notices>, OpenError> {
        match self.url.sqlite_file() {
            Some(_) => Ok(None),
            // A standby has none.
            None if self.is_read_only() => Ok(None),
            None => {
                let opened = Notices::open(self.direct_url()).await;
                opened.map(Some).map_err(|error| explained(self.direct_url(), error.into()))
            }
        }
    }

    /// The address by which a session is one's own.
    fn direct_url(&self) -> &DatabaseUrl {
        self.storage.direct_url.as_ref().map_or(&self.url, DirectUrl::url)
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

/// How each connection to SQLite is set. A commit that was answered survives a power cut (`synchronous`). The log is folded into
/// the file in larger pieces: most pages that an insert touches are touched again by the next ones; 20,000 pages are 80 MB.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 20000; PRAGMA mmap_size = 2147418112; \
    PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY";

/// The same where nothing may be written.
const READING: &str = "PRAGMA busy_timeout = 10000; PRAGMA mmap_size = 2147418112; PRAGMA cache_size = -8000; \
    PRAGMA temp_store = MEMORY";

/// Between two looks at what another server makes.
const A_MOMENT: Duration = Duration::from_millis(200);

/// Runs the migrations that are lacking. Servers that start together take turns: on PostgreSQL by a lock, which belongs to this
/// one connection; on SQLite whoever comes second finds the tables made, and looks again.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    if connection.get_database_backend() != DbBackend::Postgres {
        // Each step may have been taken by another one meanwhile.
        for _ in Migrator::migrations() {
            let Err(error) = Migrator::up(connection, None).await else { return Ok(()) };
            tracing::info!(%error, "another server may be making the tables: looking again");
            tokio::time::sleep(A_MOMENT).await;
        }
        return Migrator::up(connection, None).await;
    }
    connection.execute_unprepared("SELECT pg_advisory_lock(1835365474, hashtext(current_schema()))").await?;
    Migrator::up(connection, None).await?;
    connection.execute_unprepared("SELECT pg_advisory_unlock(1835365474, hashtext(current_schema()))").await.map(drop)
}

/// Makes the tables, or brings them up to date. Nothing is written where nothing is lacking.
async fn prepare(url: &DatabaseUrl, read_only: bool) -> Result<(), OpenError> {
    let applied = refuse_others(url).await?;
    let known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    if let Some(newer) = applied.iter().find(|applied| !known.contains(applied)) {
        return Err(OpenError::Newer(newer.clone()));
    }
    match known.into_iter().find(|known| !applied.contains(known)) {
        None => return Ok(()),
        Some(lacking) if read_only => return Err(OpenError::Older(lacking)),
        Some(_) => {}
    }
    let connection = match url.sqlite_file() {
        Some(_) => {
            let mut options = ConnectOptions::new(url.as_str());
            // Whoever comes second waits while the first fills new tables from old ones.
            options.max_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(|sqlite| {
                sqlite.busy_timeout(Duration::from_mins(10)).pragma("journal_mode", "WAL").pragma("synchronous", "FULL")
            });
            sea_orm::Database::connect(options).await?
        }
        None => postgres::counted(postgres::pool(url, 1, None).await?, &Counter::default()),
    };
    migrate(&connection).await?;
    Ok(connection.close().await?)
}

/// Looks before anything is written: opening for writing would already change the file. Gives the names of the migrations that have run.
async fn refuse_others(url: &DatabaseUrl) -> Result<Vec<String>, OpenError> {
    let (connection, tables) = match url.sqlite_file() {
        Some(file) if !file.exists() => return Ok(Vec::new()),
        Some(file) => {
            // With a write-ahead log, even a reader leaves files behind, unless the file is said not to change.
            let at_rest = if log_of(&file).exists() { "" } else { "&immutable=true" };
            let look = format!("{}?mode=ro{at_rest}", url.without_parameters());
            let mut options = ConnectOptions::new(look);
            options.max_connections(1).connect_timeout(Duration::from_secs(10)).sqlx_logging(false);
            (sea_orm::Database::connect(options).await?, "SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        None => {
            let pool = postgres::pool(url, 1, None).await?;
            (postgres::counted(pool, &Counter::default()), postgres::TABLES)
        }
    };
    let names = names(&connection, tables).await?;
    let is_ours = names.iter().any(|name| name == "seaql_migrations");
    let applied = if is_ours {
        self::names(&connection, "SELECT version AS name FROM seaql_migrations").await?
    } else {
        Vec::new()
    };
    connection.close().await?;
    if names.iter().any(|name| name == "TEST_METRICS") {
        return Err(OpenError::MonitorServer);
    }
    match names.into_iter().find(|name| migration::tables().any(|table| table == name)) {
        Some(name) if !is_ours => Err(OpenError::Foreign(name)),
        _ => Ok(applied),
    }
}

async fn names(connection: &DatabaseConnection, sql: &str) -> Result<Vec<String>, DbErr> {
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}

/// What was in the way at a PostgreSQL, with where it is and what helps.
fn explained(url: &DatabaseUrl, error: OpenError) -> OpenError {
    match (error, postgres::options(url)) {
        (OpenError::Unusable(error), Ok(options)) => OpenError::Server(reason::of(&options, &error)),
        (error, _) => error,
    }
}

/// SQLite's write-ahead log, which is there while somebody has the database open, or when nobody closed it.
fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
