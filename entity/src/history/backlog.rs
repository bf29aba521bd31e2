//! Metrics that an older version left as rows: too many for memory. Until they are sealed, a scan reads them from the table, part by
//! part.

use sea_orm::{DbErr, QueryOrder as _, entity::prelude::*};

use crate::{
    driver::source::Source,
    history::head::Head,
    table::{metric, segment},
};

/// Number of segments' worth of rows from which on they are not held in memory.
const SEGMENTS: i64 = 4;

/// A part as large as a segment, described like one; nothing if there are fewer rows.
const SELECT_PART: &str = "SELECT CAST(0 AS BIGINT), MIN(id), MAX(id), COUNT(*), CAST($3 AS BIGINT), MIN(session_id), MAX(session_id), \
    MIN(context_id), MAX(context_id), MIN(started_at), MAX(started_at), MIN(total_time), MAX(total_time), MIN(user_time), \
    MAX(user_time), MIN(kernel_time), MAX(kernel_time), MIN(cpu_usage), MAX(cpu_usage), MIN(memory_usage), MAX(memory_usage) \
    FROM (SELECT * FROM metric_row WHERE id > $1 ORDER BY id LIMIT CAST($2 AS BIGINT)) AS part HAVING COUNT(*) = $2";

/// Returns the parts of the rows with keys after `after`, if there are many up to `last_key`. What is left after them fits into a head.
///
/// # Errors
/// If the database fails.
pub(crate) async fn parts(
    db: &impl Source,
    after: i64,
    last_key: i64,
    (segment, page): (usize, usize),
) -> Result<Vec<segment::Model>, DbErr> {
    let (segment, page) = (i64::try_from(segment).unwrap_or(i64::MAX), i64::try_from(page).unwrap_or(i64::MAX));
    let mut parts: Vec<segment::Model> = Vec::new();
    if last_key - after <= SEGMENTS.saturating_mul(segment) {
        return Ok(parts);
    }
    loop {
        let from = parts.last().map_or(after, |part| part.last_metric_id);
        match db.select(SELECT_PART, [from.into(), segment.into(), page.into()]).await?.pop() {
            Some(part) => parts.push(part),
            None => break,
        }
    }
    // A part is sealed only when as many metrics follow it.
    parts.pop();
    Ok(parts)
}

/// Returns the rows of a part.
///
/// # Errors
/// If the database fails, or they are no longer there.
pub(crate) async fn rows(db: &impl Source, part: &segment::Model) -> Result<Vec<metric::Model>, DbErr> {
    let of_part = metric::Column::Id.between(part.first_metric_id, part.last_metric_id);
    let rows = db.find(metric::Entity::find().filter(of_part).order_by_asc(metric::Column::Id)).await?;
    if rows.len() as u64 != part.metric_count.unsigned_abs() {
        return Err(DbErr::Custom("these metrics were compressed or deleted meanwhile: try again".to_owned()));
    }
    Ok(rows)
}

/// Returns a part as a scan reads it.
///
/// # Errors
/// As [`rows`].
pub(crate) async fn open(db: &impl Source, part: &segment::Model) -> Result<Head, DbErr> {
    let mut head = Head::default();
    head.extend(&rows(db, part).await?, usize::try_from(part.page_size).unwrap_or(1));
    Ok(head)
}
