//! How many metrics of each session, context and variant lie in each full block of metric keys: what a page number in a long
//! filtered list is looked up by.

use sea_orm::entity::prelude::*;

/// Keys in a block: block 0 has the keys from 1 to this, and so on.
pub const KEYS: i64 = 32_768;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "metric_block")]
pub struct Model {
    /// `session`, `context` or `variant`: what `key` is the key of.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dimension: String,
    /// The block, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub block: i64,
    /// The key of the session, context or variant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: i64,
    /// How many of its metrics are in the block.
    pub metric_count: i64,
}

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The blocks that metrics `first` to `last`, the newest ones, have filled.
pub fn filled_by(first: i64, last: i64) -> std::ops::Range<i64> {
    (first - 1) / KEYS..last / KEYS
}
