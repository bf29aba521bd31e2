//! What must hold of the tables, whatever was measured.

use sea_orm::DbErr;

use crate::{
    driver::{keys, source::Source},
    history::{Facts, Snapshot},
};

/// Tables, their columns, and the tables that these refer to. What is derived from metrics is compared with these.
const REFERENCES: &[(&str, &str, &str)] = &[
    ("item", "component_id", "component"),
    ("variant", "item_id", "item"),
    ("pipeline", "project_id", "project"),
    ("branch", "project_id", "project"),
    ("build", "pipeline_id", "pipeline"),
    ("session", "build_id", "build"),
    ("session", "project_id", "project"),
    ("session", "branch_id", "branch"),
    ("session", "run_id", "run"),
    ("session_tag", "session_id", "session"),
    ("session_tag", "tag_id", "tag"),
    ("execution_context", "machine_class_id", "machine_class"),
    ("run", "project_id", "project"),
    ("segment_column", "segment_id", "segment"),
];

const SELECT_HISTORY: &str = "SELECT last_metric_id, sealed_until FROM history";

/// What the segments of a snapshot say of each other.
#[derive(Debug, Default)]
pub(super) struct Structure {
    pub(super) overlaps: Vec<String>,
    pub(super) gaps: Vec<String>,
    /// The last key of a segment.
    pub(super) sealed_until: i64,
}

pub(super) fn of(snapshot: &Snapshot) -> Structure {
    let (mut structure, mut last) = (Structure::default(), 0);
    let head = snapshot.head.zone().map(|zone| (zone.keys.least, zone.keys.greatest));
    let parts = snapshot.segments.iter().map(|part| (part.first_metric_id, part.last_metric_id));
    structure.sealed_until = parts.clone().map(|(_, last)| last).max().unwrap_or_default();
    let backlog = snapshot.backlog.iter().map(|part| (part.first_metric_id, part.last_metric_id));
    for (first, end) in parts.chain(backlog).chain(head) {
        if first <= last {
            let reason = format!("metrics {first} to {} are there twice: restore it from a backup", last.min(end));
            structure.overlaps.push(reason);
        } else if first > last + 1 {
            let reason = format!("metrics {} to {} are not there: restore it from a backup", last + 1, first - 1);
            structure.gaps.push(reason);
        }
        last = last.max(end);
    }
    structure
}

/// Returns what is wrong with the row of `history`.
pub(super) async fn state(db: &impl Source, facts: &Facts, sealed_until: i64) -> Result<Vec<String>, DbErr> {
    let Some((last, sealed)) = db.select::<(i64, i64), 0>(SELECT_HISTORY, []).await?.pop() else {
        return Ok(if facts.metrics() > 0 { vec!["history: its row is missing".to_owned()] } else { Vec::new() });
    };
    let mut wrong = Vec::new();
    if last < facts.greatest() {
        wrong.push(format!("history: last_metric_id is {last}, and must be at least {}", facts.greatest()));
    }
    if sealed < sealed_until {
        wrong.push(format!("history: sealed_until is {sealed}, and must be at least {sealed_until}"));
    }
    Ok(wrong)
}

/// Returns what refers to something that is not there.
///
/// # Errors
/// If the database fails.
pub async fn dangling(db: &impl Source) -> Result<Vec<String>, DbErr> {
    let mut found = Vec::new();
    for (table, column, target) in REFERENCES {
        let sql = format!(
            "SELECT COUNT(*), MIN({table}.{column}) FROM {table} WHERE {table}.{column} IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM {target} WHERE {target}.id = {table}.{column})"
        );
        if let Some((count @ 1.., Some(first))) = db.select::<(i64, Option<i64>), 0>(&sql, []).await?.pop() {
            found.push(format!(
                "{table}: {count} rows refer to a {target} that is not there, the first by {column} {first}: \
                 restore it from a backup"
            ));
        }
    }
    Ok(found)
}

/// Returns whether the announced rows of `table` are numbered without gaps, but for those that were deleted: lists are counted by
/// this. If not, how they are numbered.
///
/// # Errors
/// If the database fails.
pub async fn numbering(db: &impl Source, table: &str) -> Result<Option<String>, DbErr> {
    let (greatest, deleted) = (keys::greatest(table, "announced"), keys::deleted(table, "announced"));
    let sql =
        format!("SELECT (SELECT COUNT(announced) FROM {table}), (SELECT ({greatest})), CAST(({deleted}) AS BIGINT)");
    let row = db.select::<(i64, (Option<i64>, i64)), 0>(&sql, []).await?.pop();
    let (count, (greatest, deleted)) = row.unwrap_or_default();
    let counted = greatest.unwrap_or_default() - deleted;
    Ok((count != counted).then(|| format!("{table}: {counted} announced rows are counted, and there are {count}")))
}
