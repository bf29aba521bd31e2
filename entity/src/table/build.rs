//! A build of a pipeline, as the session tag `pipeline_build_no` names it. The empty name gathers the sessions of a pipeline
//! that have no build number; lists leave it out.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, Noun},
    table::{pipeline, plain_entity},
};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "build")]
pub struct Model {
    /// Counts up in the order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The pipeline.
    pub pipeline_id: i64,
    /// The tag's value.
    pub name: String,
}

from_row!(Model { id, pipeline_id, name });

plain_entity!();

/// What builds can be narrowed by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The build's own name.
    pub name: Option<Text>,
    /// The name of its pipeline.
    pub pipeline: Option<Text>,
}

/// Builds whose pipeline has such a name.
pub(crate) fn of_pipeline_named(name: &Text, engine: Engine) -> Condition {
    Condition::all().add(column::of(Column::PipelineId).in_subquery(pipeline::named(name, engine)))
}

impl Noun for Entity {
    type Filter = Filter;

    list::in_order_first_seen!();

    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, pipeline } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(pipeline.as_ref().map(|text| of_pipeline_named(text, engine)))
    }

    fn listed() -> Condition {
        // Spelled out, not bound: so it is the condition of an index.
        Condition::all().add(column::of(Column::Name).ne(Expr::cust("''")))
    }
}
