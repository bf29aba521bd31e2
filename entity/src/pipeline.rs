//! A CI pipeline, as the session tag `pipeline_branch` names it.

use sea_orm::{
    DbErr,
    entity::prelude::*,
    sea_query::{Condition, ExprTrait as _, Query, SelectStatement},
};

use crate::{
    build, component_build,
    engine::Engine,
    filter::Text,
    list::{self, Edge, Noun},
    row::from_row,
    source::Source,
};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pipeline")]
pub struct Model {
    /// Counts up in the order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The tag's value.
    pub name: String,
}

from_row!(Model { id, name });

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What pipelines can be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name.
    pub name: Option<Text>,
}

impl Noun for Entity {
    type Filter = Filter;

    list::in_order_first_seen!();

    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name } = filter;
        Condition::all().add_option(name.as_ref().map(|text| text.on_name::<Self>(Column::Name, engine)))
    }
}

/// The pipelines that measured a component.
pub const OF_COMPONENT: Edge<Entity> = Edge::new("component.pipelines", |component| {
    let (of_build, measured) = (build::Column::Id, component_build::Column::BuildId);
    let pipelines = Query::select()
        .column((build::Entity, build::Column::PipelineId))
        .from(component_build::Entity)
        .inner_join(
            build::Entity,
            list::column::<build::Entity>(of_build).eq(list::column::<component_build::Entity>(measured)),
        )
        .and_where(list::column::<component_build::Entity>(component_build::Column::ComponentId).eq(component))
        .take();
    Condition::all().add(list::column::<Entity>(Column::Id).in_subquery(pipelines))
});

/// The keys of the pipelines with such a name.
pub(crate) fn named(name: &Text, engine: Engine) -> SelectStatement {
    Query::select().column(Column::Id).from(Entity).cond_where(name.on_name::<Entity>(Column::Name, engine)).take()
}

/// Every name, in order of first sessions.
pub async fn names(db: &impl Source) -> Result<Vec<String>, DbErr> {
    let query = Query::select().column(Column::Name).from(Entity).order_by(Column::Id, sea_orm::Order::Asc).take();
    db.all(&query).await
}
