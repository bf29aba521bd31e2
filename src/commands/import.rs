//! `metrograph import`: brings what other programs, or another Metrograph, have stored into the database.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use crate::{
    commands::{failure::Failure, output::print, progress::Bar},
    config::{ImportCommand, Settings, StorageSettings},
    db::{Database, OpenError},
    ingest::{BranchRules, Ingest},
    transfer::{CopyError, DryRun, Local, Origin, SourceError, Summary, Target, copy},
};

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    /// A source can't be read.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// The database can't be opened.
    #[error(transparent)]
    Unusable(#[from] OpenError),
    /// A server has the file open.
    #[error(
        "--database-url: process {0} has {1} open: stop it first or, if it is a server, send the source to it: metrograph push SOURCE \
         --to URL"
    )]
    InUse(i32, String),
    /// The source is where it would go.
    #[error("{0}: it is the database of --database-url itself: give another one")]
    Same(String),
    /// It ended early.
    #[error("{reason}; until then {summary}")]
    Failed {
        /// The reason.
        reason: CopyError,
        /// What was stored.
        summary: Summary,
    },
    /// Standard output.
    #[error("standard output: {0}")]
    Output(String),
}

/// The exit code if rows were left out.
const LEFT_OUT: u8 = 1;
/// Maximum time of a query.
const READ_TIMEOUT: Duration = Duration::from_mins(10);

/// Runs the command and prints what it stored.
pub(crate) async fn print_result(command: &ImportCommand, settings: &Settings) -> Result<(), Failure> {
    let summary = run(command, settings).await.map_err(|error| settings.named(&error))?;
    if summary.refused > 0 { Err(Failure::Ended(LEFT_OUT)) } else { Ok(()) }
}

async fn run(command: &ImportCommand, settings: &Settings) -> Result<Summary, ImportError> {
    let url = &settings.database_url;
    if settings.storage.read_only && !command.dry_run {
        return Err(OpenError::ReadOnly.into());
    }
    if !command.dry_run
        && let Some(process) = Database::user(url)
    {
        return Err(ImportError::InUse(process, url.shown().to_owned()));
    }
    let mut origins = Vec::with_capacity(command.sources.len());
    for source in &command.sources {
        let origin = Origin::of(source).await?;
        if origin.is_at(url) {
            return Err(ImportError::Same(origin.name));
        }
        origins.push(origin);
    }
    if command.dry_run {
        let storage = StorageSettings { read_only: true, ..settings.storage.clone() };
        let is_there = Database::is_there(url, &storage).await?;
        let database = if is_there { Some(Database::open(url, &storage, READ_TIMEOUT).await?) } else { None };
        let summary = copy_all(origins, &mut DryRun::of(database.as_ref()), "would be ").await;
        if let Some(database) = database {
            database.close().await.map_err(OpenError::Unusable)?;
        }
        return summary;
    }
    let database = Database::open(url, &settings.storage, READ_TIMEOUT).await?;
    let branch_tags = settings.branch_tags.iter().map(|tag| tag.as_str().to_owned());
    let (ingest, committer) =
        Ingest::start(&database, BranchRules::of_tags(branch_tags.collect()), READ_TIMEOUT).await?;
    let summary = copy_all(origins, &mut Local { database: &database, ingest: &ingest }, "").await;
    drop(ingest);
    // Readers first, so that SQLite can fold the log into the file.
    let closed = database.close().await;
    committer.finish().await;
    closed.map_err(OpenError::Unusable)?;
    summary
}

/// Copies all sources, and prints what became of each.
async fn copy_all(origins: Vec<Origin>, target: &mut impl Target, would: &str) -> Result<Summary, ImportError> {
    let mut total = Summary::default();
    let is_one = origins.len() == 1;
    for origin in origins {
        let (name, kind) = (origin.name.clone(), origin.kind());
        let mut summary = Summary::default();
        let copied = copy(origin, target, &mut Bar::of(&name), &mut summary).await;
        // Standard error is closed, so nothing can be reported.
        let _ = io::stderr().write_all(summary.shown_refusals().as_bytes());
        match copied {
            Ok(()) => {
                print(&format!("{name} ({kind}): {}\n", summary.shown(would))).map_err(ImportError::Output)?;
                total.add(summary);
            }
            Err(reason) => {
                total.add(summary);
                return Err(ImportError::Failed { reason, summary: total });
            }
        }
    }
    if !is_one {
        print(&format!("All together: {}\n", total.shown(would))).map_err(ImportError::Output)?;
    }
    Ok(total)
}
