//! The components that each build measured. Updated when metrics are inserted, so that listings need not read metrics.

use sea_orm::entity::prelude::*;

use crate::table::plain_entity;

/// A row of `component_build`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "component_build")]
pub struct Model {
    /// The key of the component.
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_id: i64,
    /// The key of the build.
    #[sea_orm(primary_key, auto_increment = false)]
    pub build_id: i64,
    /// The key of the build's pipeline.
    pub pipeline_id: i64,
    /// The first metric of the component in the build, which is the order of the listings of a component.
    pub first_metric_id: i64,
    /// Number of metrics of the component in the build.
    pub metric_count: i64,
}

plain_entity!();
