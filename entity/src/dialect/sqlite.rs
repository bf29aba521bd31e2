//! The dialect of SQLite.

use std::fmt::{self, Display, Formatter, Write};

use sea_orm::sea_query::{
    Condition, Expr, ExprTrait as _, Func, JoinType, Query, QueryBuilder, QueryStatementWriter, SelectStatement,
    SqlWriter, SqliteQueryBuilder, Value, Values,
};

/// A statement under construction. Limits are not bound but inlined: SQLite's planner uses their values, and would prepare the
/// statement again for each binding.
#[derive(Default)]
struct SqlBuffer {
    sql: String,
    bound: Vec<Value>,
}

impl Write for SqlBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.sql.write_str(text)
    }
}

impl Display for SqlBuffer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

impl SqlWriter for SqlBuffer {
    fn push_param<T: QueryBuilder>(&mut self, value: Value, builder: &T) {
        if self.sql.ends_with(" LIMIT ") {
            self.sql.push_param(value, builder);
        } else {
            self.sql.push('?');
            self.bound.push(value);
        }
    }

    fn as_writer(&mut self) -> &mut dyn Write {
        self
    }
}

pub(crate) fn build(statement: &impl QueryStatementWriter) -> (String, Values) {
    let mut buffer = SqlBuffer::default();
    statement.build_collect_into(SqliteQueryBuilder, &mut buffer);
    (buffer.sql, Values(buffer.bound))
}

/// Replaces `$1` by `?1`. To SQLite, `$1` is a name, which is numbered by its first appearance.
pub(crate) fn with_numbered_parameters(sql: &str) -> String {
    sql.replace('$', "?")
}

/// Selects the number of free pages that can be given back to the system: none of a file that was made without that.
pub(crate) const FREE_PAGES: &str = "SELECT CASE WHEN (SELECT auto_vacuum FROM pragma_auto_vacuum) = 2 \
    THEN (SELECT freelist_count FROM pragma_freelist_count) ELSE 0 END";

/// Looks at every page, and at every index and its table.
pub(crate) const INTEGRITY_CHECK: &str = "PRAGMA integrity_check(20)";

/// Writes a copy, as it is at this moment, to the file `?1`.
pub(crate) const COPY: &str = "VACUUM INTO ?1";

/// Folds the log into the file, and locks it. Both fail if another process has it open.
pub(crate) const LOCK: &str = "PRAGMA busy_timeout = 500; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE";

/// Returns the statement that gives up to `pages` of them back.
pub(crate) fn give_back(pages: u32) -> String {
    format!("PRAGMA incremental_vacuum({pages})")
}

/// SQLite's LIKE ignores the case of ASCII letters, and has no escape character without ESCAPE.
pub(crate) fn like(text: Expr, pattern: &str) -> Expr {
    Expr::cust_with_exprs("? LIKE ?", [text, Expr::val(pattern)])
}

pub(crate) fn head(text: Expr) -> Expr {
    Expr::cust_with_exprs("substr(?, 1, 64)", [text])
}

fn json_list(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}

pub(crate) fn any_of(column: Expr, ids: &[i64]) -> Expr {
    column.in_subquery(
        Query::select()
            .column("value")
            .from_function(Func::cust("json_each").arg(Expr::val(json_list(ids))), "wanted")
            .to_owned(),
    )
}

/// SQLite uses no index for conditions inside an `IS`.
pub(crate) fn residual(condition: Condition) -> Condition {
    Condition::all().add(Expr::from(condition).is(Expr::cust("TRUE")))
}

pub(crate) fn parents(parents: &[i64]) -> (SelectStatement, Expr) {
    let query =
        Query::select().from_function(Func::cust("json_each").arg(Expr::val(json_list(parents))), "parent").to_owned();
    (query, Expr::col(("parent", "value")))
}

/// SQLite has no LATERAL. A correlated `id IN (… LIMIT n)` reads as few rows.
pub(crate) fn join_list(query: &mut SelectStatement, table: &'static str, mut list: SelectStatement) -> &'static str {
    list.clear_selects().column((table, "id"));
    query.join_as(JoinType::InnerJoin, table, "listed", Expr::col(("listed", "id")).in_subquery(list));
    "listed"
}

#[cfg(test)]
mod tests {
    use super::with_numbered_parameters;

    #[test]
    fn parameters_are_numbered_as_they_are_in_postgresql() {
        assert_eq!(with_numbered_parameters("a = $2 AND b = $1 AND c = $2"), "a = ?2 AND b = ?1 AND c = ?2");
    }
}
