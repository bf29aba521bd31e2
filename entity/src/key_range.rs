//! Ranges of the keys of metrics, which count up from 1, and how SQLite's index by variant partitions them.

use sea_orm::sea_query::{Expr, ExprTrait as _};

/// Keys in a partition of the history.
const PARTITION: i64 = 16_384;

/// Keys in a block of the zone map ([`crate::metric_block`]): block 0 has the keys from 1 to this, and so on.
pub const BLOCK: i64 = 32_768;

/// The partition of the history that the metric with this key is in, from 0. On SQLite the index by variant has a section for each.
pub fn partition(id: i64) -> i64 {
    id.saturating_sub(1) / PARTITION
}

/// The metrics after one key, and up to another one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyRange {
    pub(crate) after: i64,
    pub(crate) until: Option<i64>,
}

impl KeyRange {
    /// The condition that a metric lies in it.
    pub(crate) fn contains(self) -> Expr {
        let id = || Expr::col(("metric", "id"));
        let later = id().gt(self.after);
        self.until.map_or(later.clone(), |until| later.and(id().lte(until)))
    }
}
