//! What only PostgreSQL understands.

use sea_orm::sea_query::{ArrayType, Expr, Func, JoinType, Query, SelectStatement, Value};

/// Under the "C" collation `lower` touches ASCII letters alone, as SQLite does; an empty escape escapes nothing.
pub(crate) fn like(text: Expr, pattern: &str) -> Expr {
    Expr::cust_with_exprs("lower($1 COLLATE \"C\") LIKE $2 ESCAPE ''", [text, Expr::val(pattern.to_ascii_lowercase())])
}

pub(crate) fn head(text: Expr) -> Expr {
    Expr::cust_with_exprs("(substr($1, 1, 64) COLLATE \"C\")", [text])
}

fn array(ids: &[i64]) -> Expr {
    let ids = ids.iter().map(|id| Value::BigInt(Some(*id))).collect();
    Expr::val(Value::Array(ArrayType::BigInt, Some(Box::new(ids))))
}

pub(crate) fn any_of(column: Expr, ids: &[i64]) -> Expr {
    Expr::cust_with_exprs("$1 = ANY($2)", [column, array(ids)])
}

pub(crate) fn parents(parents: &[i64]) -> (SelectStatement, Expr) {
    let query = Query::select().from_function(Func::cust("unnest").arg(array(parents)), "parent").to_owned();
    (query, Expr::col(("parent", "parent")))
}

pub(crate) fn join_list(query: &mut SelectStatement, list: SelectStatement) -> &'static str {
    query.join_lateral(JoinType::InnerJoin, list, "listed", Expr::cust("TRUE"));
    "listed"
}
