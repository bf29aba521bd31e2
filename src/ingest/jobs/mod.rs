//! The kinds of write, one file each.

pub(crate) mod announce_context;
pub(crate) mod announce_session;
pub(crate) mod assign_older;
pub(crate) mod check_history;
pub(crate) mod clean_up;
pub(crate) mod delete_sessions;
pub(crate) mod drain_rows;
pub(crate) mod note_token_use;
pub(crate) mod record_metrics;
pub(crate) mod record_missing;
pub(crate) mod repair;
pub(crate) mod seal_segment;
