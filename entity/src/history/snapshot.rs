//! One version of the history: the segments and the head that a scan reads.

use std::sync::Arc;

use crate::{
    driver::row::from_row,
    history::{caches::Caches, head::Head, key_set::KeySet, zone::Zone},
    table::segment,
};

/// What the database says of the history in one row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// How often something was changed that does not belong to the operation of a server.
    pub(crate) version: i64,
    /// How often deletions have changed what is sealed, or hidden.
    pub(crate) revision: i64,
    /// The number of sessions that were deleted.
    pub(crate) deletions: i64,
    /// The key up to which metrics are sealed.
    pub(crate) sealed_until: i64,
    /// The greatest key that was assigned.
    pub(crate) last_key: i64,
}

from_row!(State { version, revision, deletions, sealed_until, last_key });

/// One version of the history. It never changes: a reader keeps it for as long as it needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Whether it was read from the database.
    pub(crate) is_read: bool,
    /// The state that it shows.
    pub(crate) state: State,
    /// The segments, in the order of their keys.
    pub(crate) segments: Arc<Vec<segment::Model>>,
    /// What an older version left after them, in the same order.
    pub(crate) backlog: Arc<Vec<segment::Model>>,
    /// The metrics after all these, without those of deleted sessions.
    pub(crate) head: Head,
    /// The sessions that are deleted, of which segments and backlog may still have metrics.
    pub(crate) deleted: Arc<KeySet>,
    /// Caches of the segments. Those of another history are other ones.
    pub(crate) caches: Arc<Caches>,
}

/// Some parts of a snapshot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Number of metrics.
    pub(crate) metrics: u64,
    /// Number of their pages.
    pub(crate) pages: u64,
    /// Their ranges.
    pub(crate) zone: Zone,
}

impl Extent {
    /// Returns what both have together.
    pub(crate) fn with(self, other: Self) -> Self {
        let (metrics, pages) = (self.metrics + other.metrics, self.pages + other.pages);
        Self { metrics, pages, zone: self.zone.with(other.zone) }
    }
}

impl Snapshot {
    /// Returns the key up to which metrics are sealed.
    pub(crate) fn sealed_until(&self) -> i64 {
        self.state.sealed_until
    }

    /// Returns the greatest key that was assigned.
    pub(crate) fn last_key(&self) -> i64 {
        self.state.last_key
    }

    /// Returns the sessions of which a part may have metrics that are deleted; `None` if it has none.
    pub(crate) fn hidden(&self, part: usize) -> Option<&Arc<KeySet>> {
        let range = Zone::of_segment(self.described(part)?).sessions;
        self.deleted.overlaps(range.least, range.greatest).then_some(&self.deleted)
    }

    /// Returns the number of parts that a scan reads: the segments, those of the backlog, and the head.
    pub(crate) fn parts(&self) -> usize {
        self.segments.len() + self.backlog.len() + 1
    }

    /// Returns the part of the backlog that is this part of the snapshot.
    pub(crate) fn backlog(&self, part: usize) -> Option<&segment::Model> {
        self.backlog.get(part.checked_sub(self.segments.len())?)
    }

    /// Returns what describes a part; `None` for the head.
    fn described(&self, part: usize) -> Option<&segment::Model> {
        self.segments.get(part).or_else(|| self.backlog(part))
    }

    /// Returns the ranges of a part; `None` if it has no metrics.
    pub(crate) fn zone(&self, part: usize) -> Option<Zone> {
        self.described(part).map_or_else(|| self.head.zone(), |part| Some(Zone::of_segment(part)))
    }

    /// Returns the number of metrics in a part.
    pub(crate) fn len(&self, part: usize) -> u64 {
        self.described(part).map_or(self.head.len() as u64, |part| part.metric_count.unsigned_abs())
    }

    /// Returns size and ranges of a part; `None` if it has no metrics.
    pub(crate) fn extent(&self, part: usize) -> Option<Extent> {
        let (metrics, zone) = (self.len(part), self.zone(part)?);
        let pages = |part: &segment::Model| metrics.div_ceil(part.page_size.unsigned_abs().max(1));
        Some(Extent { metrics, pages: self.described(part).map_or(self.head.pages().len() as u64, pages), zone })
    }
}
