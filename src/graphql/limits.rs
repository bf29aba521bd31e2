//! The fixed limits of the graph: no setting changes them. What a setting changes is in `src/config/graphql.rs`.
//!
//! Each bounds what one request can take of memory, stack or time. Counts of a document include its fragments once per spread.

/// Rows of a connection by default.
pub const DEFAULT_ROWS: i64 = 50;
/// Rows of a connection.
pub const MAX_ROWS: i64 = 500;
/// Rows of a ranking by default.
pub const DEFAULT_RANKING_ROWS: i64 = 10;
/// Runs of a history by default.
pub const DEFAULT_HISTORY_RUNS: i64 = 200;
/// Runs of a sparkline by default.
pub const DEFAULT_SPARKLINE_RUNS: i64 = 30;
/// Groups of metrics on a page, for each row that a connection may have: groups are small, and each page reads the history anew.
pub const GROUPS_PER_ROW: u64 = 20;
/// Things by which metrics are grouped at a time.
pub const MAX_GROUP_KEYS: usize = 3;
/// Fields that a field costs which reads the whole history.
pub const SCAN_COST: usize = 10_000;
/// Fields that a bootstrap interval costs.
pub const INTERVAL_COST: usize = 20;
/// Runs on one side of a comparison that are chosen as the latest ones.
pub const MAX_SELECTED_RUNS: u64 = 500;
/// Fields that statistics of one object cost. Those of all objects of a list are read together.
pub const STATISTICS_COST: usize = 200;
/// Objects of a list that is no connection.
pub const MAX_SHORT_LIST: u32 = 100;

/// Bytes of a text.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Tags of a session.
pub const MAX_TAGS: usize = MAX_SHORT_LIST as usize;
/// Global IDs of one `nodes` field.
pub const MAX_NODE_IDS: usize = 500;
/// Levels of objects and lists in one value: reading them takes stack.
pub const MAX_VALUE_DEPTH: usize = 20;
/// Values in a body, those inside others counted too: each takes a multiple of its text in memory. The largest mutation, of
/// 10,000 metrics, has half as many.
pub const MAX_BODY_VALUES: usize = 400_000;

/// Bytes of a LIKE pattern: matching takes time with its length.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// Values of one `in`: each is bound to the statement.
pub const MAX_IN_VALUES: usize = 1000;
/// Values of all `in` of a filter: SQLite binds 32,766 values, and some are bound several times.
pub const MAX_FILTER_VALUES: usize = 4000;
/// Objects and conditions of a filter: they become one expression, and writing it takes stack with its depth.
pub const MAX_FILTER_CONDITIONS: usize = 400;
/// Tags of a `tagged` filter: each is a condition.
pub const MAX_FILTER_TAGS: usize = 100;

/// Selections in a document: validating takes time with them.
pub const MAX_SELECTIONS: usize = 20_000;
/// Selections of a subscription: it is kept for as long as it runs.
pub const MAX_SUBSCRIPTION_SELECTIONS: usize = 2_000;
/// Levels of selection sets in a document: visiting them takes stack.
pub const MAX_SELECTION_DEPTH: usize = 90;
/// Fragments in a document: one may spread the next, which takes stack.
pub const MAX_FRAGMENTS: usize = 500;
/// Bytes of the values in a document: each request has a copy of them.
pub const MAX_DOCUMENT_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// Errors that are reported for one document.
pub const MAX_DIAGNOSTICS: usize = 100;
