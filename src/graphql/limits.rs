//! Limits that no setting changes and that several modules share.

/// Rows of a connection when nothing is said.
pub const DEFAULT_ROWS: i64 = 50;
/// Rows of a connection, at most.
pub const MAX_ROWS: i64 = 500;
/// Objects of a list that is no connection, at most.
pub const MAX_SHORT_LIST: u32 = 100;
/// Bytes of a text, at most.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Objects and lists within each other in one value, at most: reading them takes stack.
pub const MAX_VALUE_DEPTH: usize = 20;
