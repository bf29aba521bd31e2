//! Opens the database and brings its tables up to date. The only file that tells the engines apart by their names.

mod notices;

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use entity::{
    direct::{Connection, Counter, Pool},
    source::{Reader, Writer},
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::config::DatabaseUrl;
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
    url: DatabaseUrl,
    statements: Counter,
}

impl Database {
    /// Opens what `url` names, and runs the migrations that it lacks. A statement that reads may take `longest_read`.
    ///
    /// # Errors
    /// A database that can't be used.
    pub async fn open(url: &DatabaseUrl, longest_read: Duration) -> Result<Self, OpenError> {
        refuse_others(url).await?;
        let statements = Counter::default();
        let connection = connect(url, 1, None, &statements).await?;
        migrate(&connection).await?;
        connection.close().await?;
        let connections = std::thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2)) * 2;
        let read = async |connections| match url.sqlite_file() {
            Some(file) => Pool::open(&file, PRAGMAS, connections, &statements).map(Reader::Direct),
            None => connect(url, connections, Some(longest_read), &statements).await.map(Reader::Orm),
        };
        let (reader, access) = (read(connections).await?, read(1).await?);
        Ok(Self { reader, access, url: url.clone(), statements })
    }

    /// Whether a server has been on what `url` names: it is there, with our tables in it. Nothing is written.
    ///
    /// # Errors
    /// A database that can't be used.
    pub async fn is_there(url: &DatabaseUrl) -> Result<bool, OpenError> {
        refuse_others(url).await
    }

    /// The connection that writes, for the committer alone. SQLite has one writer, and waiting for it in our own queue is cheaper
    /// than in SQLite's busy handler.
    ///
    /// # Errors
    /// The database's.
    pub async fn writer(&self) -> Result<Writer, DbErr> {
        Ok(match self.url.sqlite_file() {
            Some(file) => {
                // The pages that inserts come back to: those of variants and their counters, above all.
                let pragmas = format!("{PRAGMAS}; PRAGMA cache_size = -32000");
                Writer::Direct(Connection::open(&file, &pragmas, Counter::clone(&self.statements))?)
            }
            None => Writer::Orm(connect(&self.url, 1, None, &self.statements).await?),
        })
    }

    /// What servers on the same database say in `channel`; `None` on SQLite, which has one server.
    ///
    /// # Errors
    /// The database's.
    pub async fn notices(&self, channel: &'static str) -> Result<Option<Notices>, DbErr> {
        match self.url.sqlite_file() {
            Some(_) => Ok(None),
            None => Notices::open(&self.url, channel).await.map(Some),
        }
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
        self.access.close().await?;
        self.reader.close().await
    }
}

/// How each connection to SQLite is set. A commit that was answered survives a power cut (`synchronous`). The log is folded into
/// the file in larger pieces: most pages that an insert touches are touched again by the next ones; 20,000 pages are 80 MB.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 20000; PRAGMA mmap_size = 2147418112; \
    PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY";

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
    connection.execute_unprepared("SELECT pg_advisory_lock(7309940282)").await?;
    Migrator::up(connection, None).await?;
    connection.execute_unprepared("SELECT pg_advisory_unlock(7309940282)").await.map(drop)
}

async fn connect(
    url: &DatabaseUrl,
    connections: u32,
    longest_statement: Option<Duration>,
    statements: &Counter,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url.as_str());
    options
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .sqlx_logging(false)
        // A connection to a server may have ended while it was idle; asking each time would cost as much as a small query.
        .test_before_acquire_if_idle_for(Duration::from_secs(1))
        // Whoever comes second waits while the first fills new tables from old ones.
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite.busy_timeout(Duration::from_mins(10)).pragma("journal_mode", "WAL").pragma("synchronous", "FULL")
        });
    if let Some(longest) = longest_statement {
        // A server does not notice by itself that nobody waits for a statement any more.
        options.statement_timeout(longest);
    }
    if connections == 1 {
        // A batch of many clients is not lost to a connection that ended a moment ago.
        options.test_before_acquire(true);
    }
    let mut connection = sea_orm::Database::connect(options).await?;
    let statements = Counter::clone(statements);
    connection.set_metric_callback(move |_| {
        statements.fetch_add(1, Ordering::Relaxed);
    });
    Ok(connection)
}

/// Looks before anything is written: opening for writing would already change the file. Gives whether our tables are there.
async fn refuse_others(url: &DatabaseUrl) -> Result<bool, OpenError> {
    let (look, tables) = match url.sqlite_file() {
        Some(file) if !file.exists() => return Ok(false),
        Some(file) => {
            // With a write-ahead log, even a reader leaves files behind, unless the file is said not to change.
            let at_rest = if log_of(&file).exists() { "" } else { "&immutable=true" };
            let look = format!("{}?mode=ro{at_rest}", url.without_parameters());
            (look, "SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        None => (
            url.as_str().to_owned(),
            "SELECT table_name::text AS name FROM information_schema.tables \
             WHERE table_schema = ANY (current_schemas(false))",
        ),
    };
    let mut options = ConnectOptions::new(look);
    options.max_connections(1).connect_timeout(Duration::from_secs(10)).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await?;
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), tables)).await?;
    connection.close().await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?;
    if names.iter().any(|name| name == "TEST_METRICS") {
        return Err(OpenError::MonitorServer);
    }
    let is_ours = names.iter().any(|name| name == "seaql_migrations");
    match names.into_iter().find(|name| migration::tables().any(|table| table == name)) {
        Some(name) if !is_ours => Err(OpenError::Foreign(name)),
        _ => Ok(is_ours),
    }
}

/// SQLite's write-ahead log, which is there while somebody has the database open, or when nobody closed it.
fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
