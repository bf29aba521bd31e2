//! CI pipelines of projects, named by the session tag `pipeline_branch`.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Query, SelectStatement},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::{Number, Text},
    list::SqlListable,
    table::{in_order_of_latest_run, plain_entity, project},
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
    /// The key of the project.
    pub project_id: i64,
    /// The run date of its latest run, in microseconds; that of the latest session if all of them are in runs of other pipelines.
    pub last_run_date: Option<i64>,
}

from_row!(Model { id, name, project_id, last_run_date });

plain_entity!();

/// The filter of pipelines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name.
    pub name: Option<Text>,
    /// The name of the project.
    pub project: Option<Text>,
    /// The run date of the latest run, in microseconds.
    pub last_run_date: Option<Number<i64>>,
}

in_order_of_latest_run!(Filter, default: FirstSeen);

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

/// Returns a query for the keys of the pipelines whose name matches, in whatever project.
pub(crate) fn named(name: &Text, engine: Engine) -> SelectStatement {
    Query::select().column(Column::Id).from(Entity).cond_where(name.on(column::of(Column::Name), engine)).take()
}
