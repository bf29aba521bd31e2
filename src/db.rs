//! Opens the database and runs its migrations.

mod copy;
mod file;
mod in_use;
mod migrations;
pub(crate) mod notification_listener;
mod open_error;
mod postgres;
mod reason;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use entity::{
    driver::{
        executor::{Reader, Writer},
        file::File,
        rusqlite::{Connection, Counter},
        source::Source as _,
    },
    history::{History, Sizes},
    query::Store,
};
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query},
};
use sqlx::PgPool;

use crate::config::{DatabaseUrl, DirectUrl, SegmentSizes, StorageSettings};
pub(crate) use copy::{CopyError, Partial, copy, sync_folder};
pub(crate) use file::is_open_elsewhere;
use notification_listener::NotificationListener;
pub use open_error::OpenError;

/// See [`Database::replaced_grace`]: longer than a scan takes.
const REPLACED_GRACE: Duration = Duration::from_secs(5);

/// How long the connection that writes waits for the lock of a file by itself: then the committer tries again.
const WRITER_LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// An open database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Reads for requests: on SQLite several connections, which see the last commit while another one writes.
    pub store: Store,
    /// Reads tokens, on a connection of its own: requests are authenticated even while all other connections are busy.
    pub access: Reader,
    /// Reads what other servers stored. Its statements are not counted.
    pub watch: Reader,
    url: DatabaseUrl,
    storage: StorageSettings,
    /// The file, on SQLite.
    file: Option<Arc<File>>,
    statements: Counter,
}

impl Database {
    /// Opens the database at `url`, and runs missing migrations. `longest_read` is the timeout of statements that read.
    ///
    /// # Errors
    /// A database that can't be used.
    pub async fn open(url: &DatabaseUrl, storage: &StorageSettings, longest_read: Duration) -> Result<Self, OpenError> {
        let (statements, uncounted) = (Counter::default(), Counter::default());
        let (url, storage) = (url.clone(), storage.clone());
        if let Some(path) = url.sqlite_file() {
            let is_lacking = migrations::is_lacking(&url, storage.read_only).await?;
            let counters = [&statements, &uncounted];
            let (file, readers) = file::open(&url, &path, is_lacking, storage.read_only, counters).await?;
            let [reader, access, watch] = readers;
            let store = store(reader, &storage);
            return Ok(Self { store, access, watch, url, storage, file: Some(file), statements });
        }
        let (look, read) =
            open_postgres(&url, &storage, longest_read).await.map_err(|error| postgres::explained(&url, error))?;
        let sessions = postgres::sessions(&storage, longest_read);
        let reader = |pool, statements| Reader::Orm(postgres::counted(pool, statements), sessions.clone());
        Ok(Self {
            store: store(reader(read, &statements), &storage),
            access: reader(look.clone(), &statements),
            watch: reader(look, &uncounted),
            url,
            storage,
            file: None,
            statements,
        })
    }

    /// Returns where it is.
    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Returns the process that has the file open, if there is one and the system tells. It must be asked before this process opens
    /// the file. On PostgreSQL, which several processes may use, there is none.
    pub(crate) fn user(url: &DatabaseUrl) -> Option<i32> {
        in_use::user(&url.sqlite_file()?)
    }

    /// Whether nothing is stored.
    pub(crate) fn is_read_only(&self) -> bool {
        self.storage.read_only
    }

    /// Whether metrics stay rows after they were sealed.
    pub(crate) fn keeps_rows(&self) -> bool {
        self.storage.keep_rows.unwrap_or(self.file.is_none())
    }

    /// How long the columns of a segment that was replaced stay for those who read them.
    pub(crate) fn replaced_grace(&self) -> Duration {
        self.storage.replaced_grace.unwrap_or(REPLACED_GRACE)
    }

    /// Checks that a file is still where it was opened.
    ///
    /// # Errors
    /// What became of the file, and what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.access.check().map_err(|error| error.to_string())
    }

    /// Returns the number of open connections for reading, and of those that no statement uses.
    pub(crate) fn connections(&self) -> (usize, usize) {
        self.store.reader.connections()
    }

    /// Returns the size of a file's write-ahead log in bytes; `None` where there is no file.
    pub(crate) fn log_bytes(&self) -> Option<u64> {
        let file = self.file.as_ref()?;
        Some(std::fs::metadata(file::log_of(file.path())).map_or(0, |found| found.len()))
    }

    /// Checks that it answers a small query.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn ping(&self) -> Result<(), DbErr> {
        self.access
            .number(&Query::select().expr(Expr::col("last_metric_id").max()).from("history").take())
            .await
            .map(drop)
    }

    /// The error to show if it fails while the server starts.
    pub(crate) fn unusable(&self, error: DbErr) -> OpenError {
        match &self.file {
            Some(file) => file::unusable(file.path(), &error),
            None => postgres::explained(&self.url, OpenError::Unusable(error)),
        }
    }

    /// Whether there is a database with our tables at `url`. Nothing is written.
    ///
    /// # Errors
    /// A database that can't be used.
    pub(crate) async fn is_there(url: &DatabaseUrl, storage: &StorageSettings) -> Result<bool, OpenError> {
        if url.sqlite_file().is_some_and(|path| !path.exists()) {
            return Ok(false);
        }
        let url = storage.direct_url.as_ref().map_or(url, DirectUrl::url);
        let applied =
            migrations::applied(url, storage.read_only).await.map_err(|error| postgres::explained(url, error))?;
        Ok(applied.is_some())
    }

    /// Opens the connection that writes, which only the committer has. SQLite has one writer, and waiting for it in our own queue is
    /// cheaper than in SQLite's busy handler.
    ///
    /// # Errors
    /// The database's; read-only mode.
    pub(crate) async fn writer(&self) -> Result<Writer, OpenError> {
        if self.is_read_only() {
            return Err(OpenError::ReadOnly);
        }
        let Some(file) = &self.file else {
            let pool = postgres::writer(&self.url, &self.storage).await;
            let connection =
                postgres::counted(pool.map_err(|error| postgres::explained(&self.url, error))?, &self.statements);
            return Ok(Writer::Orm(connection, postgres::sessions(&self.storage, Duration::ZERO)));
        };
        // Enough for the pages that inserts touch again and again, above all those of variants and their counters.
        let patience = WRITER_LOCK_TIMEOUT.as_millis();
        let pragmas = format!("{}; PRAGMA cache_size = -32000; PRAGMA busy_timeout = {patience}", file::PRAGMAS);
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
        NotificationListener::connect(url).await.map(Some).map_err(|error| postgres::explained(url, error.into()))
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
        self.store.reader.close().await
    }
}

/// Adds the history, which is not read yet.
fn store(reader: Reader, storage: &StorageSettings) -> Store {
    let SegmentSizes { page, segment } = storage.segments;
    Store { reader, history: Arc::new(History::new(Sizes { page, segment })) }
}

/// Checks the database, runs missing migrations, and opens two pools for reading: one has a single connection, which stays free while all
/// connections of the other are busy.
async fn open_postgres(
    url: &DatabaseUrl,
    storage: &StorageSettings,
    longest_read: Duration,
) -> Result<(PgPool, PgPool), OpenError> {
    let connections = storage.connections.unwrap_or_default();
    postgres::look(url, connections.total()).await?;
    if let Some(direct) = &storage.direct_url {
        let direct = direct.url();
        migrations::prepare(direct, storage.read_only).await.map_err(|error| postgres::explained(direct, error))?;
        return Ok((postgres::shared(url, 1).await?, postgres::shared(url, connections.readers()).await?));
    }
    migrations::prepare(url, storage.read_only).await?;
    Ok((
        postgres::pool(url, 1, Some(longest_read)).await?,
        postgres::pool(url, connections.readers(), Some(longest_read)).await?,
    ))
}
