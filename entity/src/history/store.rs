//! The history of a server: its current snapshot, and how that is kept up to date.

use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::{QueryOrder as _, entity::prelude::*};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    driver::source::Source,
    history::{
        backlog,
        caches::CacheUse,
        column::Column,
        deleted::Deleted,
        head::Head,
        part::Part,
        sealing::NewSegment,
        segment::{Blob, OpenSegment, TIMES},
        snapshot::{Snapshot, State},
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

const SELECT_STATE: &str = "SELECT version, revision, deletions, sealed_until, last_metric_id FROM history";

async fn state(db: &impl Source) -> Result<State, DbErr> {
    Ok(db.select::<State, 0>(SELECT_STATE, []).await?.pop().unwrap_or_default())
}

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

    /// Returns how often its caches had what scans looked for.
    pub fn cache_uses(&self) -> [CacheUse; 2] {
        self.snapshot().caches.uses()
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

    /// Reads what is new since `before`. `None` if segments were made or replaced meanwhile, so that it must be read again.
    async fn read_new(&self, db: &impl Source, before: &Arc<Snapshot>) -> Result<Option<Arc<Snapshot>>, DbErr> {
        let (now, old) = (state(db).await?, before.state);
        if before.is_read && now == old {
            return Ok(Some(Arc::clone(before)));
        }
        // Another history, or an earlier state as a backup has, is read anew.
        let is_earlier = now.sealed_until < old.sealed_until || now.last_key < old.last_key;
        let is_earlier = is_earlier || now.revision < old.revision || now.deletions < old.deletions;
        // Parts of the backlog that are sealed are segments. One that is sealed in part was another server's, of other sizes.
        let is_left = |part: &segment::Model| part.last_metric_id > now.sealed_until;
        let left: Vec<segment::Model> = before.backlog.iter().filter(|part| is_left(part)).cloned().collect();
        let is_cut = left.first().is_some_and(|part| part.first_metric_id <= now.sealed_until);
        // Rows of its parts may be deleted.
        let is_cut = is_cut || now.revision != old.revision && !left.is_empty();
        let is_other = now.version != old.version || is_earlier || is_cut;
        let mut base = if is_other { Arc::default() } else { Arc::clone(before) };
        // Deleted sessions first: segments that are read after them have no metrics of those that are missing here.
        let is_revised = !base.is_read || now.revision != base.state.revision;
        if is_revised {
            let deleted = Deleted::read(db).await?;
            let base = Arc::make_mut(&mut base);
            if !deleted.has_all(base.state.deletions, now.deletions) {
                // The head may have metrics of sessions that nothing is known of any more.
                base.head = Head::default();
                base.state.last_key = 0;
            }
            base.deleted = Arc::new(deleted.sessions);
        }
        // Then rows: those that are sealed meanwhile are in the segments that are read after them.
        let after = base.state.last_key.max(now.sealed_until);
        let Sizes { page, segment } = self.sizes;
        let backlog =
            if base.is_read { left } else { backlog::parts(db, after, now.last_key, (segment, page)).await? };
        let after = backlog.last().map_or(after, |part| part.last_metric_id.max(after));
        let new = metric::Entity::find().filter(metric::Column::Id.gt(after)).order_by_asc(metric::Column::Id);
        let mut rows = db.find(new).await?;
        // Where rows are missing, they were sealed and deleted since the state was read, or their session was.
        let last_row = rows.last().map_or(after, |row| row.id);
        let has_gap = now.last_key > last_row || last_row - after > i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let last_key = now.last_key.max(last_row);
        let mut segments = Arc::clone(&base.segments);
        if is_revised || has_gap || now.sealed_until > base.state.sealed_until {
            let read_until = if is_revised { 0 } else { base.state.sealed_until };
            let new = segment::Entity::find().filter(segment::Column::FirstMetricId.gt(read_until));
            let new = new.filter(segment::is_current()).order_by_asc(segment::Column::FirstMetricId);
            let new = db.find(new).await?;
            if is_revised {
                segments = Arc::new(new);
            } else {
                Arc::make_mut(&mut segments).extend(new);
            }
            // What was deleted meanwhile may be there in part.
            if state(db).await?.revision != now.revision {
                return Ok(None);
            }
        }
        let (mut head, caches) = (base.head.clone(), Arc::clone(&base.caches));
        rows.retain(|row| !base.deleted.contains(row.session_id));
        head.extend(&rows, page);
        if is_revised {
            head = head.without(&base.deleted, page);
        }
        // What was sealed since is in the segments, part by part: all servers have the same sizes.
        let newest = segments.last().map_or(0, |segment| segment.last_metric_id).max(now.sealed_until);
        if backlog.iter().any(|part| part.first_metric_id <= newest && newest < part.last_metric_id) {
            return Ok(None);
        }
        let backlog = Arc::new(backlog.into_iter().filter(|part| part.first_metric_id > newest).collect());
        let head = head.after(newest, page);
        let state = State { sealed_until: newest, last_key: last_key.max(newest), ..now };
        let deleted = Arc::clone(&base.deleted);
        let snapshot = Snapshot { is_read: true, state, segments, backlog, head, deleted, caches };
        Ok(Some(self.keep(snapshot, before, is_other)))
    }

    /// Makes `snapshot` the current one, unless another reader has read further than that since `before`. Returns one of them.
    fn keep(&self, mut snapshot: Snapshot, before: &Snapshot, is_other: bool) -> Arc<Snapshot> {
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        // Everything may have been forgotten meanwhile.
        if !Arc::ptr_eq(&current.caches, &before.caches) {
            return Arc::new(snapshot);
        }
        let (theirs, ours) = (current.state, snapshot.state);
        if !is_other && (theirs.sealed_until > ours.sealed_until || theirs.revision > ours.revision) {
            // Another reader has read further. Its head may begin after the end of this one.
            let is_later = theirs.last_key >= ours.last_key && theirs.revision >= ours.revision;
            return if is_later { Arc::clone(&current) } else { Arc::new(snapshot) };
        }
        if !is_other && theirs.last_key > ours.last_key {
            let end = |snapshot: &Snapshot| snapshot.backlog.last().map(|part| part.last_metric_id);
            if end(&current) > end(&snapshot) {
                // Its head begins after the end of this one's backlog.
                return Arc::clone(&current);
            }
            let newer = current.head.after(ours.last_key, self.sizes.page).without(&snapshot.deleted, self.sizes.page);
            snapshot.head.extend(&newer.rows().collect::<Vec<_>>(), self.sizes.page);
            snapshot.state.last_key = theirs.last_key;
        }
        *current = Arc::new(snapshot);
        Arc::clone(&current)
    }

    /// Adds metrics that this server has just committed. If there are others before them, the next scan reads all of them.
    pub fn append(&self, rows: &[metric::Model]) {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        if snapshot.is_read && first.id == snapshot.state.last_key + 1 {
            let snapshot = Arc::make_mut(&mut snapshot);
            snapshot.head.extend(rows, self.sizes.page);
            snapshot.state.last_key = last.id;
        }
    }

    /// Returns whether there are two segments' worth of metrics that are not sealed, if `newest` is the greatest key.
    pub fn is_due(&self, newest: i64) -> bool {
        let (snapshot, due) = (self.snapshot(), 2 * self.sizes.segment);
        let unsealed = newest - snapshot.sealed_until();
        // Keys may have gaps.
        let may_be = snapshot.state.last_key < newest || snapshot.head.len() >= due || !snapshot.backlog.is_empty();
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
        let last = rows.integers(Column::Key).last().copied().unwrap_or_default();
        NewSegment::of(&rows, snapshot.state, last, self.sizes.page).map(Some)
    }

    /// Returns the greatest key, as far as it was read.
    pub fn newest(&self) -> i64 {
        self.snapshot().state.last_key
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
        let mut rows = backlog::rows(db, part).await?;
        rows.retain(|row| !snapshot.deleted.contains(row.session_id));
        let (before, last, page_size) = (snapshot.state, part.last_metric_id, self.sizes.page);
        let compressed =
            tokio::task::spawn_blocking(move || NewSegment::of(&rows.iter().collect(), before, last, page_size));
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
