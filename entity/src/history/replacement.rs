//! What is left to do for deletions: segments are written anew without the metrics of deleted sessions, and rows are deleted. None of
//! this changes what a scan shows.

use std::sync::Arc;

use sea_orm::{
    DbErr, EntityTrait as _, QueryFilter as _,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::{
    driver::{executor::Transaction, source::Source},
    history::{
        column::{Column, Dimension},
        columns::Columns,
        part::Part,
        sealing::insert,
        segment::{Sealed, seal},
        store::{History, load, open},
        zone::Range,
    },
    table::segment,
};

const UPDATE_REPLACED: &str = "UPDATE segment SET replaced_at = $2 WHERE id = $1";
const UPDATE_REVISION: &str = "UPDATE history SET revision = revision + 1";
const UPDATE_REVISION_OF_ROWS: &str = "UPDATE history SET revision = revision + 1 WHERE sealed_until < $1";
const SELECT_REPLACED: &str = "SELECT id, replaced_at FROM segment WHERE replaced_at IS NOT NULL \
    AND EXISTS (SELECT 1 FROM segment_column WHERE segment_id = segment.id) ORDER BY replaced_at, id LIMIT 1";
const DELETE_COLUMNS: &str = "DELETE FROM segment_column WHERE segment_id = $1 \
    AND EXISTS (SELECT 1 FROM segment WHERE id = $1 AND replaced_at IS NOT NULL)";
/// The newest row stays: the next segment gets the key after it.
const DELETE_SEGMENTS: &str = "DELETE FROM segment WHERE replaced_at IS NOT NULL AND id < (SELECT MAX(id) FROM segment) \
    AND NOT EXISTS (SELECT 1 FROM segment_column WHERE segment_id = segment.id)";
const SELECT_NUMBERS: &str = "SELECT revision, deletion.id FROM history JOIN deletion ON deletion.id <= deletions";
const SELECT_REVISION: &str = "SELECT revision FROM history";
/// So few that ingest hardly waits for the transaction that deletes them.
const SELECT_ROWS: &str = "SELECT metric_row.id FROM deletion JOIN metric_row \
    ON metric_row.id BETWEEN deletion.first_metric_id AND deletion.last_metric_id \
    AND metric_row.session_id = deletion.session_id LIMIT 1000";

/// A segment without what is deleted from it, which is to take the place of the one with it.
#[derive(Debug)]
pub struct Replacement {
    /// The segment that it replaces.
    old: segment::Model,
    /// `None` if nothing is left.
    sealed: Option<Sealed>,
}

impl Replacement {
    /// Stores it, in the transaction that may assign keys, unless another server was faster. The columns of the old segment stay for those
    /// who read them: see [`replaced`]. `now` is in microseconds since 1970 in UTC.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn store(&self, tx: &Transaction<'_>, now: i64) -> Result<(), DbErr> {
        let current = segment::Entity::find_by_id(self.old.id).filter(segment::is_current());
        // It may also be a segment of another history.
        if tx.find_one(current).await?.as_ref() != Some(&self.old) {
            return Ok(());
        }
        if let Some(sealed) = &self.sealed {
            insert(tx, sealed).await?;
        }
        tx.run(UPDATE_REPLACED, [self.old.id.into(), now.into()]).await?;
        tx.run(UPDATE_REVISION, []).await
    }
}

impl History {
    /// Compresses what is left of the first segment that has metrics of deleted sessions; `None` if none has. This takes some milliseconds.
    ///
    /// # Errors
    /// If the database fails, or the segment is damaged.
    pub async fn next_replacement(&self, db: &impl Source) -> Result<Option<Replacement>, DbErr> {
        let snapshot = self.refresh(db).await?;
        for (number, row) in snapshot.segments.iter().enumerate() {
            let Some(deleted) = snapshot.hidden(number) else { continue };
            let mut part = open(db, &snapshot, number).await?;
            if part.count(Dimension::Session, deleted) == Some(0) {
                continue;
            }
            load(db, &snapshot, &mut part, &Column::ALL, false).await?;
            let (deleted, row) = (Arc::clone(deleted), row.clone());
            let compressed =
                tokio::task::spawn_blocking(move || replacement(part, row, |session| deleted.contains(session)));
            return compressed.await.map_err(|error| DbErr::Custom(error.to_string()))?.map(Some);
        }
        Ok(None)
    }
}

fn replacement(mut part: Part, row: segment::Model, is_deleted: impl Fn(i64) -> bool) -> Result<Replacement, DbErr> {
    let page_size = usize::try_from(row.page_size).unwrap_or(1).max(1);
    let count = usize::try_from(row.metric_count).unwrap_or_default();
    let mut rest = Columns::default();
    for page in 0..part.pages() {
        part.select(page);
        let rows: Vec<usize> = (0..page_size.min(count - page * page_size)).collect();
        let metrics = part.metrics(&rows)?;
        metrics.iter().filter(|metric| !is_deleted(metric.session_id)).for_each(|metric| rest.push(metric));
    }
    let keys = Range { least: row.first_metric_id, greatest: row.last_metric_id };
    let sealed = if rest.len() == 0 { None } else { Some(seal(&rest, page_size, Some(keys))?) };
    Ok(Replacement { old: row, sealed })
}

/// Returns the keys of some rows of metrics of deleted sessions.
///
/// # Errors
/// If the database fails.
pub async fn deleted_rows(db: &impl Source) -> Result<Vec<i64>, DbErr> {
    db.select(SELECT_ROWS, []).await
}

/// Deletes the rows with these keys, as far as they are metrics of deleted sessions.
///
/// # Errors
/// If the database fails.
pub async fn delete_rows(tx: &Transaction<'_>, keys: &[i64]) -> Result<(), DbErr> {
    let of_keys = tx.engine().any_of(Expr::col("id"), keys);
    let sessions = Query::select().column("session_id").from("deletion").take();
    let of_deleted = Expr::col("session_id").in_subquery(sessions);
    tx.execute(&Query::delete().from_table("metric_row").and_where(of_keys).and_where(of_deleted).take()).await?;
    // What is not sealed may be in the backlog of a server.
    let last = keys.iter().copied().max().unwrap_or_default();
    tx.run(UPDATE_REVISION_OF_ROWS, [last.into()]).await
}

/// Returns the segment that was replaced first and still has columns, and when it was replaced, in microseconds since 1970 in UTC.
///
/// # Errors
/// If the database fails.
pub async fn replaced(db: &impl Source) -> Result<Option<(i64, i64)>, DbErr> {
    Ok(db.select(SELECT_REPLACED, []).await?.pop())
}

/// Deletes a segment that was replaced.
///
/// # Errors
/// If the database fails.
pub async fn drop_replaced(tx: &Transaction<'_>, segment: i64) -> Result<(), DbErr> {
    tx.run(DELETE_COLUMNS, [segment.into()]).await?;
    tx.run(DELETE_SEGMENTS, []).await
}

/// Deletions of which metrics may be left in rows and segments.
#[derive(Debug, Clone)]
pub struct Deletions {
    /// The revision of the history at which they were there.
    revision: i64,
    numbers: Vec<i64>,
}

impl Deletions {
    /// Reads them; `None` if nothing is left of any.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(db: &impl Source) -> Result<Option<Self>, DbErr> {
        let rows = db.select::<(i64, i64), 0>(SELECT_NUMBERS, []).await?;
        let (revision, numbers): (Vec<i64>, Vec<i64>) = rows.into_iter().unzip();
        Ok(revision.first().map(|revision| Self { revision: *revision, numbers }))
    }

    /// Notes that nothing is left of them, unless anything has changed since they were read.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn complete(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        if tx.select::<i64, 0>(SELECT_REVISION, []).await?.pop() != Some(self.revision) {
            return Ok(());
        }
        let of_numbers = tx.engine().any_of(Expr::col("id"), &self.numbers);
        tx.execute(&Query::delete().from_table("deletion").and_where(of_numbers).take()).await?;
        tx.run(UPDATE_REVISION, []).await
    }
}
