//! Items: test functions and other pytest items, without their parameters.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, ExprTrait as _},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, SqlListable},
    table::{component, plain_entity},
};

/// A row of `item`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "item")]
pub struct Model {
    /// The key, which counts up in order of first metrics.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The key of the component.
    pub component_id: i64,
    /// The path of the module, as in an import.
    pub path: String,
    /// The name of the function.
    pub name: String,
}

from_row!(Model { id, component_id, path, name });

plain_entity!();

/// The filter of items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name of the function.
    pub name: Option<Text>,
    /// The path of the module.
    pub path: Option<Text>,
    /// The name of the component.
    pub component: Option<Text>,
}

/// Returns the condition that the name of an item's component matches.
pub(crate) fn of_component_named(name: &Text, engine: Engine) -> Condition {
    let components = sea_orm::sea_query::Query::select()
        .column(component::Column::Id)
        .from(component::Entity)
        .cond_where(name.on_name::<component::Entity>(component::Column::Name, engine))
        .take();
    Condition::all().add(column::of(Column::ComponentId).in_subquery(components))
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, path, component } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(path.as_ref().map(|text| text.on(column::of(Column::Path), engine)))
            .add_option(component.as_ref().map(|text| of_component_named(text, engine)))
    }
}
