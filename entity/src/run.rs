//! How far a run has come: a session, or all sessions of a build. Answered from counters and indexes.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    DbErr, Order, QueryOrder as _, QuerySelect as _,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait as _, Query, Value},
};

use crate::{
    column,
    driver::source::Source,
    table::{build, metric, pipeline, session},
};

/// The build of this name in the pipeline of this name.
pub async fn build_named(db: &impl Source, pipeline: &str, build: &str) -> Result<Option<build::Model>, DbErr> {
    let pipeline = pipeline::Entity::find().filter(column::has_digest::<pipeline::Entity>(&[pipeline]));
    let Some(pipeline) = db.find_one(pipeline).await? else { return Ok(None) };
    let names = [&pipeline.id.to_string(), build];
    db.find_one(build::Entity::find().filter(column::has_digest::<build::Entity>(&names))).await
}

/// The sessions of a build.
pub async fn sessions_of(db: &impl Source, build: i64) -> Result<Vec<session::Model>, DbErr> {
    db.find(session::Entity::find().filter(session::Column::BuildId.eq(build))).await
}

/// The metrics of these sessions after `after`, up to `last`, that took longest: at most `limit`, the longest first.
pub async fn slowest(
    db: &impl Source,
    sessions: &[i64],
    after: i64,
    last: i64,
    limit: u64,
) -> Result<Vec<metric::Model>, DbErr> {
    let metrics = metric::Entity::find()
        .filter(db.engine().any_of(column::of(metric::Column::SessionId), sessions))
        .filter(metric::Column::Id.gt(after))
        .filter(metric::Column::Id.lte(last))
        .order_by_desc(metric::Column::TotalTime)
        .order_by_asc(metric::Column::Id)
        .limit(limit);
    db.find(metrics).await
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

/// The metrics of these sessions after `after`, in the order of their arrival: at most `limit`.
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
    #[expect(clippy::cast_possible_truncation, reason = "saturates, far beyond any duration")]
    let timed = |((id, session), (start, seconds)): ((i64, i64), (i64, f64))| Timed {
        id,
        session,
        start,
        took: (seconds * 1e6) as i64,
    };
    Ok(rows.into_iter().map(timed).collect())
}

/// The component of the first metric of a session, in SQL; null while there is none.
macro_rules! first_component {
    ($session:literal) => {
        concat!(
            "(SELECT item.component_id FROM item WHERE item.id = (SELECT variant.item_id FROM variant \
            WHERE variant.id = (SELECT metric.variant_id FROM metric WHERE metric.session_id = ",
            $session,
            " ORDER BY metric.id LIMIT 1)))"
        )
    };
}

/// Of session `$1`.
const FIRST_COMPONENT: &str = concat!("SELECT ", first_component!("$1"));

/// The last 20 sessions with metrics that were announced before number `$1`, in the last 20 builds of the pipeline of build `$2`, up to
/// that build. The build itself is left out if it has a number, since its sessions are one run; sessions without a number are one each.
const BEFORE_IN_PIPELINE: &str = concat!(
    "SELECT session.metric_count, ",
    first_component!("session.id"),
    " FROM session WHERE session.build_id IN (SELECT build.id FROM build \
    WHERE build.pipeline_id = (SELECT pipeline_id FROM build WHERE id = $2) \
    AND build.id <= $2 AND (build.id <> $2 OR build.name = '') ORDER BY build.id DESC LIMIT 20) \
    AND session.announced < $1 AND session.metric_count > 0 ORDER BY session.announced DESC LIMIT 20"
);

/// The last 20 sessions with metrics and without a pipeline that were announced before number `$1`.
const BEFORE_WITHOUT_PIPELINE: &str = concat!(
    "SELECT session.metric_count, ",
    first_component!("session.id"),
    " FROM session WHERE session.build_id IS NULL \
    AND session.announced < $1 AND session.metric_count > 0 ORDER BY session.announced DESC LIMIT 20"
);

/// How many metrics each component has in build `$2` of pipeline `$1`, and in the last 20 numbered builds before it.
const COMPONENTS_OF_BUILDS: &str = "SELECT build_id, component_id, metric_count FROM component_build \
    WHERE build_id IN (SELECT id FROM build WHERE pipeline_id = $1 AND id <= $2 AND (id = $2 OR name <> '') \
    ORDER BY id DESC LIMIT 21)";

/// How many metrics the run before this session has: the session announced last before it in the same pipeline, but not in the same
/// numbered build, whose first metric is of the same component. `None` where there is none.
pub async fn before_session(db: &impl Source, session: &session::Model) -> Result<Option<i64>, DbErr> {
    let Some(announced) = session.announced else { return Ok(None) };
    let announced = Value::from(announced);
    let before: Vec<(i64, Option<i64>)> = match session.build_id {
        Some(build) => db.select(BEFORE_IN_PIPELINE, [announced, build.into()]).await?,
        None => db.select(BEFORE_WITHOUT_PIPELINE, [announced]).await?,
    };
    let component = db.select::<Option<i64>, _>(FIRST_COMPONENT, [session.id.into()]).await?.pop().flatten();
    let is_same = |other: &Option<i64>| component.is_none() || *other == component;
    Ok(before.into_iter().find(|(_, other)| is_same(other)).map(|(metrics, _)| metrics))
}

/// How many metrics the run before this build has: the last numbered build before it in its pipeline that measured every component
/// that this one has measured so far. `None` where there is none.
pub async fn before_build(db: &impl Source, build: &build::Model) -> Result<Option<i64>, DbErr> {
    let rows: Vec<(i64, (i64, i64))> =
        db.select(COMPONENTS_OF_BUILDS, [build.pipeline_id.into(), build.id.into()]).await?;
    let mut measured: BTreeMap<i64, (BTreeSet<i64>, i64)> = BTreeMap::new();
    for (build, (component, metrics)) in rows {
        let (components, total) = measured.entry(build).or_default();
        components.insert(component);
        *total += metrics;
    }
    let (components, _) = measured.remove(&build.id).unwrap_or_default();
    let before = measured.into_values().rev().find(|(others, _)| components.is_subset(others));
    Ok(before.map(|(_, metrics)| metrics))
}
