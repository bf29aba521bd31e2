//! What became of one piece of work, and the one who waits for it.

use entity::table::{execution_context, metric};

use super::{Announced, Latest, Recorded, Waiting, Work};
use crate::error::{Code, Error};

/// What the transaction says of one piece of work; told once it is committed.
pub(super) enum Outcome {
    Metrics(Vec<Inserted>),
    Session(Result<Announced, Error>),
    Context(execution_context::Model),
    TokenUse,
    Doubt,
}

/// A metric that was stored, with the keys of what it measures.
pub(super) struct Inserted {
    pub row: metric::Model,
    pub item_id: i64,
    pub component_id: i64,
}

impl Outcome {
    /// The greatest numbers that it has.
    pub fn latest(&self) -> Latest {
        match self {
            Self::Metrics(rows) => Latest { metric: rows.last().map_or(0, |last| last.row.id), ..Latest::default() },
            Self::Session(Ok(announced)) => {
                Latest { session: announced.row.announced.unwrap_or_default(), ..Latest::default() }
            }
            Self::Session(Err(_)) | Self::Context(_) | Self::TokenUse | Self::Doubt => Latest::default(),
        }
    }
}

/// Whoever asked may have gone away; the rows are stored all the same.
pub(super) fn answer(Waiting { work, place }: Waiting, outcome: Result<Outcome, Error>) {
    match (work, outcome) {
        (Work::Metrics(metrics, answer), Ok(Outcome::Metrics(rows))) => {
            let recorded = metrics.into_iter().zip(rows);
            let recorded = recorded.map(|(sent, Inserted { row, item_id, component_id })| Recorded {
                sent,
                row,
                item_id,
                component_id,
            });
            _ = answer.send(Ok(recorded.collect()));
        }
        (Work::Session(_, answer), Ok(Outcome::Session(announced))) => _ = answer.send(announced),
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
