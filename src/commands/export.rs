//! `metrograph export`: writes the whole history as lines, also while servers run on it.

use std::{fs::File, io, time::Duration};

use crate::{
    config::{ExportCommand, Settings, StorageSettings},
    db::{Database, OpenError},
    transfer::{ExportError, export},
};

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The database can't be opened.
    #[error(transparent)]
    Unusable(#[from] OpenError),
    /// It ended early.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The file can't be created.
    #[error("--output: the file can't be written: {0}")]
    File(io::Error),
    /// The database does not exist.
    #[error("--database-url: there is no database of Metrograph at {0}: give the server's")]
    Missing(String),
}

/// Maximum time of a query.
const READ_TIMEOUT: Duration = Duration::from_mins(10);

/// Runs the command.
pub(crate) async fn print_result(command: &ExportCommand, settings: &Settings) -> Result<(), String> {
    run(command, settings).await.map_err(|error| settings.named(&error))
}

async fn run(command: &ExportCommand, settings: &Settings) -> Result<(), CommandError> {
    let (url, storage) = (&settings.database_url, StorageSettings { read_only: true, ..settings.storage.clone() });
    if !Database::is_there(url, &storage).await? {
        return Err(CommandError::Missing(url.shown().to_owned()));
    }
    let database = Database::open(url, &storage, READ_TIMEOUT).await?;
    let exported = match &command.output {
        Some(path) => match File::create(path) {
            Ok(file) => export(&database.store, file).await.map_err(CommandError::from),
            Err(error) => Err(CommandError::File(error)),
        },
        None => match export(&database.store, io::stdout()).await {
            // Such as that of `head`.
            Err(ExportError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done.map_err(CommandError::from),
        },
    };
    database.close().await.map_err(OpenError::Unusable)?;
    exported
}
