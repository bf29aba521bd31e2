//! Opens the database and brings its tables up to date. The only file that tells the engines apart by their names.

mod file;
mod notices;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use entity::{
    direct::{Connection, Counter},
    file::File,
    source::{Reader, Source as _, Writer},
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbErr, Statement,
    sea_query::{Expr, ExprTrait as _, Query},
};

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
    /// A newer version of this program has changed it, by this migration.
    #[error(
        "--database-url: the database was changed by a newer metrograph ({0}): start that one, or give another database"
    )]
    Newer(String),
    /// Its file can't be used as it is.
    #[error("--database-url: {}: {}", .0.display(), .1)]
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
    url: DatabaseUrl,
    /// Where it is a file.
    file: Option<Arc<File>>,
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
        let connections = std::thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2)) * 2;
        let (file, [reader, access]) = if let Some(path) = url.sqlite_file() {
            let (file, readers) = file::open(url, &path, connections, &statements).await?;
            (Some(file), readers)
        } else {
            let connection = connect(url, 1, None, &statements).await?;
            migrate(&connection).await?;
            connection.close().await?;
            let read = async |connections| connect(url, connections, Some(longest_read), &statements).await;
            (None, [read(connections).await?, read(1).await?].map(Reader::Orm))
        };
        Ok(Self { reader, access, url: url.clone(), file, statements })
    }

    /// Whether it is where it was opened, where it is a file.
    ///
    /// # Errors
    /// What became of the file, and what to do.
    pub fn look(&self) -> Result<(), String> {
        self.access.check().map_err(|astray| astray.to_string())
    }

    /// Whether it answers: a small question is asked of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn ask(&self) -> Result<(), DbErr> {
        self.access.number(&Query::select().expr(Expr::col("id").max()).from("metric").take()).await.map(drop)
    }

    /// What to say where it fails while the server starts.
    pub fn unusable(&self, error: DbErr) -> OpenError {
        match &self.file {
            Some(file) => file::unusable(file.path(), &error),
            None => OpenError::Unusable(error),
        }
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
        Ok(match &self.file {
            Some(file) => {
                // The pages that inserts come back to: those of variants and their counters, above all.
                let pragmas = format!("{}; PRAGMA cache_size = -32000", file::PRAGMAS);
                Writer::Direct(Connection::open(file, &pragmas, Counter::clone(&self.statements))?)
            }
            None => Writer::Orm(connect(&self.url, 1, None, &self.statements).await?),
        })
    }

    /// What servers on the same database say in `channel`; `None` on SQLite, which has one server.
    ///
    /// # Errors
    /// The database's.
    pub async fn notices(&self, channel: &'static str) -> Result<Option<Notices>, DbErr> {
        match self.file {
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

/// Runs the migrations that are lacking. Servers that start together take turns by a lock, which belongs to this one connection.
async fn migrate(connection: &DatabaseConnection) -> Result<(), DbErr> {
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
        .test_before_acquire_if_idle_for(Duration::from_secs(1));
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

/// Looks before anything is written. Gives whether our tables are there.
async fn refuse_others(url: &DatabaseUrl) -> Result<bool, OpenError> {
    let Some(path) = url.sqlite_file() else {
        let mut options = ConnectOptions::new(url.as_str());
        options.max_connections(1).connect_timeout(Duration::from_secs(10)).sqlx_logging(false);
        let connection = sea_orm::Database::connect(options).await?;
        let tables = "SELECT table_name::text AS name FROM information_schema.tables \
            WHERE table_schema = ANY (current_schemas(false))";
        let judged = judge(&connection, tables).await?;
        connection.close().await?;
        return judged;
    };
    let Some(connection) = file::look(url, &path).await? else { return Ok(false) };
    let judged = judge(&connection, file::TABLES).await.map_err(|error| file::refused(&path, &error))?;
    connection.close().await.map_err(|error| file::refused(&path, &error))?;
    judged.map_err(|error| match error {
        OpenError::Newer(step) => file::newer(&path, &step),
        other => other,
    })
}

/// Whether it is ours, if it has tables at all, and not ahead of us. `tables` asks for the names of its tables.
async fn judge(connection: &DatabaseConnection, tables: &str) -> Result<Result<bool, OpenError>, DbErr> {
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
        return Ok(foreign.map_or(Ok(false), |table| Err(OpenError::Foreign(table.to_owned()))));
    }
    let known: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let taken = names("SELECT version FROM seaql_migrations ORDER BY version", "version").await?;
    let unknown = taken.into_iter().find(|step| !known.contains(step));
    Ok(unknown.map_or(Ok(true), |step| Err(OpenError::Newer(step))))
}
