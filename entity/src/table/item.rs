//! A test function, or another pytest item, before its parameters.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, ExprTrait as _},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, Noun},
    table::{component, plain_entity},
};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "item")]
pub struct Model {
    /// Counts up in the order of first metrics.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The component.
    pub component_id: i64,
    /// The module's path as Python imports it.
    pub path: String,
    /// The function's name.
    pub name: String,
}

from_row!(Model { id, component_id, path, name });

plain_entity!();

/// What items can be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The function's name.
    pub name: Option<Text>,
    /// The module's path.
    pub path: Option<Text>,
    /// The name of the component.
    pub component: Option<Text>,
}

/// Items whose component has such a name.
pub(crate) fn of_component_named(name: &Text, engine: Engine) -> Condition {
    let components = sea_orm::sea_query::Query::select()
        .column(component::Column::Id)
        .from(component::Entity)
        .cond_where(name.on_name::<component::Entity>(component::Column::Name, engine))
        .take();
    Condition::all().add(column::of(Column::ComponentId).in_subquery(components))
}

impl Noun for Entity {
    type Filter = Filter;

    list::in_order_first_seen!();

    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, path, component } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(path.as_ref().map(|text| text.on(column::of(Column::Path), engine)))
            .add_option(component.as_ref().map(|text| of_component_named(text, engine)))
    }
}
