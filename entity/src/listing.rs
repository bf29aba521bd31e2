//! The listings of REST v1: names of pipelines, builds and sessions, optionally of one component or one project. REST v1 knows no
//! projects: without one, pipelines and builds of one name are listed once.

use std::collections::HashMap;

use sea_orm::{
    DbErr, Order,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement, Value},
};

use crate::{
    column,
    digest::digest,
    driver::source::Source,
    filter::Text,
    table::{build, component, component_build, pipeline, project, session, session_component},
};

/// Returns the digest of `names` as a value to bind.
fn digest_of(names: &[&str]) -> Value {
    digest(names).to_vec().into()
}

/// Returns the condition that a pipeline is of `project`, if one is given.
fn of_project(db: &impl Source, project: Option<&str>) -> Option<Expr> {
    project.map(|name| project::is_named(pipeline::Column::ProjectId, &Text::equals(name), db.engine()))
}

/// Returns the names of all pipelines, in order of their first sessions.
pub async fn pipelines(db: &impl Source, project: Option<&str>) -> Result<Vec<String>, DbErr> {
    let id = column::of(pipeline::Column::Id);
    let query = Query::select()
        .expr(column::of(pipeline::Column::Name))
        .from(pipeline::Entity)
        .and_where_option(of_project(db, project))
        .group_by_col((pipeline::Entity, pipeline::Column::Name))
        .order_by_expr(Func::min(id).into(), Order::Asc)
        .take();
    db.all(&query).await
}

/// Returns the keys of the pipelines of this name.
async fn pipelines_named(db: &impl Source, name: &str, project: Option<&str>) -> Result<Vec<i64>, DbErr> {
    let query = Query::select()
        .expr(column::of(pipeline::Column::Id))
        .from(pipeline::Entity)
        .and_where(column::of(pipeline::Column::Name).eq(name))
        .and_where_option(of_project(db, project))
        .take();
    db.all(&query).await
}

/// Returns the key of the component of this name.
async fn component_named(db: &impl Source, name: &str) -> Result<Option<i64>, DbErr> {
    let component = component::Entity::find().filter(column::has_digest::<component::Entity>(&[name]));
    Ok(db.find_one(component).await?.map(|component| component.id))
}

/// The first metric of the component with digest `$1` in `pipeline`, or null.
const FIRST_METRIC: &str = "(SELECT MIN(first_metric_id) FROM component_build \
    WHERE component_id = (SELECT id FROM component WHERE digest = $1) AND pipeline_id = pipeline.id)";

/// Returns the names of the pipelines that measured `component`, in order of its first metrics there.
pub async fn pipelines_of_component(
    db: &impl Source,
    component: &str,
    project: Option<&str>,
) -> Result<Vec<String>, DbErr> {
    let sql = format!("SELECT {FIRST_METRIC}, pipeline.name, pipeline.id FROM pipeline");
    let rows: Vec<(Option<i64>, (String, i64))> = db.select(&sql, [digest_of(&[component])]).await?;
    let within: Option<Vec<i64>> = match of_project(db, project) {
        Some(of_project) => {
            let id = column::of(pipeline::Column::Id);
            Some(db.all(&Query::select().expr(id).from(pipeline::Entity).and_where(of_project).take()).await?)
        }
        None => None,
    };
    let mut first: HashMap<String, i64> = HashMap::new();
    for (metric, (name, id)) in rows {
        let Some(metric) = metric.filter(|_| within.as_ref().is_none_or(|ids| ids.contains(&id))) else { continue };
        let first = first.entry(name).or_insert(metric);
        *first = Ord::min(*first, metric);
    }
    let mut pipelines: Vec<(i64, String)> = first.into_iter().map(|(name, first)| (first, name)).collect();
    pipelines.sort();
    Ok(pipelines.into_iter().map(|(_, name)| name).collect())
}

/// The builds of the pipelines of one name that measured a component.
#[derive(Debug)]
pub struct Builds {
    component: i64,
    pipelines: Vec<i64>,
}

/// SQL for the builds of pipeline `$2` that measured component `$1`. The build with digest `$3` is not listed: it has no name,
/// and collects the sessions without a build number.
macro_rules! builds {
    ($select:literal, $join:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM component_build ",
            $join,
            " WHERE component_build.component_id = $1 AND component_build.pipeline_id = $2 \
            AND component_build.build_id NOT IN (SELECT id FROM build WHERE digest = $3)",
            $order
        )
    };
}

const COUNT_OF_BUILDS: &str = builds!("COUNT(*)", "", "");
const NAMES_OF_BUILDS: &str = builds!(
    "build.name",
    "JOIN build ON build.id = component_build.build_id",
    " ORDER BY component_build.first_metric_id LIMIT $4 OFFSET $5"
);

impl Builds {
    /// Returns the builds of the pipelines of this name that measured this component; `None` if either is unknown.
    pub async fn of(
        db: &impl Source,
        component: &str,
        pipeline: &str,
        project: Option<&str>,
    ) -> Result<Option<Self>, DbErr> {
        let Some(component) = component_named(db, component).await? else { return Ok(None) };
        let pipelines = pipelines_named(db, pipeline, project).await?;
        Ok((!pipelines.is_empty()).then_some(Self { component, pipelines }))
    }

    /// Returns the values of `$1` to `$3`, if there is one pipeline: then an index has its builds in their order.
    fn values(&self) -> Option<[Value; 3]> {
        let [pipeline] = self.pipelines[..] else { return None };
        Some([self.component.into(), pipeline.into(), digest_of(&[&pipeline.to_string(), ""])])
    }

    /// Returns a query for what is selected of the builds of several pipelines.
    fn of_several(&self, db: &impl Source, selected: Expr) -> SelectStatement {
        let (of_build, measured) = (build::Column::Id, component_build::Column::BuildId);
        Query::select()
            .expr(selected)
            .from(component_build::Entity)
            .inner_join(build::Entity, column::of(of_build).eq(column::of(measured)))
            .and_where(column::of(component_build::Column::ComponentId).eq(self.component))
            .and_where(db.engine().any_of(column::of(component_build::Column::PipelineId), &self.pipelines))
            .and_where(column::of(build::Column::Name).ne(""))
            .take()
    }

    /// Returns the number of builds.
    pub async fn count(&self, db: &impl Source) -> Result<u64, DbErr> {
        let Some(values) = self.values() else {
            let names = Func::count_distinct(column::of(build::Column::Name)).into();
            return Ok(db.number(&self.of_several(db, names)).await?.unsigned_abs());
        };
        let counts = db.select::<i64, _>(COUNT_OF_BUILDS, values).await?;
        Ok(counts.first().map_or(0, |count| count.unsigned_abs()))
    }

    /// Returns the names of at most `limit` builds after the first `skip`, in order of the component's first metrics there.
    pub async fn names(&self, db: &impl Source, skip: u64, limit: u64) -> Result<Vec<String>, DbErr> {
        let Some([component, pipeline, unnamed]) = self.values() else {
            let first = Func::min(column::of(component_build::Column::FirstMetricId)).into();
            let query = self
                .of_several(db, column::of(build::Column::Name))
                .group_by_col((build::Entity, build::Column::Name))
                .order_by_expr(first, Order::Asc)
                .limit(limit)
                .offset(skip)
                .take();
            return db.all(&query).await;
        };
        let [limit, skip] = [limit, skip].map(|number| Value::from(i64::try_from(number).unwrap_or(i64::MAX)));
        db.select(NAMES_OF_BUILDS, [component, pipeline, unnamed, limit, skip]).await
    }
}

/// Returns the hashes of the announced sessions of the builds of this name that measured `component`, in order of its first metrics
/// there.
pub async fn sessions_of_component(
    db: &impl Source,
    component: &str,
    pipeline: &str,
    build: &str,
    project: Option<&str>,
) -> Result<Vec<String>, DbErr> {
    let Some(component) = component_named(db, component).await? else { return Ok(Vec::new()) };
    let pipelines = pipelines_named(db, pipeline, project).await?;
    let builds = Query::select()
        .column(build::Column::Id)
        .from(build::Entity)
        .and_where(db.engine().any_of(column::of(build::Column::PipelineId), &pipelines))
        .and_where(column::of(build::Column::Name).eq(build))
        .take();
    let (of_session, measured) = (session::Column::Id, session_component::Column::SessionId);
    let query = Query::select()
        .expr(column::of(session::Column::Hash))
        .from(session::Entity)
        .inner_join(session_component::Entity, column::of(measured).eq(column::of(of_session)))
        .and_where(column::of(session::Column::Announced).is_not_null())
        .and_where(column::of(session::Column::BuildId).in_subquery(builds))
        .and_where(column::of(session_component::Column::ComponentId).eq(component))
        .order_by((session_component::Entity, session_component::Column::FirstMetricId), Order::Asc)
        .take();
    db.all(&query).await
}
