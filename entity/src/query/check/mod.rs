//! Checks counters and catalogue against the metrics. Servers may record meanwhile: what is compared is brought to the same key first.

mod differences;
mod structure;

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;

use crate::{
    driver::source::Source as _,
    history::{Facts, Scan, verified},
    query::Store,
};
pub use differences::{Differences, differences};
pub use structure::{dangling, numbering};

const SELECT_STATE: &str = "SELECT revision, sealed_until FROM history";

/// What was read of the whole history.
#[derive(Debug)]
pub struct Reading {
    /// What its metrics say.
    pub facts: Facts,
    /// The number of segments.
    pub segments: usize,
    /// What is damaged: with any of this, the facts are not complete.
    pub damages: Vec<String>,
    /// Where metrics are missing if the counters have more of them than there are.
    pub gaps: Vec<String>,
    /// What is wrong with the row of `history`.
    pub state: Vec<String>,
}

impl Reading {
    /// Reads and verifies every page. `None` if so much changed meanwhile that it must be read again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(db: &Store) -> Result<Option<Self>, DbErr> {
        let scan = Scan::begin(db, &db.history).await?;
        let state = db.select::<(i64, i64), 0>(SELECT_STATE, []).await?;
        let facts = Arc::new(Mutex::new(Facts::of(db, scan.snapshot.state).await?));
        let verified = verified(&scan, &facts).await;
        if verified.as_ref().map_or(true, |damages| !damages.is_empty())
            && db.select::<(i64, i64), 0>(SELECT_STATE, []).await? != state
        {
            // Segments were replaced, or the backlog was sealed.
            return Ok(None);
        }
        let mut damages = verified?;
        let structure = structure::of(&scan.snapshot);
        damages.extend(structure.overlaps);
        let facts = std::mem::take(&mut *facts.lock().unwrap_or_else(PoisonError::into_inner));
        damages.extend(facts.strays().map(|(table, key, count)| differences::stray(table, key, count)));
        let state = structure::state(db, &facts, structure.sealed_until).await?;
        let gaps = if facts.deletions == 0 { structure.gaps } else { Vec::new() };
        Ok(Some(Self { facts, segments: scan.snapshot.segments.len(), damages, gaps, state }))
    }
}
