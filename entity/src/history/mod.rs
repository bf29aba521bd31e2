//! The history: all metrics, as columns.
//!
//! New metrics are rows of `metric_row`, and columns in memory: the `head`. When it is long enough, its older part is sealed: it
//! becomes a `segment`, compressed columns in pages that never change. Everything that is asked of metrics is a `scan` over
//! the segments and the head of one `snapshot`.

mod aggregate;
mod backlog;
mod caches;
mod column;
mod columns;
mod deleted;
mod directory;
mod extremes;
mod facts;
mod fetch;
mod head;
mod key_set;
mod mask;
mod measured;
mod pages;
mod parallel;
mod part;
mod predicate;
mod replacement;
mod resolve;
mod rows;
mod scan;
mod sealing;
mod segment;
mod selection;
mod session_groups;
mod snapshot;
mod store;
mod tasks;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod two_sides;
mod values;
mod verification;
mod zone;

pub use aggregate::{AggregateError, MAX_GROUPS, Statistics, WantedStatistics};
pub(crate) use aggregate::{ExactSum, Figures, Grouping, Key, NO_GROUP, WantedFigures, distinct, totals};
pub use caches::CacheUse;
pub(crate) use column::Dimension;
pub use extremes::Extremes;
pub(crate) use extremes::extremes;
pub use facts::{Facts, Kept, Stored};
pub(crate) use key_set::KeySet;
pub use measured::MAX_VALUES;
pub(crate) use measured::{Measured, measured};
pub(crate) use predicate::Predicate;
pub use replacement::{Deletions, Replacement, delete_rows, deleted_rows, drop_replaced, replaced};
pub(crate) use resolve::{counted, resolve};
pub(crate) use scan::{Scan, Wanted};
pub use sealing::{NewSegment, drain, drainable};
pub(crate) use selection::{Parents, Rank, ScanOrder, rank_of_number};
pub(crate) use session_groups::{Groups as SessionGroups, VariantSet, times_of, variants_of};
pub(crate) use snapshot::{Extent, Snapshot};
pub use store::{History, Sizes};
pub(crate) use tasks::compute_all;
pub(crate) use two_sides::{Compared, ComparedBy, Sides, TwoSides, two_sides};
pub use two_sides::{ComparisonError, MAX_COMPARED};
pub use values::Value;
pub(crate) use values::values_of;
pub(crate) use verification::verified;
pub(crate) use zone::Range;
