//! Which variants each pipeline measured: kept while metrics arrive, so that rankings read no others.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Condition, ExprTrait as _, Query},
};

use crate::{
    column,
    dialect::Engine,
    filter::Text,
    table::{pipeline, plain_entity, variant},
};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pipeline_variant")]
pub struct Model {
    /// The pipeline.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pipeline_id: i64,
    /// The variant, which at least one metric of the pipeline's sessions is of.
    #[sea_orm(primary_key, auto_increment = false)]
    pub variant_id: i64,
}

plain_entity!();

/// Variants that a pipeline with such a name measured.
pub(crate) fn measured_in(name: &Text, engine: Engine) -> Condition {
    let measured = Query::select()
        .column((Entity, Column::VariantId))
        .from(Entity)
        .and_where(column::of(Column::PipelineId).in_subquery(pipeline::named(name, engine)))
        .take();
    Condition::all().add(column::of(variant::Column::Id).in_subquery(measured))
}
