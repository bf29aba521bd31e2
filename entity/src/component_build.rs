//! Which components each build measured: kept while metrics arrive, so that listings need not read them.

use sea_orm::{
    DbErr, Order,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement},
};

use crate::{build, component, digest::digest, list, pipeline, source::Source};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "component_build")]
pub struct Model {
    /// The component.
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_id: i64,
    /// The build.
    #[sea_orm(primary_key, auto_increment = false)]
    pub build_id: i64,
    /// The build's pipeline.
    pub pipeline_id: i64,
    /// The first metric of this component in this build: listings under a component are in its order.
    pub first_metric_id: i64,
    /// How many metrics of this component the build has.
    pub metric_count: i64,
}

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row called `name`, of a table that has a digest of its name.
fn named<E: EntityTrait>(name: &str) -> SelectStatement {
    Query::select().column("id").from(E::default()).and_where(Expr::col("digest").eq(digest(&[name]).to_vec())).take()
}

/// The names of the pipelines that measured the component called `component`, in order of its first metrics there.
pub async fn pipeline_names(db: &impl Source, component: &str) -> Result<Vec<String>, DbErr> {
    let first = Query::select()
        .expr(Expr::col(Column::FirstMetricId).min())
        .from(Entity)
        .and_where(Expr::col(Column::ComponentId).in_subquery(named::<component::Entity>(component)))
        .and_where(Expr::col(Column::PipelineId).eq(list::column::<pipeline::Entity>(pipeline::Column::Id)))
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
        let own = |column| list::column::<Entity>(column);
        // The build without a name gathers sessions without a build number, and is not listed.
        let unnamed = digest(&[&self.pipeline.to_string(), ""]).to_vec();
        let unnamed =
            Query::select().column("id").from(build::Entity).and_where(Expr::col("digest").eq(unnamed)).take();
        Query::select()
            .from(Entity)
            .and_where(own(Column::ComponentId).eq(self.component))
            .and_where(own(Column::PipelineId).eq(self.pipeline))
            .and_where(own(Column::BuildId).not_in_subquery(unnamed))
            .take()
    }

    /// How many there are.
    pub async fn count(&self, db: &impl Source) -> Result<u64, DbErr> {
        Ok(db.number(self.query().expr(Func::count(Expr::val(1)))).await?.unsigned_abs())
    }

    /// The names of some of them, in order of the component's first metrics there.
    pub async fn names(&self, db: &impl Source, skip: u64, limit: u64) -> Result<Vec<String>, DbErr> {
        let (of_build, own) =
            (list::column::<build::Entity>(build::Column::Id), list::column::<Entity>(Column::BuildId));
        let mut query = self.query();
        query
            .column((build::Entity, build::Column::Name))
            .inner_join(build::Entity, of_build.eq(own))
            .order_by((Entity, Column::FirstMetricId), Order::Asc)
            .limit(limit)
            .offset(skip);
        db.all(&query).await
    }
}
