//! Counts of many rows, remembered for as long as nothing has come to be known since.

use quick_cache::sync::Cache;
use sea_orm::{
    DbErr,
    sea_query::{Expr, Func, Query, SelectStatement},
};

use crate::{
    digest::{Digest, digest},
    source::Source,
};

/// Counts that are remembered, at most.
const REMEMBERED: usize = 1_000;

/// What was counted, when, and how many there were. What is asked for again and again, by every dashboard that is open, is counted
/// once for each change of the history. Of what was counted only the digest is kept: a filter may be as long as a request.
#[derive(Debug)]
pub struct KnownCounts(Cache<Digest, (Moment, u64)>);

impl Default for KnownCounts {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// The greatest key of metrics, and how many sessions and contexts were announced. It is asked of the database itself: another
/// server may write to it.
type Moment = (Option<i64>, (Option<i64>, Option<i64>));

async fn now(db: &impl Source) -> Result<Moment, DbErr> {
    let greatest = |table: &'static str, column: &'static str| -> SelectStatement {
        Query::select().expr(Func::max(Expr::col(column))).from(table).take()
    };
    let query = Query::select()
        .expr(Expr::from(greatest("metric", "id")))
        .expr(Expr::from(greatest("session", "announced")))
        .expr(Expr::from(greatest("execution_context", "announced")))
        .take();
    Ok(db.all::<Moment>(&query).await?.pop().unwrap_or_default())
}

impl KnownCounts {
    /// How many there are of `what`, which is counted by `count` unless that is known.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(
        &self,
        db: &impl Source,
        what: String,
        count: impl Future<Output = Result<u64, DbErr>>,
    ) -> Result<u64, DbErr> {
        let what = digest(&[&what]);
        // Before it is counted: rows that come meanwhile are counted again, none is left out.
        let now = now(db).await?;
        if let Some((then, count)) = self.0.get(&what)
            && then == now
        {
            return Ok(count);
        }
        let count = count.await?;
        self.0.insert(what, (now, count));
        Ok(count)
    }
}
