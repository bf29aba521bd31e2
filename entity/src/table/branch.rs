//! Branches of projects: of the source that was tested, as tags name it.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Query},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::{Number, Text},
    list::SqlListable,
    table::{in_order_of_latest_run, plain_entity, project},
};

/// A row of `branch`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "branch")]
pub struct Model {
    /// The key, which counts up in order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The key of the project.
    pub project_id: i64,
    /// The name.
    pub name: String,
    /// The run date of its latest run, in microseconds; that of the latest session if all of them are in runs of other branches.
    pub last_run_date: Option<i64>,
}

from_row!(Model { id, project_id, name, last_run_date });

plain_entity!();

/// The filter of branches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name.
    pub name: Option<Text>,
    /// The name of the project.
    pub project: Option<Text>,
    /// The run date of the latest run, in microseconds.
    pub last_run_date: Option<Number<i64>>,
}

in_order_of_latest_run!(Filter, default: RunDate);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, project, last_run_date } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(project.as_ref().map(|text| project::is_named(Column::ProjectId, text, engine)))
            .add_option(last_run_date.as_ref().map(|number| number.on(column::of(Column::LastRunDate))))
    }

    fn sort_column(sort: Sort) -> Option<Column> {
        sort.column()
    }
}

/// Returns the condition that `branch`, a key, is that of a branch whose name matches.
pub(crate) fn is_named(branch: impl ColumnTrait, name: &Text, engine: Engine) -> Expr {
    let branches =
        Query::select().column(Column::Id).from(Entity).cond_where(name.on(column::of(Column::Name), engine)).take();
    column::of(branch).in_subquery(branches)
}
