//! The component of the product that a test watches over. The empty name stands for tests without one.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, ExprTrait as _, Query},
};

use crate::{
    component_build,
    engine::Engine,
    filter::Text,
    list::{self, Edge, Noun},
    row::from_row,
};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "component")]
pub struct Model {
    /// Counts up in the order of first metrics.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// As the worker sent it.
    pub name: String,
}

from_row!(Model { id, name });

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What components can be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name.
    pub name: Option<Text>,
    /// `Some(true)`: leave out the one without a name.
    pub named: Option<bool>,
}

impl Noun for Entity {
    type Filter = Filter;

    list::in_order_first_seen!();

    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, named } = filter;
        Condition::all().add_option(name.as_ref().map(|text| text.on_name::<Self>(Column::Name, engine))).add_option(
            named.map(|named| {
                let column = list::column::<Self>(Column::Name);
                if named { column.ne("") } else { column.eq("") }
            }),
        )
    }
}

/// The components that a build measured.
pub const OF_BUILD: Edge<Entity> = Edge::new("build.components", |build| {
    let measured = Query::select()
        .column(component_build::Column::ComponentId)
        .from(component_build::Entity)
        .and_where(list::column::<component_build::Entity>(component_build::Column::BuildId).eq(build))
        .take();
    Condition::all().add(list::column::<Entity>(Column::Id).in_subquery(measured))
});
