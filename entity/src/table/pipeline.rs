//! CI pipelines, named by the session tag `pipeline_branch`.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Query, SelectStatement},
};

use crate::{
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, SqlListable},
    table::plain_entity,
};

/// A row of `pipeline`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pipeline")]
pub struct Model {
    /// The key, which counts up in order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The value of the tag.
    pub name: String,
}

from_row!(Model { id, name });

plain_entity!();

/// The filter of pipelines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name.
    pub name: Option<Text>,
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name } = filter;
        Condition::all().add_option(name.as_ref().map(|text| text.on_name::<Self>(Column::Name, engine)))
    }
}

/// Returns a query for the keys of the pipelines whose name matches.
pub(crate) fn named(name: &Text, engine: Engine) -> SelectStatement {
    Query::select().column(Column::Id).from(Entity).cond_where(name.on_name::<Entity>(Column::Name, engine)).take()
}
