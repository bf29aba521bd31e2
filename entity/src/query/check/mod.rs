//! Checks counters and catalogue against the metrics. Servers may record meanwhile: what is compared is brought to the same key first.

mod differences;
mod structure;

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DbErr;

use crate::{
    driver::source::Source as _,
    history::{Facts, Scan, ScanOrder, Wanted, verified},
    query::Store,
};
pub use differences::{Differences, differences};
pub use structure::{dangling, numbering};

const SELECT_STATE: &str = "SELECT revision, sealed_until FROM history";
const SELECT_DELETIONS: &str = "SELECT deletions FROM history";

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

/// Brings facts to a key. Returns false if all must be read again.
async fn advance(db: &Store, facts: &mut Facts, last_key: i64) -> Result<bool, DbErr> {
    if last_key <= facts.last_key {
        return Ok(true);
    }
    let scan = Scan::begin(db, &db.history).await?;
    if scan.snapshot.state.deletions != facts.deletions {
        return Ok(false);
    }
    let (order, last) = (ScanOrder::INSERTED, facts.last_key);
    let after = Some(order.place(last, last));
    let wanted = Wanted { order, after, before: None, limit: usize::MAX, distinct: None };
    let new = scan.list(&crate::history::Predicate::all([]), &wanted).await?;
    facts.advance(db, &new, last_key).await?;
    Ok(true)
}

/// Returns whether no session was deleted since the facts were read.
async fn is_current(db: &Store, facts: &Facts) -> Result<bool, DbErr> {
    let deletions = db.select::<i64, 0>(SELECT_DELETIONS, []).await?.pop().unwrap_or_default();
    Ok(deletions == facts.deletions)
}
