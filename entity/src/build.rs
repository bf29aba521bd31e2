//! A build of a pipeline, as the session tag `pipeline_build_no` names it. The empty name gathers the sessions of a pipeline
//! that have no build number; lists leave it out.

use std::collections::HashMap;

use sea_orm::{
    DbErr,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Query},
};

use crate::{
    component_build,
    engine::Engine,
    filter::Text,
    list::{self, Edge, Noun},
    pipeline,
    row::from_row,
    session,
    source::Source,
};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "build")]
pub struct Model {
    /// Counts up in the order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The pipeline.
    pub pipeline_id: i64,
    /// The tag's value.
    pub name: String,
}

from_row!(Model { id, pipeline_id, name });

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What builds can be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The build's own name.
    pub name: Option<Text>,
    /// The name of its pipeline.
    pub pipeline: Option<Text>,
}

/// Builds whose pipeline has such a name.
pub(crate) fn of_pipeline_named(name: &Text, engine: Engine) -> Condition {
    Condition::all().add(list::column::<Entity>(Column::PipelineId).in_subquery(pipeline::named(name, engine)))
}

impl Noun for Entity {
    type Filter = Filter;

    list::in_order_first_seen!();

    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, pipeline } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(list::column::<Self>(Column::Name), engine)))
            .add_option(pipeline.as_ref().map(|text| of_pipeline_named(text, engine)))
    }

    fn listed() -> Condition {
        // Spelled out, not bound: so it is the condition of an index.
        Condition::all().add(list::column::<Self>(Column::Name).ne(Expr::cust("''")))
    }
}

/// The build and the pipeline of each of these sessions that has one, by the session's key.
pub async fn of_sessions(db: &impl Source, sessions: &[i64]) -> Result<HashMap<i64, (i64, i64)>, DbErr> {
    let of_session = |column| list::column::<session::Entity>(column);
    let own = |column| list::column::<Entity>(column);
    let query = Query::select()
        .expr(of_session(session::Column::Id))
        .expr(own(Column::Id))
        .expr(own(Column::PipelineId))
        .from(session::Entity)
        .inner_join(Entity, own(Column::Id).eq(of_session(session::Column::BuildId)))
        .and_where(db.engine().any_of(of_session(session::Column::Id), sessions))
        .take();
    Ok(db.all::<(i64, (i64, i64))>(&query).await?.into_iter().collect())
}

/// The builds of a pipeline.
pub const OF_PIPELINE: Edge<Entity> = Edge::new("pipeline.builds", |pipeline| {
    Condition::all().add(list::column::<Entity>(Column::PipelineId).eq(pipeline))
});

/// The builds that measured a component.
pub const OF_COMPONENT: Edge<Entity> = Edge::new("component.builds", |component| {
    let measured = Query::select()
        .column(component_build::Column::BuildId)
        .from(component_build::Entity)
        .and_where(list::column::<component_build::Entity>(component_build::Column::ComponentId).eq(component))
        .take();
    Condition::all().add(list::column::<Entity>(Column::Id).in_subquery(measured))
});
