//! The execution contexts in which each session measured something. Updated when metrics are inserted, so that edges need not
//! read metrics.

use sea_orm::entity::prelude::*;

use crate::table::plain_entity;

/// A row of `session_context`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_context")]
pub struct Model {
    /// The key of the session.
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: i64,
    /// The key of the context.
    #[sea_orm(primary_key, auto_increment = false)]
    pub context_id: i64,
}

plain_entity!();
