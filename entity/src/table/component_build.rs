//! Which components each build measured: kept while metrics arrive, so that listings need not read them.

use sea_orm::entity::prelude::*;

use crate::table::plain_entity;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "component_build")]
pub struct Model {
    /// The component.
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_id: i64,
    /// The build.
    #[sea_orm(primary_key, auto_increment = false)]
    pub build_id: i64,
    /// The build's pipeline.
    pub pipeline_id: i64,
    /// The first metric of this component in this build: listings under a component are in its order.
    pub first_metric_id: i64,
    /// How many metrics of this component the build has.
    pub metric_count: i64,
}

plain_entity!();
