//! Projects, named by the session tag `project` or the path that a session was sent to. The project with the empty name has the
//! sessions that name none.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Query},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, SqlListable},
    table::plain_entity,
};

/// A row of `project`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "project")]
pub struct Model {
    /// The key, which counts up in order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The name; empty for sessions that name no project.
    pub name: String,
}

from_row!(Model { id, name });

plain_entity!();

/// The filter of projects.
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

/// Returns the condition that `project`, a key, is that of a project whose name matches.
pub(crate) fn is_named(project: impl ColumnTrait, name: &Text, engine: Engine) -> Expr {
    let projects =
        Query::select().column(Column::Id).from(Entity).cond_where(name.on_name::<Entity>(Column::Name, engine)).take();
    column::of(project).in_subquery(projects)
}
