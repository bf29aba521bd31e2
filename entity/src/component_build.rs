//! Which components each build measured: kept while metrics arrive, so that listings need not read them.

use sea_orm::{
    entity::prelude::*,
    sea_query::{ExprTrait as _, Query, SelectStatement},
};

use crate::{build, component, list};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "component_build")]
pub struct Model {
    /// The component.
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_id: i64,
    /// The build; null where the tags name no pipeline.
    #[sea_orm(primary_key, auto_increment = false)]
    pub build_id: i64,
    /// The first metric of this component in this build: listings under a component are in its order.
    pub first_metric_id: i64,
    /// How many metrics of this component the build has.
    pub metric_count: i64,
}

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Starts a query over the builds that measured the component called `name`: this table joined with `component` and `build`.
pub(crate) fn of_component_named(name: &str) -> SelectStatement {
    let component = |column| list::column::<component::Entity>(column);
    Query::select()
        .from(Entity)
        .inner_join(component::Entity, component(component::Column::Id).eq(list::column::<Entity>(Column::ComponentId)))
        .inner_join(
            build::Entity,
            list::column::<build::Entity>(build::Column::Id).eq(list::column::<Entity>(Column::BuildId)),
        )
        .and_where(component(component::Column::Name).eq(name))
        .take()
}
