//! What only PostgreSQL understands.

use sea_orm::sea_query::{ArrayType, Expr, Func, JoinType, Query, SelectStatement, Value};

/// The first statements of a transaction that writes. Several servers may share the tables; one at a time assigns keys: the lock is that of
/// the table, of which there may be several in one database. What a role, a database or a pooler presets is not what is meant: a
/// transaction that reads what was committed, however long it waits for its turn, and that is on disk once it is committed.
pub(crate) const TURN: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; \
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
    SELECT pg_advisory_xact_lock(1835365473, 'metric'::regclass::oid::int4), \
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END";

/// What others have prepared in a session that is lent goes by the same names as what we are to prepare. By itself, so that poolers which
/// keep count of such statements see it.
pub(crate) const FORGET_PREPARED: &str = "DEALLOCATE ALL";

/// The channel in which the servers on the same tables speak: that of their schema, since the tables may be made anew.
pub const CHANNEL: &str = "SELECT 'metrograph_' || md5(nspname) FROM pg_namespace \
    WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'metric'::regclass)";

/// Says `$1` there.
pub(crate) const NOTIFY: &str = "SELECT pg_notify('metrograph_' || md5(nspname), $1) FROM pg_namespace \
    WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'metric'::regclass)";

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
