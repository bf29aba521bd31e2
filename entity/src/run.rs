//! How far a run has come: a session, or all sessions of a build. Answered from counters and indexes.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    DbErr, Iterable as _, Order,
    sea_query::{Condition, Expr, ExprTrait as _, Query, SelectStatement},
};

use crate::{
    column,
    digest::digest,
    driver::source::Source,
    table::{build, component_build, item, metric, pipeline, session, variant},
};

/// Builds, and sessions, among which the previous run is looked for: the latest so many.
const LOOKED_BACK: u64 = 20;

/// The build of this name in the pipeline of this name.
pub async fn build_named(db: &impl Source, pipeline: &str, build: &str) -> Result<Option<build::Model>, DbErr> {
    let query = Query::select()
        .column(pipeline::Column::Id)
        .from(pipeline::Entity)
        .and_where(Expr::col("digest").eq(digest(&[pipeline]).to_vec()))
        .take();
    let Some(pipeline) = db.all::<i64>(&query).await?.pop() else { return Ok(None) };
    let query = Query::select()
        .columns(build::Column::iter())
        .from(build::Entity)
        .and_where(Expr::col("digest").eq(digest(&[&pipeline.to_string(), build]).to_vec()))
        .take();
    Ok(db.all(&query).await?.pop())
}

/// The sessions of a build.
pub async fn sessions_of(db: &impl Source, build: i64) -> Result<Vec<session::Model>, DbErr> {
    let query = Query::select()
        .columns(session::Column::iter())
        .from(session::Entity)
        .and_where(Expr::col(session::Column::BuildId).eq(build))
        .take();
    db.all(&query).await
}

/// The metrics of these sessions behind `after`, up to `last`, that took longest: at most `limit`, the longest first.
pub async fn slowest(
    db: &impl Source,
    sessions: &[i64],
    after: i64,
    last: i64,
    limit: u64,
) -> Result<Vec<metric::Model>, DbErr> {
    let query = Query::select()
        .columns(metric::Column::iter())
        .from(metric::Entity)
        .and_where(db.engine().any_of(Expr::col(metric::Column::SessionId), sessions))
        .and_where(Expr::col(metric::Column::Id).gt(after))
        .and_where(Expr::col(metric::Column::Id).lte(last))
        .order_by(metric::Column::TotalTime, Order::Desc)
        .order_by(metric::Column::Id, Order::Asc)
        .limit(limit)
        .take();
    db.all(&query).await
}

/// A metric as a result of its session: when its test began on the clock of its machine, and what it took, both in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// The metric.
    pub id: i64,
    /// Its session.
    pub session: i64,
    /// When its test began.
    pub start: i64,
    /// What it took; what is too much or too little for the type is the most or the least.
    pub took: i64,
}

/// The metrics of these sessions behind `after`, in the order of their arrival: at most `limit`.
pub async fn timed(db: &impl Source, sessions: &[i64], after: i64, limit: u64) -> Result<Vec<Timed>, DbErr> {
    let query = Query::select()
        .columns([metric::Column::Id, metric::Column::SessionId, metric::Column::StartedAt, metric::Column::TotalTime])
        .from(metric::Entity)
        .and_where(db.engine().any_of(Expr::col(metric::Column::SessionId), sessions))
        .and_where(Expr::col(metric::Column::Id).gt(after))
        .order_by(metric::Column::Id, Order::Asc)
        .limit(limit)
        .take();
    let rows = db.all::<((i64, i64), (i64, f64))>(&query).await?;
    #[expect(clippy::cast_possible_truncation, reason = "what is too great becomes the greatest")]
    let timed = |((id, session), (start, seconds)): ((i64, i64), (i64, f64))| Timed {
        id,
        session,
        start,
        took: (seconds * 1e6) as i64,
    };
    Ok(rows.into_iter().map(timed).collect())
}

/// The component of the first metric of the session that `session` names, as an expression; null while there is none.
fn first_component(session: Expr) -> SelectStatement {
    let variant = Query::select()
        .column(metric::Column::VariantId)
        .from(metric::Entity)
        .and_where(column::of(metric::Column::SessionId).eq(session))
        .order_by(metric::Column::Id, Order::Asc)
        .limit(1)
        .take();
    let item = Query::select()
        .column(variant::Column::ItemId)
        .from(variant::Entity)
        .and_where(column::of(variant::Column::Id).eq(Expr::from(variant)))
        .take();
    Query::select()
        .column(item::Column::ComponentId)
        .from(item::Entity)
        .and_where(column::of(item::Column::Id).eq(Expr::from(item)))
        .take()
}

/// How many metrics the run before this session has: the session announced last before it in the same pipeline, but not in the same
/// numbered build, whose first metric is of the same component. `None` where there is none.
pub async fn before_session(db: &impl Source, session: &session::Model) -> Result<Option<i64>, DbErr> {
    let Some(announced) = session.announced else { return Ok(None) };
    let of_pipeline = match session.build_id {
        None => Condition::all().add(column::of(session::Column::BuildId).is_null()),
        Some(build) => {
            let pipeline = Query::select()
                .column(build::Column::PipelineId)
                .from(build::Entity)
                .and_where(column::of(build::Column::Id).eq(build))
                .take();
            let builds = Query::select()
                .column(build::Column::Id)
                .from(build::Entity)
                .and_where(column::of(build::Column::PipelineId).eq(Expr::from(pipeline)))
                .and_where(column::of(build::Column::Id).lte(build))
                // Sessions without a build number are each a run of their own.
                .and_where(column::of(build::Column::Id).ne(build).or(column::of(build::Column::Name).eq("")))
                .order_by(build::Column::Id, Order::Desc)
                .limit(LOOKED_BACK)
                .take();
            Condition::all().add(column::of(session::Column::BuildId).in_subquery(builds))
        }
    };
    let query = Query::select()
        .expr(column::of(session::Column::MetricCount))
        .expr(Expr::from(first_component(column::of(session::Column::Id))))
        .from(session::Entity)
        .cond_where(of_pipeline)
        .and_where(column::of(session::Column::Announced).lt(announced))
        .and_where(column::of(session::Column::MetricCount).gt(0))
        .order_by_expr(column::of(session::Column::Announced), Order::Desc)
        .limit(LOOKED_BACK)
        .take();
    let before = db.all::<(i64, Option<i64>)>(&query).await?;
    let component = db.all::<Option<i64>>(&first_component(Expr::val(session.id))).await?.pop().flatten();
    let is_same = |other: &Option<i64>| component.is_none() || *other == component;
    Ok(before.into_iter().find(|(_, other)| is_same(other)).map(|(metrics, _)| metrics))
}

/// How many metrics the run before this build has: the last numbered build before it in its pipeline that measured every component
/// that this one has measured so far. `None` where there is none.
pub async fn before_build(db: &impl Source, build: &build::Model) -> Result<Option<i64>, DbErr> {
    let builds = Query::select()
        .column(build::Column::Id)
        .from(build::Entity)
        .and_where(column::of(build::Column::PipelineId).eq(build.pipeline_id))
        .and_where(column::of(build::Column::Id).lte(build.id))
        .and_where(column::of(build::Column::Id).eq(build.id).or(column::of(build::Column::Name).ne("")))
        .order_by(build::Column::Id, Order::Desc)
        .limit(LOOKED_BACK + 1)
        .take();
    let query = Query::select()
        .column(component_build::Column::BuildId)
        .column(component_build::Column::ComponentId)
        .column(component_build::Column::MetricCount)
        .from(component_build::Entity)
        .and_where(column::of(component_build::Column::BuildId).in_subquery(builds))
        .take();
    let mut measured: BTreeMap<i64, (BTreeSet<i64>, i64)> = BTreeMap::new();
    for (build, (component, metrics)) in db.all::<(i64, (i64, i64))>(&query).await? {
        let (components, total) = measured.entry(build).or_default();
        components.insert(component);
        *total += metrics;
    }
    let (components, _) = measured.remove(&build.id).unwrap_or_default();
    let before = measured.into_values().rev().find(|(others, _)| components.is_subset(others));
    Ok(before.map(|(_, metrics)| metrics))
}
