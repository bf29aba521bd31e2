//! The fixed limits of ingest.

use std::time::Duration;

/// Maximum number of metrics in one request.
pub(crate) const MAX_METRICS: usize = 10_000;
/// Maximum number of rows that wait for the committer. Further requests are rejected with 503 until some are stored.
pub(crate) const MAX_QUEUED_ROWS: usize = 50_000;
/// A batch takes jobs until it has this many rows. Its last job may exceed the number.
pub(crate) const MAX_BATCH_ROWS: usize = 10_000;
/// How long a command waits for a database that is busy.
pub(crate) const COMMAND_PATIENCE: Duration = Duration::from_secs(10);
