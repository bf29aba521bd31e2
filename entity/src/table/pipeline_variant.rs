//! The variants that each pipeline measured. Updated when metrics are inserted, so that top-k queries scan no other variants.

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

/// A row of `pipeline_variant`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pipeline_variant")]
pub struct Model {
    /// The key of the pipeline.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pipeline_id: i64,
    /// The key of the variant, which has at least one metric in the pipeline.
    #[sea_orm(primary_key, auto_increment = false)]
    pub variant_id: i64,
}

plain_entity!();

/// Returns the condition that a variant was measured in a pipeline whose name matches.
pub(crate) fn measured_in(name: &Text, engine: Engine) -> Condition {
    let measured = Query::select()
        .column((Entity, Column::VariantId))
        .from(Entity)
        .and_where(column::of(Column::PipelineId).in_subquery(pipeline::named(name, engine)))
        .take();
    Condition::all().add(column::of(variant::Column::Id).in_subquery(measured))
}
