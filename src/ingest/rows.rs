//! The rows of metrics, as they are inserted.

use entity::{
    driver::{executor::Transaction, source::Source as _},
    key_range,
    table::metric,
};
use sea_orm::{DbErr, sea_query::Value};

/// Inserts `rows`, with their part of the history where there are parts.
pub(super) async fn insert(tx: &Transaction<'_>, rows: &[metric::Model]) -> Result<(), DbErr> {
    let values = rows.iter().map(values);
    if tx.engine().has_parts() {
        return tx.insert("metric", METRIC_COLUMNS, &values.collect::<Vec<_>>()).await;
    }
    let [columns @ .., _] = METRIC_COLUMNS;
    tx.insert("metric", columns, &values.map(|[values @ .., _]| values).collect::<Vec<_>>()).await
}

const METRIC_COLUMNS: [&str; 13] = [
    "id",
    "session_id",
    "context_id",
    "variant_id",
    "started_at",
    "started_at_text",
    "total_time",
    "user_time",
    "kernel_time",
    "cpu_usage",
    "memory_usage",
    "passed",
    "part",
];

/// The values of a row, in the order of [`METRIC_COLUMNS`].
fn values(row: &metric::Model) -> [Value; 13] {
    [
        row.id.into(),
        row.session_id.into(),
        row.context_id.into(),
        row.variant_id.into(),
        row.started_at.into(),
        row.started_at_text.clone().into(),
        row.total_time.into(),
        row.user_time.into(),
        row.kernel_time.into(),
        row.cpu_usage.into(),
        row.memory_usage.into(),
        row.passed.into(),
        key_range::part(row.id).into(),
    ]
}
