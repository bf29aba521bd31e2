//! `metrograph backup`: a verified copy of a SQLite database, also while its server runs.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    commands::check,
    config::{BackupCommand, CheckCommand, DatabaseUrl, Settings, StorageSettings, quoted},
    db::{CopyError, Partial, copy},
};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// PostgreSQL has its own program.
    #[error(
        "--database-url: the database is on a PostgreSQL server: back it up with pg_dump --format=custom --file={0}{1}"
    )]
    Postgres(String, String),
    /// Something has that name.
    #[error("TO: {} is there already, and stays as it is: give the name of a new file", .0.display())]
    Taken(PathBuf),
    /// There is no such folder.
    #[error("TO: the folder of {} does not exist: create it first", .0.display())]
    NoFolder(PathBuf),
    /// The database does not exist, or can't be copied.
    #[error("{0}: nothing was backed up")]
    NotCopied(String),
    /// The copy is not sound.
    #[error("--database-url: nothing was backed up, since the copy is not in order: {0}")]
    Unsound(String),
}

impl From<CopyError> for BackupError {
    fn from(error: CopyError) -> Self {
        let reason = error.to_string();
        let is_named = reason.starts_with("--") || matches!(error, CopyError::File(..));
        Self::NotCopied(if is_named { reason } else { format!("--database-url: {reason}") })
    }
}

/// Runs the command and prints what it made.
pub(crate) async fn print_result(command: &BackupCommand, settings: &Settings) -> Result<(), String> {
    let note = run(command, &settings.database_url, &settings.storage).await;
    let note = note.map_err(|error| settings.named(&error))?;
    // Standard error is closed, so nothing can be reported.
    let _ = io::stderr().write_all(note.as_bytes());
    Ok(())
}

/// Backs up the database at `url`, and returns what was made, in words.
///
/// # Errors
/// [`BackupError`]; then there is no file under the name.
pub async fn run(command: &BackupCommand, url: &DatabaseUrl, storage: &StorageSettings) -> Result<String, BackupError> {
    let to = &command.to;
    let Some(from) = url.sqlite_file() else {
        let file = quoted(&to.to_string_lossy());
        return Err(BackupError::Postgres(file, url.arguments_of_postgres()));
    };
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Taken(to.clone()));
    }
    if !to.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
        return Err(BackupError::NoFolder(to.clone()));
    }
    if !from.exists() {
        return Err(CopyError::Missing(url.shown().to_owned()).into());
    }
    let partial = Partial::of(to, &from)?;
    let verified = if copy(url, partial.path()).await? {
        verified(partial.path(), storage).await.map_err(BackupError::Unsound)?
    } else {
        "its tables are those of an older version, so its counters were not checked".to_owned()
    };
    let bytes = fs::metadata(partial.path()).map_or(0, |found| found.len());
    partial.complete(false)?;
    Ok(format!("{} was backed up to {}: {bytes} bytes; {verified}.\n", url.shown(), to.display()))
}

/// Checks a copy, and returns what it holds, in words.
pub(super) async fn verified(copy: &Path, storage: &StorageSettings) -> Result<String, String> {
    let url = DatabaseUrl::of_file(copy)?;
    let storage = StorageSettings { read_only: true, direct_url: None, ..storage.clone() };
    let checked =
        check::run(CheckCommand { repair: false }, &url, &storage).await.map_err(|error| error.to_string())?;
    if checked.is_right {
        return Ok(format!("{} metrics were read back, and nothing is wrong", checked.metrics));
    }
    let first = checked.output.result.lines().next().unwrap_or_default().to_owned();
    Err(format!("{first}: run metrograph check --repair first"))
}
