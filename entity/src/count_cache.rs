//! A cache of counts. Counts of the metrics of sessions are updated incrementally; others are valid until rows are added.

use quick_cache::sync::Cache;
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement},
};

use crate::{
    announced, column,
    digest::{Digest, digest},
    driver::source::Source,
    filter::Tree,
    list, pages,
    table::{metric, session},
};

/// Maximum number of cached counts of each kind.
const CAPACITY: usize = 1_000;

/// Up to here, testing each new metric is cheaper than adding up the counters of all sessions.
const MAX_NEW_METRICS: i64 = 2_000;

/// Counts by the digest of their filter, since a filter may be as long as a request. Open dashboards ask for the same counts
/// again and again; each is counted once per change of the history.
#[derive(Debug)]
pub struct CountCache {
    counts: Cache<Digest, (Version, u64)>,
    of_sessions: Cache<Digest, SessionMetrics>,
}

impl Default for CountCache {
    fn default() -> Self {
        Self { counts: Cache::new(CAPACITY), of_sessions: Cache::new(CAPACITY) }
    }
}

/// The metrics of the sessions that match a filter, at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct SessionMetrics {
    /// Number of announced sessions.
    announced: i64,
    /// The greatest key of metrics.
    newest: i64,
    /// Number of metrics that match.
    count: i64,
}

/// A version of the history: the greatest key of metrics, and the numbers of announced sessions and contexts. It is read from the
/// database, since other servers may write to it.
type Version = (Option<i64>, (Option<i64>, Option<i64>));

/// Returns a query for the greatest value of `column`.
fn greatest(table: &'static str, column: &'static str) -> SelectStatement {
    Query::select().expr(Func::max(Expr::col(column))).from(table).take()
}

const CURRENT_VERSION: &str = "SELECT (SELECT MAX(id) FROM metric), (SELECT MAX(announced) FROM session), \
    (SELECT MAX(announced) FROM execution_context)";

async fn current_version(db: &impl Source) -> Result<Version, DbErr> {
    Ok(db.select::<Version, 0>(CURRENT_VERSION, []).await?.pop().unwrap_or_default())
}

/// Updates a count: adds the new metrics of the sessions that were counted, and all metrics of sessions that were announced
/// later. One statement, so that it reads one snapshot. Whether an announced session matches never changes.
async fn update(db: &impl Source, filter: &session::Filter, cached: SessionMetrics) -> Result<SessionMetrics, DbErr> {
    let matching = list::condition::<session::Entity>(&filter.clone().into(), db.engine());
    let mut of_new = Query::select();
    of_new.expr(Func::coalesce([column::of(session::Column::MetricCount).sum(), Expr::val(0)]).cast_as("BIGINT"));
    of_new.cond_where(matching.clone());
    announced::select_announced_after::<session::Entity>(&mut of_new, cached.announced);
    let of_metric = Query::select()
        .expr(Expr::val(1))
        .from(session::Entity)
        .cond_where(matching)
        .and_where(column::of(session::Column::Id).eq(column::of(metric::Column::SessionId)))
        .and_where(column::of(session::Column::Announced).lte(cached.announced))
        .take();
    let of_cached = Query::select()
        .expr(Func::count(Expr::val(1)))
        .from(metric::Entity)
        .and_where(column::of(metric::Column::Id).gt(cached.newest))
        .and_where(Expr::exists(of_metric))
        .take();
    let mut query = Query::select();
    query.expr(Expr::from(greatest("session", "announced"))).expr(Expr::from(greatest("metric", "id")));
    query.expr(Expr::from(of_new));
    // Without a cached count, no session was counted.
    query.expr(if cached.announced > 0 { Expr::from(of_cached) } else { Expr::cust("CAST(0 AS BIGINT)") });
    let found = db.all::<(Option<i64>, (Option<i64>, (i64, i64)))>(&query).await?.pop();
    let (announced, (newest, (of_new, of_cached))) = found.unwrap_or_default();
    let (announced, newest) = (announced.unwrap_or(0), newest.unwrap_or(0));
    Ok(SessionMetrics { announced, newest, count: cached.count + of_new + of_cached })
}

impl CountCache {
    /// Returns the number of metrics that match `filter`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn metrics(&self, db: &impl Source, filter: &Tree<metric::Filter>) -> Result<u64, DbErr> {
        if let Some(sessions) = pages::session_filter(filter) {
            let newest = db.number(&greatest("metric", "id")).await?;
            return self.of_sessions(db, &sessions, newest).await;
        }
        let count = pages::count(db, filter);
        if *filter == Tree::default() { count.await } else { self.of(db, format!("metrics {filter:?}"), count).await }
    }

    /// Returns the number of metrics of the sessions that match `filter`. `newest` is the greatest key of metrics, or was a
    /// moment ago.
    pub(crate) async fn of_sessions(
        &self,
        db: &impl Source,
        filter: &session::Filter,
        newest: i64,
    ) -> Result<u64, DbErr> {
        let what = digest(&[&format!("{filter:?}")]);
        let cached =
            self.of_sessions.get(&what).filter(|cached| newest - cached.newest <= MAX_NEW_METRICS).unwrap_or_default();
        let counted = update(db, filter, cached).await?;
        self.of_sessions.insert(what, counted);
        Ok(counted.count.unsigned_abs())
    }

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
