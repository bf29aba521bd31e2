//! Builds of pipelines, named by the session tag `pipeline_build_no`. The build with the empty name collects the sessions of a
//! pipeline without a build number; it is not listed.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _},
};

use crate::{
    column,
    dialect::Engine,
    driver::row::from_row,
    filter::Text,
    list::{self, SqlListable},
    table::{pipeline, plain_entity},
};

/// A row of `build`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "build")]
pub struct Model {
    /// The key, which counts up in order of first sessions.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The key of the pipeline.
    pub pipeline_id: i64,
    /// The value of the tag.
    pub name: String,
}

from_row!(Model { id, pipeline_id, name });

plain_entity!();

/// The filter of builds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name of the build.
    pub name: Option<Text>,
    /// The name of its pipeline.
    pub pipeline: Option<Text>,
}

/// Returns the condition that the name of a build's pipeline matches.
pub(crate) fn of_pipeline_named(name: &Text, engine: Engine) -> Condition {
    Condition::all().add(column::of(Column::PipelineId).in_subquery(pipeline::named(name, engine)))
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, pipeline } = filter;
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(pipeline.as_ref().map(|text| of_pipeline_named(text, engine)))
    }

    fn listed() -> Condition {
        // Not bound, so that the partial index with this condition is used.
        Condition::all().add(column::of(Column::Name).ne(Expr::cust("''")))
    }
}
