//! Components of the product under test. The empty name stands for tests without a component.

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
    table::plain_entity,
};

/// A row of `component`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "component")]
pub struct Model {
    /// The key, which counts up in order of first metrics.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The name as the worker sent it.
    pub name: String,
}

from_row!(Model { id, name });

plain_entity!();

/// The filter of components.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name.
    pub name: Option<Text>,
    /// `true`: components with a name; `false`: those without one.
    pub named: Option<bool>,
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, named } = filter;
        Condition::all().add_option(name.as_ref().map(|text| text.on_name::<Self>(Column::Name, engine))).add_option(
            named.map(|named| {
                let column = column::of(Column::Name);
                if named { column.ne("") } else { column.eq("") }
            }),
        )
    }
}
