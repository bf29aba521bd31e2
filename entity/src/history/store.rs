//! The history of a server: its current snapshot, and how that is kept up to date.

use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::{QueryOrder as _, QuerySelect as _, entity::prelude::*};

use crate::{
    driver::source::Source,
    history::{
        column::Column,
        columns::Columns,
        part::Part,
        sealing::NewSegment,
        segment::{Blob, OpenSegment},
        snapshot::Snapshot,
    },
    resource::Resource,
    table::{metric, segment},
};

/// The sizes of segments and pages. Tests use small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Number of metrics in a page, at most 256.
    pub page: usize,
    /// Number of metrics in a segment: a multiple of `page`.
    pub segment: usize,
}

/// The history of a server.
#[derive(Debug)]
pub struct History {
    snapshot: RwLock<Arc<Snapshot>>,
    sizes: Sizes,
}

/// The number of replacements of segments, the greatest key in a segment, and the greatest key of all.
type State = (i64, (i64, i64));

const SELECT_STATE: &str = "SELECT version, sealed_until, last_metric_id FROM history";

impl History {
    /// Creates a history that is not read yet.
    pub fn new(sizes: Sizes) -> Self {
        Self { snapshot: RwLock::default(), sizes }
    }

    /// Returns the snapshot as far as it was read.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets everything: the database holds another history than before.
    pub fn forget(&self) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn update(&self, db: &impl Source) -> Result<(), DbErr> {
        self.refresh(db).await.map(drop)
    }

    /// Returns a snapshot with everything that is committed, after reading what is new.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn refresh(&self, db: &impl Source) -> Result<Arc<Snapshot>, DbErr> {
        let before = self.snapshot();
        let (version, (sealed_until, last_key)) =
            db.select::<State, 0>(SELECT_STATE, []).await?.pop().unwrap_or_default();
        if before.is_read && (version, sealed_until, last_key) == before.state() {
            return Ok(before);
        }
        // Another history, or an earlier state as a backup has, is read anew.
        let (old_version, old_sealed_until, old_last_key) = before.state();
        let is_other = version != old_version || sealed_until < old_sealed_until || last_key < old_last_key;
        let base = if is_other { Arc::default() } else { Arc::clone(&before) };
        // Rows first: those that are sealed meanwhile are in the segments that are read after them.
        let after = base.last_key.max(sealed_until);
        let new = metric::Entity::find().filter(metric::Column::Id.gt(after)).order_by_asc(metric::Column::Id);
        let rows = db.find(new).await?;
        let mut segments = Arc::clone(&base.segments);
        let read_until = segments.last().map_or(0, |segment| segment.last_metric_id);
        // Where rows are missing, they were sealed and deleted since the state was read.
        let has_gap = last_key > after && rows.first().is_none_or(|row| row.id > after + 1);
        if sealed_until > read_until || has_gap {
            let new = segment::Entity::find().filter(segment::Column::FirstMetricId.gt(read_until));
            let new = db.find(new.order_by_asc(segment::Column::FirstMetricId)).await?;
            Arc::make_mut(&mut segments).extend(new);
        }
        let last_key = rows.last().map_or(last_key, |row| row.id.max(last_key));
        let (mut head, caches) = (base.head.clone(), Arc::clone(&base.caches));
        head.extend(&rows, self.sizes.page);
        let mut snapshot = Snapshot { is_read: true, version, segments, head, last_key, caches };
        snapshot.head = snapshot.head.after(snapshot.sealed_until(), self.sizes.page);
        snapshot.last_key = last_key.max(snapshot.sealed_until());
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        // Everything may have been forgotten meanwhile.
        if !Arc::ptr_eq(&current.caches, &before.caches) {
            return Ok(Arc::new(snapshot));
        }
        if !is_other && current.sealed_until() > snapshot.sealed_until() {
            // Another reader has read further. Its head may begin after the end of this one.
            let is_later = current.last_key >= snapshot.last_key;
            return Ok(if is_later { Arc::clone(&current) } else { Arc::new(snapshot) });
        }
        if !is_other && current.last_key > snapshot.last_key {
            let newer = current.head.after(snapshot.last_key, self.sizes.page);
            snapshot.head.extend(&newer.rows().collect::<Vec<_>>(), self.sizes.page);
            snapshot.last_key = current.last_key;
        }
        *current = Arc::new(snapshot);
        Ok(Arc::clone(&current))
    }

    /// Adds metrics that this server has just committed. If there are others before them, the next scan reads all of them.
    pub fn append(&self, rows: &[metric::Model]) {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        if snapshot.is_read && first.id == snapshot.last_key + 1 {
            let snapshot = Arc::make_mut(&mut snapshot);
            snapshot.head.extend(rows, self.sizes.page);
            snapshot.last_key = last.id;
        }
    }

    /// Returns whether there are two segments' worth of metrics that are not sealed, if `newest` is the greatest key.
    pub fn is_due(&self, newest: i64) -> bool {
        let (snapshot, due) = (self.snapshot(), 2 * self.sizes.segment);
        let unsealed = newest - snapshot.sealed_until();
        // Keys may have gaps.
        let may_be = snapshot.last_key < newest || snapshot.head.len() >= due;
        may_be && usize::try_from(unsealed).is_ok_and(|unsealed| unsealed >= due)
    }

    /// Compresses the oldest metrics of the head, if it has two segments' worth. This takes some milliseconds.
    ///
    /// # Errors
    /// If they can't be compressed.
    pub fn compress(&self) -> Result<Option<NewSegment>, DbErr> {
        let snapshot = self.snapshot();
        if snapshot.head.len() < 2 * self.sizes.segment {
            return Ok(None);
        }
        let rows = snapshot.head.first(self.sizes.segment);
        NewSegment::of(&rows, snapshot.sealed_until(), self.sizes.page).map(Some)
    }

    /// Like [`Self::compress`], but reads the metrics from the database.
    ///
    /// # Errors
    /// If the database fails, or they can't be compressed.
    pub async fn compress_oldest(&self, db: &impl Source) -> Result<Option<NewSegment>, DbErr> {
        let (_, (sealed_until, last_key)) = db.select::<State, 0>(SELECT_STATE, []).await?.pop().unwrap_or_default();
        let unsealed = last_key - sealed_until;
        if usize::try_from(unsealed).is_ok_and(|unsealed| unsealed < 2 * self.sizes.segment) {
            return Ok(None);
        }
        let oldest = metric::Entity::find().filter(metric::Column::Id.gt(sealed_until));
        let oldest = oldest.order_by_asc(metric::Column::Id).limit(2 * self.sizes.segment as u64);
        let rows = db.find(oldest).await?;
        if rows.len() < 2 * self.sizes.segment {
            // Keys have gaps.
            return Ok(None);
        }
        let rows: Columns = rows.iter().take(self.sizes.segment).collect();
        NewSegment::of(&rows, sealed_until, self.sizes.page).map(Some)
    }
}

/// Opens a part of `snapshot`, without any column.
///
/// # Errors
/// If the database fails, or its directory is damaged.
pub(crate) async fn open(db: &impl Source, snapshot: &Snapshot, part: usize) -> Result<Part, DbErr> {
    let Some(row) = snapshot.segments.get(part) else { return Ok(Part::Head(snapshot.head.clone(), 0)) };
    let directory = snapshot.caches.directory(db, row.id).await?;
    Ok(Part::Segment(Box::new(OpenSegment::new(row.clone(), directory))))
}

/// Loads columns of a part of `snapshot`, and its postings if they are wanted.
///
/// # Errors
/// If the database fails, or a column is damaged.
pub(crate) async fn load(
    db: &impl Source,
    snapshot: &Snapshot,
    part: &mut Part,
    columns: &[Column],
    with_postings: bool,
) -> Result<(), DbErr> {
    let Part::Segment(segment) = part else { return Ok(()) };
    let mut columns = columns.to_vec();
    if columns.contains(&Column::Resource(Resource::CpuUsage)) {
        // It may be derived from them.
        columns.extend([Resource::TotalTime, Resource::UserTime, Resource::KernelTime].map(Column::Resource));
    }
    let mut wanted: Vec<Blob> = columns.iter().filter_map(|column| segment.lacks(*column)).collect();
    wanted.extend((with_postings && segment.lacks_postings()).then_some(Blob::POSTINGS));
    wanted.sort_unstable();
    wanted.dedup();
    for (blob, bytes) in snapshot.caches.blobs(db, segment.row.id, &wanted).await? {
        segment.load(blob, bytes)?;
    }
    Ok(())
}
