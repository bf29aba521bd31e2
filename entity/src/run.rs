//! Queries for the progress of a run: a session, or all sessions of a build. They read counters.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    DbErr, QueryOrder as _,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Value},
};

use crate::{
    digest::digest,
    driver::source::Source,
    filter::Text,
    table::{build, pipeline, project, session},
};

/// Returns the first build of this name in a pipeline of this name: in any project, unless one is given.
pub async fn build_named(
    db: &impl Source,
    project: Option<&str>,
    pipeline: &str,
    build: &str,
) -> Result<Option<build::Model>, DbErr> {
    let pipelines =
        pipeline::Entity::find().filter(pipeline::Column::Name.eq(pipeline)).filter(Condition::all().add_option(
            project.map(|name| project::is_named(pipeline::Column::ProjectId, &Text::equals(name), db.engine())),
        ));
    let pipelines = db.find(pipelines).await?;
    let digests = pipelines.iter().map(|pipeline| digest(&[&pipeline.id.to_string(), build]).to_vec());
    let builds = build::Entity::find().filter(Expr::col((build::Entity, "digest")).is_in(digests));
    db.find_one(builds.order_by_asc(build::Column::Id)).await
}

/// Returns the sessions of a build.
pub async fn sessions_of(db: &impl Source, build: i64) -> Result<Vec<session::Model>, DbErr> {
    db.find(session::Entity::find().filter(session::Column::BuildId.eq(build))).await
}

/// SQL for the component of the first metric of a session; null if it has none.
macro_rules! first_component {
    ($session:literal) => {
        concat!(
            "(SELECT component_id FROM session_component WHERE session_component.session_id = ",
            $session,
            " ORDER BY first_metric_id LIMIT 1)"
        )
    };
}

/// The component of the first metric of session `$1`.
const FIRST_COMPONENT: &str = concat!("SELECT ", first_component!("$1"));

/// The last 20 sessions with metrics and announcement numbers before `$1`, in the last 20 builds of the pipeline of build `$2`,
/// up to that build. Build `$2` itself is included only if it has no number, as each of its sessions is a run of its own.
const BEFORE_IN_PIPELINE: &str = concat!(
    "SELECT session.metric_count, ",
    first_component!("session.id"),
    " FROM session WHERE session.build_id IN (SELECT build.id FROM build \
    WHERE build.pipeline_id = (SELECT pipeline_id FROM build WHERE id = $2) \
    AND build.id <= $2 AND (build.id <> $2 OR build.name = '') ORDER BY build.id DESC LIMIT 20) \
    AND session.announced < $1 AND session.metric_count > 0 ORDER BY session.announced DESC LIMIT 20"
);

/// The last 20 sessions with metrics, without a pipeline, and with announcement numbers before `$1`.
const BEFORE_WITHOUT_PIPELINE: &str = concat!(
    "SELECT session.metric_count, ",
    first_component!("session.id"),
    " FROM session WHERE session.build_id IS NULL \
    AND session.announced < $1 AND session.metric_count > 0 ORDER BY session.announced DESC LIMIT 20"
);

/// The number of metrics of each component in build `$2` of pipeline `$1`, and in the last 20 numbered builds before it.
const COMPONENTS_OF_BUILDS: &str = "SELECT build_id, component_id, metric_count FROM component_build \
    WHERE build_id IN (SELECT id FROM build WHERE pipeline_id = $1 AND id <= $2 AND (id = $2 OR name <> '') \
    ORDER BY id DESC LIMIT 21)";

/// Returns the number of metrics of the previous run: the latest earlier session of the same pipeline, but not of the same
/// numbered build, whose first metric is of the same component. `None` if there is none.
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

/// Returns the number of metrics of the previous run: the latest earlier numbered build of the same pipeline that measured every
/// component that this build has measured so far. `None` if there is none.
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
