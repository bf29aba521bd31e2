//! What only SQLite understands.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, JoinType, Query, SelectStatement};

/// SQLite's own LIKE is ASCII case-insensitive and has no escape character unless one is asked for.
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

pub(crate) fn parents(parents: &[i64]) -> (SelectStatement, Expr) {
    let query =
        Query::select().from_function(Func::cust("json_each").arg(Expr::val(json_list(parents))), "parent").to_owned();
    (query, Expr::col(("parent", "value")))
}

/// SQLite has no LATERAL; a correlated `id IN (… LIMIT n)` reads the same few rows.
pub(crate) fn join_list(query: &mut SelectStatement, table: &'static str, mut list: SelectStatement) -> &'static str {
    list.clear_selects().column((table, "id"));
    query.join_as(JoinType::InnerJoin, table, "listed", Expr::col(("listed", "id")).in_subquery(list));
    "listed"
}
