//! Queries for what runs measured.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query, SelectStatement},
};

use crate::{
    column,
    driver::source::Source as _,
    history::{Scan, SessionGroups, VariantSet, times_of, variants_of},
    query::Store,
    table::{execution_context, run, session, session_context},
};

/// What the sessions of a run say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of metrics.
    pub metric_count: i64,
    /// When the server received the first of it, in microseconds since 1970 in UTC; `None` if an older server did.
    pub received_at: Option<i64>,
    /// When the server received the last of it, likewise.
    pub last_received_at: Option<i64>,
}

/// Returns a query for the key of the run of each session of these runs, and what else is added.
fn of_runs(db: &Store, runs: &[i64]) -> SelectStatement {
    let run = column::of(session::Column::RunId);
    Query::select().expr(run.clone()).from(session::Entity).and_where(db.engine().any_of(run, runs)).take()
}

/// Returns the totals of these runs, in one statement.
///
/// # Errors
/// If the database fails.
pub async fn totals(db: &Store, runs: &[i64]) -> Result<HashMap<i64, Totals>, DbErr> {
    let query = of_runs(db, runs)
        .expr(Expr::cust("CAST(SUM(session.metric_count) AS BIGINT)"))
        .expr(Expr::cust("MIN(session.received_at)"))
        .expr(Expr::cust("MAX(session.last_received_at)"))
        .group_by_col((session::Entity, session::Column::RunId))
        .take();
    let rows = db.all::<(i64, (i64, (Option<i64>, Option<i64>)))>(&query).await?;
    let totals = rows.into_iter().map(|(run, (metric_count, (received_at, last_received_at)))| {
        (run, Totals { metric_count, received_at, last_received_at })
    });
    Ok(totals.collect())
}

/// Returns the network names of the machines of these runs, sorted, in one statement.
///
/// # Errors
/// If the database fails.
pub async fn machines(db: &Store, runs: &[i64]) -> Result<HashMap<i64, BTreeSet<String>>, DbErr> {
    let (context, node) = (session_context::Column::ContextId, execution_context::Column::MachineNode);
    let query = of_runs(db, runs)
        .distinct()
        .expr(column::of(node))
        .inner_join(
            session_context::Entity,
            column::of(session_context::Column::SessionId).eq(column::of(session::Column::Id)),
        )
        .inner_join(execution_context::Entity, column::of(execution_context::Column::Id).eq(column::of(context)))
        .and_where(column::of(node).is_not_null())
        .take();
    let mut machines: HashMap<i64, BTreeSet<String>> = HashMap::new();
    for (run, machine) in db.all::<(i64, String)>(&query).await? {
        machines.entry(run).or_default().insert(machine);
    }
    Ok(machines)
}

/// Returns the groups that the sessions with metrics of `runs` are, and for each run the earliest run date of these sessions, in
/// microseconds.
async fn sessions(db: &Store, runs: &[i64]) -> Result<(SessionGroups, Vec<Option<i64>>), DbErr> {
    let numbers: HashMap<i64, usize> = runs.iter().copied().zip(0..).collect();
    let query = of_runs(db, runs)
        .expr(column::of(session::Column::Id))
        .expr(column::of(session::Column::RunDate))
        .and_where(column::of(session::Column::MetricCount).gt(0))
        .take();
    let (mut groups, mut starts) = (HashMap::new(), vec![None; runs.len()]);
    for (run, (session, run_date)) in db.all::<(i64, (i64, Option<i64>))>(&query).await? {
        let Some(number) = numbers.get(&run) else { continue };
        groups.insert(session, *number);
        let start: &mut Option<i64> = &mut starts[*number];
        *start = (*start).into_iter().chain(run_date).min();
    }
    Ok((Arc::new(groups), starts))
}

/// Returns the variants that each of these runs measured.
async fn variants(db: &Store, runs: &[i64]) -> Result<HashMap<i64, VariantSet>, DbErr> {
    let scan = Scan::begin(db, &db.history).await?;
    let (groups, _) = sessions(db, runs).await?;
    let variants = variants_of(&scan, &groups, runs.len()).await?;
    Ok(runs.iter().copied().zip(variants).collect())
}

/// Returns the number of variants that each of these runs measured.
///
/// # Errors
/// If the database fails.
pub async fn tests(db: &Store, runs: &[i64]) -> Result<HashMap<i64, u64>, DbErr> {
    Ok(variants(db, runs).await?.into_iter().map(|(run, variants)| (run, variants.len())).collect())
}

/// The variants of which only one of two runs has metrics, by their keys in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those of the later run.
    pub appeared: Arc<[i64]>,
    /// Those of the earlier run.
    pub vanished: Arc<[i64]>,
}

/// Returns what changed from the previous run to each of these runs. Those without a previous run are absent.
///
/// # Errors
/// If the database fails.
pub async fn changes(db: &Store, runs: &[i64]) -> Result<HashMap<i64, Changes>, DbErr> {
    let previous = run::previous(db, runs).await?;
    let both: BTreeSet<i64> = previous.iter().flat_map(|(run, before)| [*run, *before]).collect();
    let variants = variants(db, &both.into_iter().collect::<Vec<_>>()).await?;
    let changes = previous.into_iter().filter_map(|(run, before)| {
        let (now, before) = (variants.get(&run)?, variants.get(&before)?);
        Some((run, Changes { appeared: now.without(before).into(), vanished: before.without(now).into() }))
    });
    Ok(changes.collect())
}

/// The times of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    /// From the earliest run date of its sessions with metrics to the end of the test that ended last, in microseconds; `None`
    /// without metrics.
    pub wall: Option<i64>,
    /// The sum of the total times in seconds, correctly rounded.
    pub summed: f64,
}

/// Returns the times of these runs.
///
/// # Errors
/// If the database fails.
pub async fn times(db: &Store, runs: &[i64]) -> Result<HashMap<i64, Times>, DbErr> {
    let scan = Scan::begin(db, &db.history).await?;
    let (groups, starts) = sessions(db, runs).await?;
    let times = times_of(&scan, &groups, runs.len()).await?;
    let times = starts.into_iter().zip(times).map(|(start, times)| {
        let wall = times.end.zip(start).map(|(end, start)| end.saturating_sub(start));
        Times { wall, summed: times.total }
    });
    Ok(runs.iter().copied().zip(times).collect())
}
