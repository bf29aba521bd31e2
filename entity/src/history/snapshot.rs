//! One version of the history: the segments and the head that a scan reads.

use std::sync::Arc;

use crate::{
    history::{caches::Caches, head::Head, zone::Zone},
    table::segment,
};

/// One version of the history. It never changes: a reader keeps it for as long as it needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Whether it was read from the database.
    pub(crate) is_read: bool,
    /// How often segments were replaced, according to the database.
    pub(crate) version: i64,
    /// The segments, in the order of their keys.
    pub(crate) segments: Arc<Vec<segment::Model>>,
    /// What an older version left after them, in the same order.
    pub(crate) backlog: Arc<Vec<segment::Model>>,
    /// The metrics after all these.
    pub(crate) head: Head,
    /// The greatest key that was assigned.
    pub(crate) last_key: i64,
    /// Caches of the segments. Those of another history are other ones.
    pub(crate) caches: Arc<Caches>,
}

impl Snapshot {
    /// Returns the version, the greatest key in a segment, and the greatest key of all.
    pub(crate) fn state(&self) -> (i64, i64, i64) {
        (self.version, self.sealed_until(), self.last_key)
    }

    /// Returns the greatest key in a segment, 0 without segments.
    pub(crate) fn sealed_until(&self) -> i64 {
        self.segments.last().map_or(0, |segment| segment.last_metric_id)
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

    /// Returns the number of pages in a part.
    pub(crate) fn pages(&self, part: usize) -> u64 {
        let of =
            |part: &segment::Model| part.metric_count.unsigned_abs().div_ceil(part.page_size.unsigned_abs().max(1));
        self.described(part).map_or(self.head.pages().len() as u64, of)
    }
}
