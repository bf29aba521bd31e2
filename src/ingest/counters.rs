//! The counters of sessions, contexts, variants and builds, updated in the transaction that adds metrics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{
    dialect::Engine,
    driver::{executor::Transaction, source::Source as _},
    resource::Resource,
    table::{metric::Model, session},
};
use sea_orm::{DbErr, sea_query::Value};

use crate::ingest::statements;

/// Counts `rows`, which were just stored under increasing keys; `components` are theirs, in the same order. The server received them
/// at `now`, in microseconds since 1970 in UTC.
///
/// PostgreSQL adds up the new rows in a few statements, since each statement costs a round trip. SQLite is a function call away, and
/// updates single rows faster than it aggregates them.
pub(crate) async fn count(tx: &Transaction<'_>, rows: &[Model], components: &[i64], now: i64) -> Result<(), DbErr> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let range = [Value::from(first.id), Value::from(last.id)];
    tx.run(statements::SET_LAST_METRIC, [last.id.into()]).await?;
    match tx.engine() {
        Engine::Sqlite => {
            let sessions: BTreeSet<i64> = rows.iter().map(|row| row.session_id).collect();
            let builds = session::builds_of(tx, &sessions.into_iter().collect::<Vec<_>>()).await?;
            let contexts: BTreeSet<[i64; 2]> = rows.iter().map(|row| [row.session_id, row.context_id]).collect();
            let contexts: Vec<_> = contexts.into_iter().map(|pair| pair.map(Value::from)).collect();
            tx.run_each(statements::NOTE_CONTEXT, &contexts).await?;
            tx.run_each(statements::ADD_TO_SESSION_AND_COMPONENT, &in_sessions(rows, components)).await?;
            let of_sessions = totals(rows, |row| row.session_id);
            let of_sessions: Vec<_> = of_sessions.into_iter().map(|[id, total]| [id, total, now.into()]).collect();
            tx.run_each(statements::ADD_TO_SESSION, &of_sessions).await?;
            tx.run_each(statements::ADD_TO_CONTEXT, &totals(rows, |row| row.context_id)).await?;
            tx.run_each(&statements::ADD_TO_VARIANT, &bounds(rows)).await?;
            tx.run_each(statements::ADD_TO_COMPONENT_AND_BUILD, &in_builds(&builds, rows, components)).await
        }
        Engine::Postgres => {
            let [first, last] = range.clone();
            tx.run(statements::COUNT_BY_SESSION, [first, last, now.into()]).await?;
            tx.run(statements::NOTE_CONTEXTS, range.clone()).await?;
            tx.run(statements::COUNT_BY_SESSION_AND_COMPONENT, range.clone()).await?;
            tx.run(statements::COUNT_BY_CONTEXT, range.clone()).await?;
            tx.run(&statements::COUNT_AND_BOUNDS_BY_VARIANT, range.clone()).await?;
            tx.run(statements::COUNT_BY_COMPONENT_AND_BUILD, range).await
        }
    }
}

/// Each component in each session, the first of their metrics and how many there are.
fn in_sessions(rows: &[Model], components: &[i64]) -> Vec<[Value; 4]> {
    let mut pairs: BTreeMap<(i64, i64), (i64, i64)> = BTreeMap::new();
    for (row, component) in rows.iter().zip(components) {
        pairs.entry((row.session_id, *component)).or_insert((row.id, 0)).1 += 1;
    }
    let values = pairs
        .into_iter()
        .map(|((session, component), (first, total))| [session, component, first, total].map(Value::from));
    values.collect()
}

/// Each component in each build, the build's pipeline, the first of their metrics and how many there are.
fn in_builds(builds: &HashMap<i64, (i64, i64)>, rows: &[Model], components: &[i64]) -> Vec<[Value; 5]> {
    let mut pairs: BTreeMap<(i64, i64), (i64, i64, i64)> = BTreeMap::new();
    for (row, component) in rows.iter().zip(components) {
        if let Some((build, pipeline)) = builds.get(&row.session_id) {
            pairs.entry((*component, *build)).or_insert((*pipeline, row.id, 0)).2 += 1;
        }
    }
    let values = pairs.into_iter().map(|((component, build), (pipeline, first, total))| {
        [component, build, pipeline, first, total].map(Value::from)
    });
    values.collect()
}

/// Each key, and how many rows have it.
fn totals(rows: &[Model], key: fn(&Model) -> i64) -> Vec<[Value; 2]> {
    let mut totals: BTreeMap<i64, i64> = BTreeMap::new();
    for row in rows {
        *totals.entry(key(row)).or_default() += 1;
    }
    totals.into_iter().map(|(key, total)| [key.into(), total.into()]).collect()
}

/// Each variant, how many rows it has, and the least and greatest of each resource among them.
fn bounds(rows: &[Model]) -> Vec<[Value; 12]> {
    let mut variants: BTreeMap<i64, (i64, [(f64, f64); 5])> = BTreeMap::new();
    for row in rows {
        let values = Resource::ALL.map(|resource| row.resource(resource));
        let (total, bounds) = variants.entry(row.variant_id).or_insert_with(|| (0, values.map(|value| (value, value))));
        *total += 1;
        for ((least, greatest), value) in bounds.iter_mut().zip(values) {
            (*least, *greatest) = (least.min(value), greatest.max(value));
        }
    }
    let values = variants.into_iter().map(|(key, (total, bounds))| {
        let mut values = std::array::from_fn(|_| Value::from(key));
        values[1] = total.into();
        for (place, (least, greatest)) in values[2..].chunks_exact_mut(2).zip(bounds) {
            (place[0], place[1]) = (least.into(), greatest.into());
        }
        values
    });
    values.collect()
}
