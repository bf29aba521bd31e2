//! Ranges of metric keys, which count up from 1: partitions of SQLite's index by variant, and blocks of the zone map.

use sea_orm::sea_query::{Expr, ExprTrait as _};

/// Number of keys in a partition.
const PARTITION: i64 = 16_384;

/// Number of keys in a block of the zone map ([`crate::metric_block`]). Block 0 begins with key 1.
pub const BLOCK: i64 = 32_768;

/// Returns the partition of the metric with this key, from 0. On SQLite the index by variant has a section for each.
pub fn partition(id: i64) -> i64 {
    id.saturating_sub(1) / PARTITION
}

/// The metrics with keys after `after`, up to `until`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyRange {
    pub(crate) after: i64,
    pub(crate) until: Option<i64>,
}

impl KeyRange {
    /// Returns the condition that a metric is in the range.
    pub(crate) fn contains(self) -> Expr {
        let id = || Expr::col(("metric", "id"));
        let later = id().gt(self.after);
        self.until.map_or(later.clone(), |until| later.and(id().lte(until)))
    }
}
