//! Sealing: the older part of the head becomes a segment. It is compressed outside of any transaction; storing it changes
//! nothing that can be read.

use sea_orm::{DbErr, EntityTrait as _, IntoActiveModel as _, QueryTrait as _, sea_query::Value};

use crate::{
    driver::{executor::Transaction, source::Source},
    history::{
        columns::Columns,
        segment::{Blob, Sealed, seal},
        snapshot::State,
    },
    table::segment,
};

const SELECT_SEALED: &str = "SELECT sealed_until, revision FROM history";
const SELECT_LAST: &str = "SELECT COALESCE(MAX(id), 0) FROM segment";
const SELECT_DRAINED: &str = "SELECT COALESCE(MIN(id), 0), (SELECT sealed_until FROM history) FROM metric_row";
const DELETE_ROWS: &str = "DELETE FROM metric_row WHERE id <= $1 AND id <= (SELECT sealed_until FROM history)";
/// Rows that one transaction deletes: so few that ingest hardly waits.
const DRAINED_ROWS: i64 = 1_000;
const UPDATE_SEALED: &str = "UPDATE history SET sealed_until = $1";

/// Returns the key up to which rows may be deleted next; `None` if there are no rows of sealed metrics.
///
/// # Errors
/// If the database fails.
pub async fn drainable(db: &impl Source) -> Result<Option<i64>, DbErr> {
    let state = db.select::<(i64, i64), 0>(SELECT_DRAINED, []).await?.pop();
    let state = state.filter(|(first, sealed_until)| (1..=*sealed_until).contains(first));
    Ok(state.map(|(first, sealed_until)| sealed_until.min(first.saturating_add(DRAINED_ROWS - 1))))
}

/// Deletes the rows with keys up to `until`, a key of [`drainable`].
///
/// # Errors
/// If the database fails.
pub async fn drain(tx: &Transaction<'_>, until: i64) -> Result<(), DbErr> {
    tx.run(DELETE_ROWS, [until.into()]).await
}

/// A segment that is ready to be stored.
#[derive(Debug)]
pub struct NewSegment {
    /// `None` if all metrics were deleted meanwhile.
    sealed: Option<Sealed>,
    /// The greatest key before it.
    after: i64,
    /// The greatest key that is sealed with it.
    until: i64,
    /// The revision of the history that it was made from.
    revision: i64,
}

impl NewSegment {
    /// Compresses metrics that follow the newest segment of `before`, up to the key `until`. This takes some milliseconds.
    pub(crate) fn of(rows: &Columns, before: State, until: i64, page_size: usize) -> Result<Self, DbErr> {
        let sealed = if rows.len() == 0 { None } else { Some(seal(rows, page_size, None)?) };
        Ok(Self { sealed, after: before.sealed_until, until, revision: before.revision })
    }

    /// Stores the segment, in the transaction that may assign keys; not if these metrics were sealed before, by another server, or some of
    /// them may have been deleted.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn store(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let state = tx.select::<(i64, i64), 0>(SELECT_SEALED, []).await?.pop();
        if state != Some((self.after, self.revision)) {
            return Ok(());
        }
        if let Some(sealed) = &self.sealed {
            debug_assert!(self.after < sealed.row.first_metric_id, "segments are in the order of keys");
            insert(tx, sealed).await?;
        }
        tx.run(UPDATE_SEALED, [self.until.into()]).await
    }
}

/// Inserts a segment under the next key.
///
/// # Errors
/// If the database fails.
pub(crate) async fn insert(tx: &Transaction<'_>, sealed: &Sealed) -> Result<(), DbErr> {
    // The newest segment keeps its row when it is replaced, so no key comes back.
    let last = tx.select::<i64, 0>(SELECT_LAST, []).await?.pop().unwrap_or_default();
    let row = segment::Model { id: last + 1, ..sealed.row.clone() };
    tx.execute(&segment::Entity::insert(row.clone().into_active_model()).into_query()).await?;
    let blobs = sealed.blobs.iter();
    let blobs = blobs.map(|(Blob(number), bytes)| [row.id.into(), i64::from(*number).into(), bytes.clone().into()]);
    tx.insert_rows("segment_column", ["segment_id", "number", "data"], &blobs.collect::<Vec<[Value; 3]>>()).await
}
