//! The transaction that deletes sessions: takes them out of every counter and list, and hides their metrics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{
    driver::{executor::Transaction, source::Source as _},
    history::Extremes,
    query::Removal,
    resource::Resource,
    table::session,
};
use sea_orm::{
    DbErr, EntityTrait as _, QueryFilter as _,
    sea_query::{Expr, ExprTrait as _, Query, Value},
};

use crate::ingest::{
    batch::Batch,
    erasing::{Orphans, erase, orphans},
    latest_runs::Touched,
    runs, statements,
};

/// Values that one statement binds, at most: SQLite's limit is 32,766.
const MAX_BOUND_VALUES: usize = 10_000;

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The number of sessions.
    pub sessions: u64,
    /// The number of their metrics.
    pub metrics: u64,
}

/// Deletes the sessions of `removal`.
pub(crate) async fn delete(batch: &mut Batch<'_>, removal: &Removal) -> Result<Deleted, DbErr> {
    let tx = &batch.tx;
    let among = |column: &'static str, keys: &[i64]| tx.engine().any_of(Expr::col(column), keys);
    let of_sessions = among("id", &removal.sessions);
    let found = tx.find(session::Entity::find().filter(of_sessions.clone())).await?;
    if found.is_empty() {
        return Ok(Deleted::default());
    }
    let sessions: Vec<i64> = found.iter().map(|session| session.id).collect();
    let of_children = among("session_id", &sessions);
    let distinct = |column: &'static str, table: &'static str| {
        Query::select().distinct().column(column).from(table).and_where(of_children.clone()).take()
    };
    let contexts: Vec<i64> = tx.all(&distinct("context_id", "session_context")).await?;
    let tags: Vec<i64> = tx.all(&distinct("tag_id", "session_tag")).await?;
    let measured = Query::select()
        .distinct()
        .columns([("session_component", "component_id"), ("session", "build_id")])
        .from("session_component")
        .inner_join("session", Expr::col(("session", "id")).equals(("session_component", "session_id")))
        .and_where(tx.engine().any_of(Expr::col(("session", "id")), &sessions))
        .and_where(Expr::col(("session", "build_id")).is_not_null())
        .take();
    let measured: Vec<(i64, i64)> = tx.all(&measured).await?;
    let measured: Vec<[Value; 2]> = measured.into_iter().map(|pair| [pair.0.into(), pair.1.into()]).collect();

    let touched = Touched::of_sessions(tx, &sessions).await?;
    let metrics = Metrics::of(removal);
    subtract(tx, "execution_context", &metrics.contexts).await?;
    subtract(tx, "variant", &metrics.variants).await?;
    narrow(tx, removal).await?;
    for table in ["session_component", "session_context", "session_tag"] {
        tx.execute(&Query::delete().from_table(table).and_where(of_children.clone()).take()).await?;
    }
    hide(tx, &sessions, &metrics).await?;
    erase(tx, "session", &["id", "announced"], of_sessions).await?;
    tx.run_each(statements::LEAVE_BUILD, &measured).await?;
    tx.run_each(statements::COUNT_COMPONENT_IN_BUILD, &measured).await?;
    let each = |key: fn(&session::Model) -> Option<i64>| {
        let keys: BTreeSet<i64> = found.iter().filter_map(key).collect();
        keys.into_iter().collect::<Vec<_>>()
    };
    // First: they refer to builds and branches.
    runs::recount(tx, &each(|session| session.run_id), touched).await?;
    let builds = each(|session| session.build_id);
    let (branches, projects) = (each(|session| session.branch_id), each(|session| session.project_id));
    delete_orphans(tx, &metrics, Candidates { contexts, tags, builds, branches, projects }).await?;

    // Names that lead to deleted rows are stored anew.
    batch.names.forget();
    batch.deletions += i64::try_from(sessions.len()).unwrap_or(i64::MAX);
    Ok(Deleted { sessions: sessions.len() as u64, metrics: removal.metrics.len() as u64 })
}

/// The numbers of the metrics that go.
#[derive(Default)]
struct Metrics {
    contexts: BTreeMap<i64, i64>,
    variants: BTreeMap<i64, i64>,
    /// For each session the first and the last key, and the number.
    sessions: BTreeMap<i64, (i64, i64, i64)>,
}

impl Metrics {
    fn of(removal: &Removal) -> Self {
        let mut metrics = Self::default();
        for metric in &removal.metrics {
            *metrics.contexts.entry(metric.context_id).or_default() += 1;
            *metrics.variants.entry(metric.variant_id).or_default() += 1;
            let (_, last, count) = metrics.sessions.entry(metric.session_id).or_insert((metric.id, metric.id, 0));
            (*last, *count) = (metric.id, *count + 1);
        }
        metrics
    }
}

/// Runs `sql`, which reads `changed` with these columns, for all `rows`.
async fn change(tx: &Transaction<'_>, columns: &[&str], sql: &str, rows: Vec<Vec<Value>>) -> Result<(), DbErr> {
    for part in rows.chunks(MAX_BOUND_VALUES / columns.len()) {
        let mut numbers = (1_usize..).map(|number| format!("${number}"));
        let row = |_| format!("({})", numbers.by_ref().take(columns.len()).collect::<Vec<_>>().join(", "));
        let places: Vec<String> = part.iter().map(row).collect();
        let sql = format!("WITH changed ({}) AS (VALUES {}) {sql}", columns.join(", "), places.join(", "));
        tx.run_with(&sql, part.concat()).await?;
    }
    Ok(())
}

/// Takes these numbers of metrics from the counters of `table`.
async fn subtract(tx: &Transaction<'_>, table: &str, totals: &BTreeMap<i64, i64>) -> Result<(), DbErr> {
    let sql = format!(
        "UPDATE {table} SET metric_count = metric_count - changed.n FROM changed WHERE {table}.id = changed.id"
    );
    let rows = totals.iter().map(|(id, total)| vec![(*id).into(), (*total).into()]).collect();
    change(tx, &["id", "n"], &sql, rows).await
}

/// Narrows the bounds of variants to those of their other metrics.
async fn narrow(tx: &Transaction<'_>, removal: &Removal) -> Result<(), DbErr> {
    let columns: Vec<String> = Resource::ALL
        .iter()
        .flat_map(|resource| ["min_", "max_"].map(|end| format!("{end}{}", resource.column())))
        .collect();
    let set: Vec<String> = columns.iter().map(|column| format!("{column} = changed.{column}_")).collect();
    let sql = format!("UPDATE variant SET {} FROM changed WHERE variant.id = changed.id", set.join(", "));
    let places: Vec<String> = columns.iter().map(|column| format!("{column}_")).collect();
    let places: Vec<&str> = std::iter::once("id").chain(places.iter().map(String::as_str)).collect();
    let row = |(variant, rest): (&i64, &Option<Extremes>)| {
        let Extremes(extremes) = (*rest)?;
        let values = extremes.into_iter().flat_map(|(least, greatest)| [Value::from(least), Value::from(greatest)]);
        Some(std::iter::once(Value::from(*variant)).chain(values).collect())
    };
    change(tx, &places, &sql, removal.extremes.iter().filter_map(row).collect()).await
}

/// Has the metrics of these sessions hidden.
async fn hide(tx: &Transaction<'_>, sessions: &[i64], metrics: &Metrics) -> Result<(), DbErr> {
    let count = i64::try_from(sessions.len()).unwrap_or(i64::MAX);
    tx.run(statements::COUNT_DELETIONS, [count.into()]).await?;
    let rows: Vec<[Value; 5]> = (0_i64..)
        .zip(sessions)
        .map(|(number, session)| {
            // None has key 0.
            let (first, last, count) = metrics.sessions.get(session).copied().unwrap_or_default();
            [number, *session, first, last, count].map(Value::from)
        })
        .collect();
    tx.run_each(statements::HIDE_SESSION, &rows).await
}

/// What may no longer be needed.
struct Candidates {
    contexts: Vec<i64>,
    tags: Vec<i64>,
    builds: Vec<i64>,
    branches: Vec<i64>,
    projects: Vec<i64>,
}

/// Deletes what no session and no metric has any more.
async fn delete_orphans(tx: &Transaction<'_>, metrics: &Metrics, candidates: Candidates) -> Result<(), DbErr> {
    let Candidates { contexts, tags, builds, branches, projects } = candidates;
    let variants: Vec<i64> = metrics.variants.keys().copied().collect();
    let items = parents(tx, "variant", "item_id", &variants).await?;
    let components = parents(tx, "item", "component_id", &items).await?;
    let pipelines = parents(tx, "build", "pipeline_id", &builds).await?;
    let classes = parents(tx, "execution_context", "machine_class_id", &contexts).await?;
    let mut candidates = HashMap::from([
        ("variant", variants),
        ("item", items),
        ("component", components),
        ("build", builds),
        ("pipeline", pipelines),
        ("branch", branches),
        ("project", projects),
        ("tag", tags),
        ("execution_context", contexts),
        ("machine_class", classes),
    ]);
    for Orphans { table, counting, condition } in orphans(Expr::col("metric_count").eq(0)) {
        let keys = candidates.remove(table).unwrap_or_default();
        erase(tx, table, counting, tx.engine().any_of(Expr::col("id"), &keys).and(condition)).await?;
    }
    Ok(())
}

/// Returns the parents of the rows of `table` with these keys.
async fn parents(
    tx: &Transaction<'_>,
    table: &'static str,
    column: &'static str,
    keys: &[i64],
) -> Result<Vec<i64>, DbErr> {
    let of_keys = tx.engine().any_of(Expr::col("id"), keys);
    let query = Query::select().distinct().column(column).from(table).and_where(of_keys).take();
    Ok(tx.all::<Option<i64>>(&query).await?.into_iter().flatten().collect())
}
