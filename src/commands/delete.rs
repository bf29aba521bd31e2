//! `metrograph delete`: deletes sessions from the database, also while servers run on it.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use entity::{announced, list::Slice, query::Query as _, table::session};
use sea_orm::DbErr;

use crate::{
    commands::{output::print, token::Output},
    config::{Connections, DatabaseUrl, DeleteCommand, Settings, StorageSettings},
    db::{Database, OpenError},
    graphql::session_filter,
    ingest::{Audited, Deleted, Incomplete, Ingest},
};

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The database cannot be opened.
    #[error(transparent)]
    Unusable(#[from] OpenError),
    /// The database failed later.
    #[error("--database-url: the database failed: {0}")]
    Database(#[from] DbErr),
    /// The database does not exist.
    #[error("--database-url: there is no database of Metrograph at {0}: give the server's")]
    Missing(String),
    /// No session has such a hash.
    #[error("--session: no session is called {0}: nothing was deleted")]
    Unknown(String),
    /// The filter makes no sense.
    #[error("{0}")]
    Filter(String),
    /// The runs have no session.
    #[error("--run: no session matches {0}: nothing was deleted")]
    NoneMatches(String),
    /// Some sessions were deleted, or none.
    #[error("{reason}; {} before that", summary("deleted", .deleted))]
    Failed {
        /// The reason.
        reason: String,
        /// What was deleted.
        deleted: Deleted,
    },
    /// They are deleted, and something is left of them in the database.
    #[error("{0}: the sessions are deleted, but take space until a server or the next deletion has cleared them away")]
    NotCleared(String),
}

/// Maximum time of a query.
const READ_TIMEOUT: Duration = Duration::from_mins(10);

/// Runs the command and prints what it deleted.
pub(crate) async fn print_result(command: &DeleteCommand, settings: &Settings) -> Result<(), String> {
    let output = run(command, &settings.database_url, &settings.storage).await;
    let output = output.map_err(|error| settings.named(&error))?;
    print(&output.result)?;
    // Standard error is closed, so nothing can be reported.
    let _ = io::stderr().write_all(output.note.as_bytes());
    Ok(())
}

/// Deletes sessions from the database at `url`, with as few connections as possible.
///
/// # Errors
/// [`DeleteError`].
pub async fn run(command: &DeleteCommand, url: &DatabaseUrl, storage: &StorageSettings) -> Result<Output, DeleteError> {
    if storage.read_only && !command.dry_run {
        return Err(OpenError::ReadOnly.into());
    }
    if !Database::is_there(url, storage).await? {
        return Err(DeleteError::Missing(url.shown().to_owned()));
    }
    let storage = StorageSettings { connections: Some(Connections::MIN), ..storage.clone() };
    let database = Database::open(url, &storage, READ_TIMEOUT).await?;
    let done = match sessions(&database, command).await {
        Ok(sessions) if command.dry_run => Ok((sessions, None)),
        Ok(sessions) => delete(&database, &sessions, command).await.map(|deleted| (sessions, Some(deleted))),
        Err(error) => Err(error),
    };
    database.close().await?;
    let (sessions, deleted) = done?;
    let result = sessions.iter().map(line).collect();
    let metrics = sessions.iter().map(|session| session.metric_count.unsigned_abs()).sum();
    let note = match deleted {
        Some(deleted) => summary("deleted", &deleted),
        None => summary("would be deleted", &Deleted { sessions: sessions.len() as u64, metrics }),
    };
    Ok(Output { result, note: format!("{note} from {}.\n", url.shown()) })
}

/// Returns the sessions to delete, each once.
async fn sessions(database: &Database, command: &DeleteCommand) -> Result<Vec<session::Model>, DeleteError> {
    if command.sessions.is_empty() {
        let filter = session_filter(&subject(command)).map_err(|error| DeleteError::Filter(error.message))?;
        let found = session::Entity::rows(&database.store, &Slice::all(filter)).await?;
        return if found.is_empty() && command.filter.is_none() {
            Err(DeleteError::NoneMatches(subject(command)))
        } else {
            Ok(found)
        };
    }
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for hash in &command.sessions {
        match announced::by_hash::<session::Entity>(&database.store, hash).await? {
            Some(session) if found.contains(&session) => {}
            Some(session) => found.push(session),
            None => unknown.push(format!("'{hash}'")),
        }
    }
    if unknown.is_empty() { Ok(found) } else { Err(DeleteError::Unknown(unknown.join(", "))) }
}

async fn delete(
    database: &Database,
    sessions: &[session::Model],
    command: &DeleteCommand,
) -> Result<Deleted, DeleteError> {
    let (ingest, committer) = Ingest::of_command(database).await?;
    let audited = Audited { token: None, subject: subject(command) };
    let failed = |Incomplete { error, deleted }| DeleteError::Failed { reason: error.message, deleted };
    let deleted = match ingest.delete_sessions(&database.store, sessions, &audited).await.map_err(failed) {
        Ok(deleted) => {
            let cleared = ingest.clear_deleted(&database.store, database.replaced_grace()).await;
            cleared.map(|()| deleted).map_err(DeleteError::NotCleared)
        }
        Err(error) => Err(error),
    };
    drop(ingest);
    committer.finish().await;
    deleted
}

/// Returns the filter of the sessions, as GraphQL writes it.
fn subject(command: &DeleteCommand) -> String {
    let DeleteCommand { sessions, runs, filter, .. } = command;
    // The strings of JSON are strings of GraphQL.
    let among = |name: &str, values: &[String]| format!("{{{name}: {{in: {}}}}}", serde_json::json!(values));
    match filter {
        Some(filter) => filter.clone(),
        None if runs.is_empty() => among("hash", sessions),
        None => among("run", runs),
    }
}

/// The line of a session.
fn line(session: &session::Model) -> String {
    let run_date = session.run_date().map_or("not announced".to_owned(), |date| date.to_string());
    format!("{}  {run_date}  {}\n", session.hash, counted(session.metric_count.unsigned_abs(), "metric"))
}

fn summary(what: &str, Deleted { sessions, metrics }: &Deleted) -> String {
    format!("{} with {} {what}", counted(*sessions, "session"), counted(*metrics, "metric"))
}

fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
