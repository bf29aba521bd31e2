//! The components that each session measured. Updated when metrics are inserted, so that listings and announcements need not
//! read metrics.

use sea_orm::entity::prelude::*;

use crate::table::plain_entity;

/// A row of `session_component`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_component")]
pub struct Model {
    /// The key of the session.
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: i64,
    /// The key of the component.
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_id: i64,
    /// The first metric of the component in the session.
    pub first_metric_id: i64,
    /// Number of metrics of the component in the session.
    pub metric_count: i64,
}

plain_entity!();
