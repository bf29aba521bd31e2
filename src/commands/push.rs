//! `metrograph push`: sends what pytest-monitor has stored in files to a running server, as the last step of a CI job.

use std::io::{self, Write as _};

use crate::{
    commands::{failure::Failure, output::print, progress::Bar},
    config::{CiBuild, PushCommand},
    ingest::Defaults,
    transfer::{Client, CopyError, Origin, Remote, SourceError, Summary, copy},
};

/// Why something could not be sent.
#[derive(Debug, thiserror::Error)]
enum PushError {
    /// The client can't be created.
    #[error("{0}")]
    Client(String),
    /// A source can't be read.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// It ended early.
    #[error("{reason}; until then {summary}")]
    Failed {
        /// The reason.
        reason: CopyError,
        /// What was sent.
        summary: Summary,
    },
}

/// Runs the command. Without `--strict` it never fails.
pub(crate) async fn print_result(command: &PushCommand) -> Result<(), Failure> {
    match run(command).await {
        Ok(summary) if summary.refused > 0 && command.strict => {
            Err(Failure::Refused(format!("--strict: {} rows were left out", summary.refused)))
        }
        Ok(_) => Ok(()),
        Err(error) if command.strict => Err(Failure::Refused(error.to_string())),
        Err(error) => {
            let note = format!(
                "metrograph: warning: not everything was sent: {error}. Send it again later: nothing is stored twice\n"
            );
            // Standard error is closed, so nothing can be reported.
            let _ = io::stderr().write_all(note.as_bytes());
            Ok(())
        }
    }
}

async fn run(command: &PushCommand) -> Result<Summary, PushError> {
    let token = command.token.clone().or_else(|| command.to.token().map(str::to_owned));
    let client = Client::new(command.to.graphql(), token, command.retry.duration()).map_err(PushError::Client)?;
    let CiBuild { tags: of_ci, revision } = PushCommand::ci();
    let given = command.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone()));
    let mut tags: Vec<(String, String)> = given.collect();
    for (name, value) in of_ci {
        if !tags.iter().any(|(given, _)| *given == name) {
            tags.push((name, value));
        }
    }
    let project = command.to.project().map(str::to_owned);
    let mut remote = Remote { client, defaults: Defaults { scm_ref: revision, tags }, project };
    let mut total = Summary::default();
    for source in &command.sources {
        let origin = Origin::of(source).await?;
        let (name, kind) = (origin.name.clone(), origin.kind());
        let mut summary = Summary::default();
        let copied = copy(origin, &mut remote, &mut Bar::of(&name), &mut summary).await;
        // Standard error is closed, so nothing can be reported.
        let _ = io::stderr().write_all(summary.shown_refusals().as_bytes());
        let said = format!("{name} ({kind}): {summary}\n");
        total.add(summary);
        if let Err(reason) = copied {
            return Err(PushError::Failed { reason, summary: total });
        }
        print(&said).map_err(PushError::Client)?;
    }
    Ok(total)
}
