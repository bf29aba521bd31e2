//! The listings of REST v1: pipelines, builds and sessions by name, under a component where one is given.

use sea_orm::{
    DbErr, EntityTrait, Order,
    sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement},
};

use crate::{
    column,
    digest::digest,
    driver::source::Source,
    filter::Text,
    list,
    table::{build, component, component_build, item, metric, pipeline, session, variant},
};

/// The name of every pipeline, in order of first sessions.
pub async fn pipelines(db: &impl Source) -> Result<Vec<String>, DbErr> {
    let query = Query::select()
        .column(pipeline::Column::Name)
        .from(pipeline::Entity)
        .order_by(pipeline::Column::Id, Order::Asc)
        .take();
    db.all(&query).await
}

/// The row called `name`, of a table that has a digest of its name.
fn named<E: EntityTrait>(name: &str) -> SelectStatement {
    Query::select().column("id").from(E::default()).and_where(Expr::col("digest").eq(digest(&[name]).to_vec())).take()
}

/// The names of the pipelines that measured the component called `component`, in order of its first metrics there.
pub async fn pipelines_of_component(db: &impl Source, component: &str) -> Result<Vec<String>, DbErr> {
    let first = Query::select()
        .expr(Expr::col(component_build::Column::FirstMetricId).min())
        .from(component_build::Entity)
        .and_where(Expr::col(component_build::Column::ComponentId).in_subquery(named::<component::Entity>(component)))
        .and_where(Expr::col(component_build::Column::PipelineId).eq(column::of(pipeline::Column::Id)))
        .take();
    let query = Query::select().expr(Expr::from(first)).column(pipeline::Column::Name).from(pipeline::Entity).take();
    let mut pipelines = db.all::<(Option<i64>, String)>(&query).await?;
    pipelines.sort();
    Ok(pipelines.into_iter().filter(|(first, _)| first.is_some()).map(|(_, name)| name).collect())
}

/// The builds of a pipeline that measured a component.
#[derive(Debug)]
pub struct Builds {
    component: i64,
    pipeline: i64,
}

impl Builds {
    /// Those of the pipeline and the component with these names; `None` where there is no such pipeline or component.
    pub async fn of(db: &impl Source, component: &str, pipeline: &str) -> Result<Option<Self>, DbErr> {
        let query = Query::select()
            .expr(Expr::from(named::<component::Entity>(component)))
            .expr(Expr::from(named::<pipeline::Entity>(pipeline)))
            .take();
        let keys = db.all::<(Option<i64>, Option<i64>)>(&query).await?.pop();
        Ok(keys.and_then(|(component, pipeline)| Some(Self { component: component?, pipeline: pipeline? })))
    }

    fn query(&self) -> SelectStatement {
        // The build without a name gathers sessions without a build number, and is not listed.
        let unnamed = digest(&[&self.pipeline.to_string(), ""]).to_vec();
        let unnamed =
            Query::select().column("id").from(build::Entity).and_where(Expr::col("digest").eq(unnamed)).take();
        Query::select()
            .from(component_build::Entity)
            .and_where(column::of(component_build::Column::ComponentId).eq(self.component))
            .and_where(column::of(component_build::Column::PipelineId).eq(self.pipeline))
            .and_where(column::of(component_build::Column::BuildId).not_in_subquery(unnamed))
            .take()
    }

    /// How many there are.
    pub async fn count(&self, db: &impl Source) -> Result<u64, DbErr> {
        Ok(db.number(self.query().expr(Func::count(Expr::val(1)))).await?.unsigned_abs())
    }

    /// The names of some of them, in order of the component's first metrics there.
    pub async fn names(&self, db: &impl Source, skip: u64, limit: u64) -> Result<Vec<String>, DbErr> {
        let (of_build, own) = (column::of(build::Column::Id), column::of(component_build::Column::BuildId));
        let mut query = self.query();
        query
            .column((build::Entity, build::Column::Name))
            .inner_join(build::Entity, of_build.eq(own))
            .order_by((component_build::Entity, component_build::Column::FirstMetricId), Order::Asc)
            .limit(limit)
            .offset(skip);
        db.all(&query).await
    }
}

/// The hashes of the sessions of a build that measured a component, in order of its first metrics there.
pub async fn sessions_of_component(
    db: &impl Source,
    component: &str,
    pipeline: &str,
    build: &str,
) -> Result<Vec<String>, DbErr> {
    let engine = db.engine();
    let filter = session::Filter {
        pipeline: Some(Text::equals(pipeline)),
        build: Some(Text::equals(build)),
        ..session::Filter::default()
    };
    let query = Query::select()
        .column((session::Entity, session::Column::Hash))
        .from(session::Entity)
        .inner_join(metric::Entity, column::of(metric::Column::SessionId).eq(column::of(session::Column::Id)))
        .inner_join(variant::Entity, column::of(variant::Column::Id).eq(column::of(metric::Column::VariantId)))
        .inner_join(item::Entity, column::of(item::Column::Id).eq(column::of(variant::Column::ItemId)))
        .inner_join(component::Entity, column::of(component::Column::Id).eq(column::of(item::Column::ComponentId)))
        .cond_where(list::condition::<session::Entity>(&filter.into(), engine))
        .and_where(column::of(component::Column::Name).eq(component))
        .group_by_columns([(session::Entity, session::Column::Id), (session::Entity, session::Column::Hash)])
        .order_by_expr(Func::min(column::of(metric::Column::Id)).into(), Order::Asc)
        .take();
    db.all(&query).await
}
