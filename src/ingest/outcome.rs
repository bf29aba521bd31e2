//! What became of one piece of work, and the one who waits for it.

use entity::{execution_context, metric, session};

use super::{Latest, Waiting, Work};
use crate::error::{Code, Error};

/// What the transaction says of one piece of work; told once it is committed.
pub(super) enum Outcome {
    Metrics(Vec<metric::Model>),
    Session(Result<session::Model, Error>),
    Context(execution_context::Model),
    TokenUse,
    Doubt,
}

impl Outcome {
    /// The greatest numbers that it has.
    pub fn latest(&self) -> Latest {
        match self {
            Self::Metrics(rows) => Latest { metric: rows.last().map_or(0, |row| row.id), ..Latest::default() },
            Self::Session(Ok(row)) => Latest { session: row.announced.unwrap_or_default(), ..Latest::default() },
            Self::Session(Err(_)) | Self::Context(_) | Self::TokenUse | Self::Doubt => Latest::default(),
        }
    }
}

/// Whoever asked may have gone away; the rows are stored all the same.
pub(super) fn answer(Waiting { work, place }: Waiting, outcome: Result<Outcome, Error>) {
    match (work, outcome) {
        (Work::Metrics(_, answer), Ok(Outcome::Metrics(rows))) => _ = answer.send(Ok(rows)),
        (Work::Session(_, answer), Ok(Outcome::Session(row))) => _ = answer.send(row),
        (Work::Context(_, answer), Ok(Outcome::Context(row))) => _ = answer.send(Ok(row)),
        (Work::TokenUse(..) | Work::Doubt(_), _) => {}
        (Work::Metrics(_, answer), outcome) => _ = answer.send(Err(mismatch(outcome))),
        (Work::Session(_, answer), outcome) => _ = answer.send(Err(mismatch(outcome))),
        (Work::Context(_, answer), outcome) => _ = answer.send(Err(mismatch(outcome))),
    }
    drop(place);
}

fn mismatch(outcome: Result<Outcome, Error>) -> Error {
    outcome.err().unwrap_or_else(|| Error::new(Code::Internal, "an answer belongs to another request"))
}
