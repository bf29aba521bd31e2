//! Segments: parts of the history that no longer change, one row each. Their columns are in `segment_column`.

use sea_orm::{
    entity::prelude::*,
    sea_query::{Expr, ExprTrait as _},
};

use crate::{driver::row::from_row, table::plain_entity};

/// A row of `segment`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "segment")]
pub struct Model {
    /// The key, which counts up.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The least key of its metrics when it was sealed.
    pub first_metric_id: i64,
    /// The greatest key of its metrics when it was sealed.
    pub last_metric_id: i64,
    /// Number of metrics.
    pub metric_count: i64,
    /// Number of metrics in a page; the last page may have fewer.
    pub page_size: i64,
    /// The least key of a session.
    pub min_session_id: i64,
    /// The greatest key of a session.
    pub max_session_id: i64,
    /// The least key of an execution context.
    pub min_context_id: i64,
    /// The greatest key of an execution context.
    pub max_context_id: i64,
    /// When the first test began, in microseconds.
    pub min_started_at: i64,
    /// When the last test began, in microseconds.
    pub max_started_at: i64,
    /// The least wall time, in seconds.
    pub min_total_time: f64,
    /// The greatest wall time, in seconds.
    pub max_total_time: f64,
    /// The least processor time in user space, in seconds.
    pub min_user_time: f64,
    /// The greatest processor time in user space, in seconds.
    pub max_user_time: f64,
    /// The least processor time in the kernel, in seconds.
    pub min_kernel_time: f64,
    /// The greatest processor time in the kernel, in seconds.
    pub max_kernel_time: f64,
    /// The least ratio of processor time to wall time.
    pub min_cpu_usage: f64,
    /// The greatest ratio of processor time to wall time.
    pub max_cpu_usage: f64,
    /// The least memory, in MB.
    pub min_memory_usage: f64,
    /// The greatest memory, in MB.
    pub max_memory_usage: f64,
}

from_row!(Model {
    id,
    first_metric_id,
    last_metric_id,
    metric_count,
    page_size,
    min_session_id,
    max_session_id,
    min_context_id,
    max_context_id,
    min_started_at,
    max_started_at,
    min_total_time,
    max_total_time,
    min_user_time,
    max_user_time,
    min_kernel_time,
    max_kernel_time,
    min_cpu_usage,
    max_cpu_usage,
    min_memory_usage,
    max_memory_usage
});

plain_entity!();

/// Returns the condition that no other segment has replaced it.
pub(crate) fn is_current() -> Expr {
    Expr::col("replaced_at").is_null()
}
