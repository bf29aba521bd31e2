//! A cache of counts, which are valid until rows are added.

use quick_cache::sync::Cache;
use sea_orm::DbErr;

use crate::{
    digest::{Digest, digest},
    driver::source::Source,
};

/// Maximum number of cached counts.
const CAPACITY: usize = 1_000;

/// Counts by the digest of their filter, since a filter may be as long as a request. Open dashboards ask for the same counts
/// again and again; each is counted once per change of the history.
#[derive(Debug)]
pub struct CountCache {
    counts: Cache<Digest, (Version, u64)>,
}

impl Default for CountCache {
    fn default() -> Self {
        Self { counts: Cache::new(CAPACITY) }
    }
}

/// A version of the history: the greatest key of metrics, the number of deleted sessions, and the numbers of announced sessions and contexts. It is read from the
/// database, since other servers may write to it.
type Version = ((Option<i64>, Option<i64>), (Option<i64>, Option<i64>));

const CURRENT_VERSION: &str = "SELECT (SELECT last_metric_id FROM history), (SELECT deletions FROM history), \
    (SELECT MAX(announced) FROM session), (SELECT MAX(announced) FROM execution_context)";

async fn current_version(db: &impl Source) -> Result<Version, DbErr> {
    Ok(db.select::<Version, 0>(CURRENT_VERSION, []).await?.pop().unwrap_or_default())
}

impl CountCache {
    /// Returns the cached count of `what`, or runs `count` if the history has changed since.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(
        &self,
        db: &impl Source,
        what: String,
        count: impl Future<Output = Result<u64, DbErr>>,
    ) -> Result<u64, DbErr> {
        let what = digest(&[&what]);
        // Read before the count: rows that are added in between lead to another count, and none is missed.
        let version = current_version(db).await?;
        if let Some((counted_at, count)) = self.counts.get(&what)
            && counted_at == version
        {
            return Ok(count);
        }
        let count = count.await?;
        self.counts.insert(what, (version, count));
        Ok(count)
    }
}
