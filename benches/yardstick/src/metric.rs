//! A metric, as REST v1 spells it and as the file stores it.

use rusqlite::{CachedStatement, Connection, Params, Row, params};
use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Debug, Serialize, Deserialize)]
pub struct Metric {
    session_h: String,
    context_h: String,
    item_start_time: String,
    item_path: String,
    item: String,
    item_variant: String,
    item_fs_loc: String,
    kind: String,
    component: String,
    total_time: f64,
    user_time: f64,
    kernel_time: f64,
    cpu_usage: f64,
    mem_usage: f64,
}

/// The columns, in the order of the members.
const COLUMNS: &str = "SESSION_H, CONTEXT_H, ITEM_START_TIME, ITEM_PATH, ITEM, ITEM_VARIANT, ITEM_FS_LOC, KIND, COMPONENT, \
    TOTAL_TIME, USER_TIME, KERNEL_TIME, CPU_USAGE, MEM_USAGE";

/// The statement that finds the first 500 metrics of which `condition` holds.
pub fn select<'a>(connection: &'a Connection, condition: &str) -> rusqlite::Result<CachedStatement<'a>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM TEST_METRICS WHERE {condition} ORDER BY ITEM_PK LIMIT 500"))
}

/// What a [`select`] finds.
pub fn read(statement: &mut CachedStatement<'_>, parameters: impl Params) -> rusqlite::Result<Vec<Metric>> {
    statement.query_map(parameters, from_row)?.collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Metric> {
    Ok(Metric {
        session_h: row.get(0)?,
        context_h: row.get(1)?,
        item_start_time: row.get(2)?,
        item_path: row.get(3)?,
        item: row.get(4)?,
        item_variant: row.get(5)?,
        item_fs_loc: row.get(6)?,
        kind: row.get(7)?,
        component: row.get(8)?,
        total_time: row.get(9)?,
        user_time: row.get(10)?,
        kernel_time: row.get(11)?,
        cpu_usage: row.get(12)?,
        mem_usage: row.get(13)?,
    })
}

/// The statement that [`insert`] runs.
pub fn insertion(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(&format!(
        "INSERT INTO TEST_METRICS ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
}

/// Stores one.
pub fn insert(insertion: &mut CachedStatement<'_>, metric: &Metric) -> rusqlite::Result<()> {
    insertion.execute(params![
        metric.session_h,
        metric.context_h,
        metric.item_start_time,
        metric.item_path,
        metric.item,
        metric.item_variant,
        metric.item_fs_loc,
        metric.kind,
        metric.component,
        metric.total_time,
        metric.user_time,
        metric.kernel_time,
        metric.cpu_usage,
        metric.mem_usage,
    ])?;
    Ok(())
}
