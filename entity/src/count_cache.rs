//! A cache of counts. Those of the metrics of sessions are updated incrementally; others are valid until anything is stored.

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

/// The maximum number of counts of each kind.
const CAPACITY: usize = 1_000;

/// Up to this many new metrics, checking them one by one is faster than adding up the counters of all sessions.
const MAX_NEW_METRICS: i64 = 2_000;

/// Counts by the digest of their filter, which may be as long as a request. However many clients poll a count, it is computed once per
/// change of the history.
#[derive(Debug)]
pub struct CountCache {
    counts: Cache<Digest, (Moment, u64)>,
    of_sessions: Cache<Digest, Counted>,
}

impl Default for CountCache {
    fn default() -> Self {
        Self { counts: Cache::new(CAPACITY), of_sessions: Cache::new(CAPACITY) }
    }
}

/// The number of metrics of the sessions that match, as of the announcement `announced` and the metric `last`.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    announced: i64,
    last: i64,
    count: i64,
}

/// The greatest key of metrics, and the numbers of announced sessions and contexts. They are read from the database, because another
/// server may write to it.
type Moment = (Option<i64>, (Option<i64>, Option<i64>));

fn greatest(table: &'static str, column: &'static str) -> SelectStatement {
    Query::select().expr(Func::max(Expr::col(column))).from(table).take()
}

const NOW: &str = "SELECT (SELECT MAX(id) FROM metric), (SELECT MAX(announced) FROM session), \
    (SELECT MAX(announced) FROM execution_context)";

async fn now(db: &impl Source) -> Result<Moment, DbErr> {
    Ok(db.select::<Moment, 0>(NOW, []).await?.pop().unwrap_or_default())
}

/// How many metrics the sessions that match have, from what was `cached`: what they have more, and what those have that were announced
/// since. One statement, so that all of it is of one moment; an announced session never changes what it matches.
async fn more(db: &impl Source, filter: &session::Filter, cached: Counted) -> Result<Counted, DbErr> {
    let matching = list::condition::<session::Entity>(&filter.clone().into(), db.engine());
    let mut of_new = Query::select();
    of_new.expr(Func::coalesce([column::of(session::Column::MetricCount).sum(), Expr::val(0)]).cast_as("BIGINT"));
    of_new.cond_where(matching.clone());
    announced::from_those_since::<session::Entity>(&mut of_new, cached.announced);
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
        .and_where(column::of(metric::Column::Id).gt(cached.last))
        .and_where(Expr::exists(of_metric))
        .take();
    let mut query = Query::select();
    query.expr(Expr::from(greatest("session", "announced"))).expr(Expr::from(greatest("metric", "id")));
    query.expr(Expr::from(of_new));
    // Nothing is cached yet.
    query.expr(if cached.announced > 0 { Expr::from(of_cached) } else { Expr::cust("CAST(0 AS BIGINT)") });
    let found = db.all::<(Option<i64>, (Option<i64>, (i64, i64)))>(&query).await?.pop();
    let (announced, (last, (of_new, of_cached))) = found.unwrap_or_default();
    let (announced, last) = (announced.unwrap_or(0), last.unwrap_or(0));
    Ok(Counted { announced, last, count: cached.count + of_new + of_cached })
}

impl CountCache {
    /// How many metrics match `filter`.
    ///
    /// # Errors
    /// The database's.
    pub async fn metrics(&self, db: &impl Source, filter: &Tree<metric::Filter>) -> Result<u64, DbErr> {
        if let Some(sessions) = pages::of_sessions(filter) {
            let newest = db.number(&greatest("metric", "id")).await?;
            return self.of_sessions(db, &sessions, newest).await;
        }
        let count = pages::count(db, filter);
        if *filter == Tree::default() { count.await } else { self.of(db, format!("metrics {filter:?}"), count).await }
    }

    /// How many metrics the sessions that match `filter` have, where `newest` is the greatest key of metrics, or was a moment ago.
    pub(crate) async fn of_sessions(
        &self,
        db: &impl Source,
        filter: &session::Filter,
        newest: i64,
    ) -> Result<u64, DbErr> {
        let what = digest(&[&format!("{filter:?}")]);
        let cached =
            self.of_sessions.get(&what).filter(|cached| newest - cached.last <= MAX_NEW_METRICS).unwrap_or_default();
        let counted = more(db, filter, cached).await?;
        self.of_sessions.insert(what, counted);
        Ok(counted.count.unsigned_abs())
    }

    /// How many there are of `what`, which is counted by `count` unless that is cached.
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
        if let Some((then, count)) = self.counts.get(&what)
            && then == now
        {
            return Ok(count);
        }
        let count = count.await?;
        self.counts.insert(what, (now, count));
        Ok(count)
    }
}
