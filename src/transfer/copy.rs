//! Copies a source into a target.

use std::time::Instant;

use crate::{
    error::Error,
    transfer::{
        record::Part,
        source::{Origin, SourceError},
        summary::Summary,
        target::Target,
    },
};

/// Shows how far a source has been read.
pub(crate) trait Progress {
    /// Begins a source of this length, if that is clear.
    fn begin(&mut self, length: Option<u64>);
    /// The source has been read to here.
    fn advance(&mut self, position: u64);
    /// The source has ended.
    fn end(&mut self);
}

/// Why copying ended early. What was stored stays so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// The source can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The target stores nothing more.
    #[error("{0}")]
    Target(#[from] Error),
}

/// Copies what is missing from `origin` to `target`, and notes in `summary` what became of it.
///
/// # Errors
/// [`CopyError`].
pub(crate) async fn copy(
    origin: Origin,
    target: &mut impl Target,
    progress: &mut (dyn Progress + Send),
    summary: &mut Summary,
) -> Result<(), CopyError> {
    let began = Instant::now();
    let mut reading = origin.read();
    progress.begin(reading.length);
    let copied = loop {
        let Part { contexts, sessions, metrics, refusals, position } = match reading.parts.recv().await {
            Some(Ok(part)) => part,
            Some(Err(error)) => break Err(error.into()),
            None => break Ok(()),
        };
        summary.contexts += contexts.len() as u64;
        summary.sessions += sessions.len() as u64;
        for refusal in refusals {
            summary.refuse(refusal);
        }
        let stored = async {
            target.contexts(contexts).await?;
            for refusal in target.sessions(sessions).await? {
                summary.sessions -= 1;
                summary.refuse(refusal);
            }
            target.metrics(metrics).await
        };
        match stored.await {
            Ok(missing) => {
                summary.stored += missing.stored;
                summary.present += missing.present;
            }
            Err(error) => break Err(error.into()),
        }
        progress.advance(position);
    };
    progress.end();
    summary.time += began.elapsed();
    copied
}
