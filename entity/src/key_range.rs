//! Ranges of the keys of metrics, which count up from 1, and how SQLite's index by variant parts them.

use sea_orm::sea_query::{Expr, ExprTrait as _};

/// Keys in a part of the history.
const PART: i64 = 16_384;

/// The part of the history that the metric with this key is in, from 0. On SQLite the index by variant has a section for each part.
pub fn part(id: i64) -> i64 {
    id.saturating_sub(1) / PART
}

/// The metrics behind one key, and up to another one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stretch {
    pub(crate) after: i64,
    pub(crate) until: Option<i64>,
}

impl Stretch {
    /// A metric lies there.
    pub(crate) fn holds(self) -> Expr {
        let id = || Expr::col(("metric", "id"));
        let behind = id().gt(self.after);
        self.until.map_or(behind.clone(), |until| behind.and(id().lte(until)))
    }
}
