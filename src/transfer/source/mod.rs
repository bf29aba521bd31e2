//! What records are read from. The kind of a source is found by looking into it, whatever its name.

mod file_tables;
mod history;
mod lines;
mod reading;
mod server_tables;
mod tables;

use std::{fs::File, io::Read as _, path::PathBuf, time::Duration};

use tokio::sync::mpsc;

use crate::{
    config::{DatabaseUrl, SourceAddress, StorageSettings},
    db::Database,
};
pub(crate) use history::NamedMetrics;
pub(super) use history::{context_of, sessions_of};
pub(crate) use reading::{Reading, SourceError};

/// Parts that are read ahead.
const PARTS_AHEAD: usize = 2;
/// Maximum time of a query of another database of Metrograph.
const READ_TIMEOUT: Duration = Duration::from_mins(10);

/// A source that was looked into.
pub(crate) struct Origin {
    /// How it was given, for messages.
    pub name: String,
    kind: Kind,
}

enum Kind {
    /// The tables of the plugin or of monitor-server in a file.
    File(PathBuf),
    /// The tables of monitor-server on a server.
    Server(DatabaseUrl),
    /// Another database of Metrograph.
    History(Box<Database>),
    /// Lines of an export.
    Lines(Option<PathBuf>),
}

impl Origin {
    /// Looks into a source.
    ///
    /// # Errors
    /// It can't be read, or is of no kind that is understood.
    pub async fn of(address: &SourceAddress) -> Result<Self, SourceError> {
        let name = address.to_string();
        let kind = match address {
            SourceAddress::Lines => Kind::Lines(None),
            SourceAddress::File(path) => of_file(path.clone(), &name).await?,
            SourceAddress::Database(url) => match url.sqlite_file() {
                Some(path) => of_file(path, &name).await?,
                None if server_tables::are_there(url).await? => Kind::Server(url.clone()),
                None => history_of(url.clone(), &name).await?,
            },
        };
        Ok(Self { name, kind })
    }

    /// Whether it is the database at `url` itself.
    pub fn is_at(&self, url: &DatabaseUrl) -> bool {
        let real = |path: &PathBuf| path.canonicalize().ok();
        match (&self.kind, url.sqlite_file()) {
            (Kind::History(database), Some(target)) => {
                database.url().sqlite_file().is_some_and(|path| real(&path).is_some() && real(&path) == real(&target))
            }
            (Kind::History(database), None) => database.url() == url,
            _ => false,
        }
    }

    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match &self.kind {
            Kind::File(_) => "tables of pytest-monitor or monitor-server",
            Kind::Server(_) => "tables of monitor-server",
            Kind::History(_) => "a database of Metrograph",
            Kind::Lines(_) => "an export",
        }
    }

    /// Begins to read it.
    pub fn read(self) -> Reading {
        let Self { name, kind } = self;
        let (sender, parts) = mpsc::channel(PARTS_AHEAD);
        let length = match kind {
            Kind::File(path) => {
                let length = file_tables::length(&path);
                tokio::task::spawn_blocking(move || file_tables::read(&path, &name, &sender));
                length
            }
            Kind::Server(url) => {
                tokio::spawn(async move { server_tables::read(&url, &name, &sender).await });
                None
            }
            Kind::History(database) => {
                tokio::spawn(async move { history::read(*database, &name, &sender).await });
                None
            }
            Kind::Lines(path) => {
                let length = path.as_ref().and_then(|path| path.metadata().ok()).map(|found| found.len());
                tokio::task::spawn_blocking(move || lines::read(path.as_deref(), &name, &sender));
                length
            }
        };
        Reading { parts, length }
    }
}

/// Looks into a file.
async fn of_file(path: PathBuf, name: &str) -> Result<Kind, SourceError> {
    let unreadable = |reason: &str| SourceError::Unreadable(name.to_owned(), reason.to_owned());
    let found = path.metadata().map_err(|error| unreadable(&error.to_string()))?;
    if found.is_dir() {
        return Err(unreadable("it is a folder: give the path of a file"));
    }
    if !found.is_file() {
        // A pipe.
        return Ok(Kind::Lines(Some(path)));
    }
    let mut start = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(64).read_to_end(&mut start));
    read.map_err(|error| unreadable(&error.to_string()))?;
    if start.is_empty() {
        return Err(unreadable("it is empty"));
    }
    if start.trim_ascii_start().starts_with(b"{") {
        return Ok(Kind::Lines(Some(path)));
    }
    if !file_tables::is_database(&start) {
        return Err(unreadable(
            "it is none of a file of pytest-monitor, a database of monitor-server or Metrograph, and an export: give one of these",
        ));
    }
    if file_tables::are_there(&path, name)? {
        return Ok(Kind::File(path));
    }
    let url = DatabaseUrl::of_file(&path).map_err(|reason| unreadable(&reason))?;
    history_of(url, name).await
}

/// Opens another database of Metrograph, which is only read.
async fn history_of(url: DatabaseUrl, name: &str) -> Result<Kind, SourceError> {
    let unusable = |error| SourceError::Unusable(name.to_owned(), error);
    let storage = StorageSettings { read_only: true, ..StorageSettings::default() };
    if !Database::is_there(&url, &storage).await.map_err(unusable)? {
        let reason = "it holds the tables of neither pytest-monitor, monitor-server nor Metrograph: give another one";
        return Err(SourceError::Unreadable(name.to_owned(), reason.to_owned()));
    }
    let database = Database::open(&url, &storage, READ_TIMEOUT).await.map_err(unusable)?;
    Ok(Kind::History(Box::new(database)))
}
