//! Keys and numbers that count up. They are never used again, even when the greatest of them is deleted.

use sea_orm::DbErr;

use crate::driver::source::Source;

/// Returns SQL for the greatest value of `column` that a row of `table` has, or had before it was deleted; null without any.
pub fn greatest(table: &str, column: &str) -> String {
    format!(
        "SELECT MAX(n) FROM (SELECT MAX({column}) AS n FROM {table} \
         UNION ALL SELECT greatest FROM deleted_key WHERE name = '{table}.{column}') AS numbers"
    )
}

/// Returns SQL for the number of values of `column` whose rows of `table` were deleted.
pub(crate) fn deleted(table: &str, column: &str) -> String {
    format!("SELECT COALESCE(SUM(row_count), 0) FROM deleted_key WHERE name = '{table}.{column}'")
}

/// Returns the value of `column` that comes after the greatest one.
///
/// # Errors
/// If the database fails.
pub async fn next(tx: &impl Source, table: &str, column: &str) -> Result<i64, DbErr> {
    let rows = tx.select::<Option<i64>, 0>(&greatest(table, column), []).await?;
    Ok(rows.into_iter().next().flatten().unwrap_or(0) + 1)
}
