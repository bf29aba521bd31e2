//! Which metrics of sessions are stored, and how far the history went when that was read.

use std::sync::Arc;

use sea_orm::DbErr;

use crate::{
    filter::Number,
    history::{Dimension, Predicate, Rank, Scan, ScanOrder, Wanted},
    list::Position,
    query::Store,
    table::metric::Model,
};

/// Metrics that are stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The metrics.
    pub metrics: Vec<Model>,
    /// The greatest key that was assigned.
    pub until: i64,
}

/// Returns the metrics of these sessions that began between `first` and `last`, in microseconds.
///
/// # Errors
/// If the database fails.
pub async fn stored(db: &Store, sessions: &[i64], (first, last): (i64, i64)) -> Result<Stored, DbErr> {
    let scan = Scan::begin(db, &db.history).await?;
    let until = scan.snapshot.last_key();
    if sessions.is_empty() {
        return Ok(Stored { metrics: Vec::new(), until });
    }
    let period = Number { gte: Some(first), lte: Some(last), ..Number::default() };
    let of_sessions = Predicate::Among(Dimension::Session, Arc::new(sessions.iter().copied().collect()));
    let predicate = Predicate::all([of_sessions, Predicate::StartedAt(period.into())]);
    let wanted = Wanted { order: ScanOrder::INSERTED, after: None, before: None, limit: usize::MAX, distinct: None };
    Ok(Stored { metrics: scan.list(&predicate, &wanted).await?, until })
}

/// Returns at most `limit` metrics of a session in the order of their start times, then of their keys, after this start time and key.
///
/// # Errors
/// If the database fails.
pub async fn stored_by_start(
    db: &Store,
    session: i64,
    after: Option<(i64, i64)>,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let scan = Scan::begin(db, &db.history).await?;
    let of_session = Predicate::Among(Dimension::Session, Arc::new(std::iter::once(session).collect()));
    let order = ScanOrder { by: Rank::StartedAt, descending: false, newest_first: false };
    let after = after.map(|(key, id)| order.place_of(Position { key, id }));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    scan.list(&of_session, &Wanted { order, after, before: None, limit, distinct: None }).await
}
