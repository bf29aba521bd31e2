//! Tags: a name and a value each, attached to sessions.

use sea_orm::{entity::prelude::*, sea_query::Condition};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, SqlListable},
    table::plain_entity,
};

/// A row of `tag`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tag")]
pub struct Model {
    /// The key, which counts up in order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

from_row!(Model { id, name, value });

plain_entity!();

/// The filter of tags.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name.
    pub name: Option<Text>,
    /// The value.
    pub value: Option<Text>,
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, value } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(value.as_ref().map(|text| text.on(column::of(Column::Value), engine)))
    }
}
