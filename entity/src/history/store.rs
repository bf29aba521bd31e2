//! The history of a server: its current snapshot, and how that is kept up to date.

use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::{QueryOrder as _, entity::prelude::*};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    driver::source::Source,
    history::{
        backlog,
        column::Column,
        part::Part,
        sealing::NewSegment,
        segment::{Blob, OpenSegment, TIMES},
        snapshot::Snapshot,
    },
    resource::Resource,
    table::{metric, segment},
};

/// Memory for all aggregates of a server that are computed at a time, in KiB. Those that find too little left wait.
pub(crate) const BUDGET_KIB: u32 = 96 << 10;

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
    /// Memory for aggregates, see [`BUDGET_KIB`].
    budget: Semaphore,
    /// Held by who reads everything.
    first_read: Mutex<()>,
}

/// The number of replacements of segments, the greatest key in a segment, and the greatest key of all.
type State = (i64, (i64, i64));

const SELECT_STATE: &str = "SELECT version, sealed_until, last_metric_id FROM history";

impl History {
    /// Creates a history that is not read yet.
    pub fn new(sizes: Sizes) -> Self {
        Self {
            snapshot: RwLock::default(),
            sizes,
            budget: Semaphore::new(BUDGET_KIB as usize),
            first_read: Mutex::default(),
        }
    }

    /// Returns the snapshot as far as it was read.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the memory that aggregates share, in KiB.
    pub(crate) fn budget(&self) -> &Semaphore {
        &self.budget
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
        // One reads everything, and the others wait for it.
        let first = if before.is_read { None } else { Some(self.first_read.lock().await) };
        let before = if first.is_some() { self.snapshot() } else { before };
        loop {
            if let Some(snapshot) = self.read_new(db, &before).await? {
                return Ok(snapshot);
            }
        }
    }

    /// Reads what is new since `before`. `None` if parts of the backlog were sealed and deleted meanwhile, so that it must be read again.
    async fn read_new(&self, db: &impl Source, before: &Arc<Snapshot>) -> Result<Option<Arc<Snapshot>>, DbErr> {
        let (version, (sealed_until, last_key)) =
            db.select::<State, 0>(SELECT_STATE, []).await?.pop().unwrap_or_default();
        if before.is_read && (version, sealed_until, last_key) == before.state() {
            return Ok(Some(Arc::clone(before)));
        }
        // Another history, or an earlier state as a backup has, is read anew.
        let (old_version, old_sealed_until, old_last_key) = before.state();
        let is_other = version != old_version || sealed_until < old_sealed_until || last_key < old_last_key;
        // Parts of the backlog that are sealed are segments. One that is sealed in part was another server's, of other sizes.
        let is_left = |part: &segment::Model| part.last_metric_id > sealed_until;
        let left: Vec<segment::Model> = before.backlog.iter().filter(|part| is_left(part)).cloned().collect();
        let is_other = is_other || left.first().is_some_and(|part| part.first_metric_id <= sealed_until);
        let base = if is_other { Arc::default() } else { Arc::clone(before) };
        // Rows first: those that are sealed meanwhile are in the segments that are read after them.
        let after = base.last_key.max(sealed_until);
        let Sizes { page, segment } = self.sizes;
        let backlog = if base.is_read { left } else { backlog::parts(db, after, last_key, (segment, page)).await? };
        let after = backlog.last().map_or(after, |part| part.last_metric_id.max(after));
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
        // What was sealed since is in the segments, part by part: all servers have the same sizes.
        let newest = segments.last().map_or(0, |segment| segment.last_metric_id);
        if backlog.iter().any(|part| part.first_metric_id <= newest && newest < part.last_metric_id) {
            return Ok(None);
        }
        let backlog = Arc::new(backlog.into_iter().filter(|part| part.first_metric_id > newest).collect());
        let mut snapshot = Snapshot { is_read: true, version, segments, backlog, head, last_key, caches };
        snapshot.head = snapshot.head.after(snapshot.sealed_until(), self.sizes.page);
        snapshot.last_key = last_key.max(snapshot.sealed_until());
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        // Everything may have been forgotten meanwhile.
        if !Arc::ptr_eq(&current.caches, &before.caches) {
            return Ok(Some(Arc::new(snapshot)));
        }
        if !is_other && current.sealed_until() > snapshot.sealed_until() {
            // Another reader has read further. Its head may begin after the end of this one.
            let is_later = current.last_key >= snapshot.last_key;
            return Ok(Some(if is_later { Arc::clone(&current) } else { Arc::new(snapshot) }));
        }
        if !is_other && current.last_key > snapshot.last_key {
            let end = |snapshot: &Snapshot| snapshot.backlog.last().map(|part| part.last_metric_id);
            if end(&current) > end(&snapshot) {
                // Its head begins after the end of this one's backlog.
                return Ok(Some(Arc::clone(&current)));
            }
            let newer = current.head.after(snapshot.last_key, self.sizes.page);
            snapshot.head.extend(&newer.rows().collect::<Vec<_>>(), self.sizes.page);
            snapshot.last_key = current.last_key;
        }
        *current = Arc::new(snapshot);
        Ok(Some(Arc::clone(&current)))
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
        let may_be = snapshot.last_key < newest || snapshot.head.len() >= due || !snapshot.backlog.is_empty();
        may_be && usize::try_from(unsealed).is_ok_and(|unsealed| unsealed >= due)
    }

    /// Compresses the oldest metrics of the head, if it has two segments' worth. This takes some milliseconds.
    ///
    /// # Errors
    /// If they can't be compressed.
    pub fn compress(&self) -> Result<Option<NewSegment>, DbErr> {
        let snapshot = self.snapshot();
        if !snapshot.backlog.is_empty() || snapshot.head.len() < 2 * self.sizes.segment {
            return Ok(None);
        }
        let rows = snapshot.head.first(self.sizes.segment);
        NewSegment::of(&rows, snapshot.sealed_until(), self.sizes.page).map(Some)
    }

    /// Returns the number of metrics that an older version left and that are not sealed yet.
    pub fn backlog(&self) -> u64 {
        self.snapshot().backlog.iter().map(|part| part.metric_count.unsigned_abs()).sum()
    }

    /// Like [`Self::compress`], but for the oldest part of what an older version left, which is read from the database.
    ///
    /// # Errors
    /// If the database fails, or they can't be compressed.
    pub async fn compress_backlog(&self, db: &impl Source) -> Result<Option<NewSegment>, DbErr> {
        let snapshot = self.snapshot();
        let Some(part) = snapshot.backlog.first() else { return Ok(None) };
        let rows = backlog::rows(db, part).await?;
        let (after, page_size) = (snapshot.sealed_until(), self.sizes.page);
        let compressed = tokio::task::spawn_blocking(move || NewSegment::of(&rows.iter().collect(), after, page_size));
        compressed.await.map_err(|error| DbErr::Custom(error.to_string()))?.map(Some)
    }
}

/// Opens a part of `snapshot`, without any column.
///
/// # Errors
/// If the database fails, or its directory is damaged.
pub(crate) async fn open(db: &impl Source, snapshot: &Snapshot, part: usize) -> Result<Part, DbErr> {
    if let Some(part) = snapshot.backlog(part) {
        return Ok(Part::Head(backlog::open(db, part).await?, 0));
    }
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
        columns.extend(TIMES.map(Column::Resource));
    }
    let mut wanted: Vec<Blob> = columns.iter().filter_map(|column| segment.lacks(*column)).collect();
    wanted.extend((with_postings && segment.lacks_postings()).then_some(Blob::POSTINGS));
    wanted.sort_unstable();
    wanted.dedup();
    let (id, pages) = (segment.row.id, segment.pages());
    for (blob, column) in snapshot.caches.columns(db, id, pages, &wanted).await? {
        segment.load(blob, column);
    }
    Ok(())
}
