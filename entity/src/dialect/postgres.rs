//! The dialect of PostgreSQL.

use sea_orm::sea_query::{ArrayType, Expr, Func, JoinType, Query, SelectStatement, Value};

/// The first statements of a write transaction. An advisory lock makes one server at a time assign keys; its key contains the
/// OID of table `metric_row`, since a database may have several schemas with these tables. The settings override those of role,
/// database and pooler: no timeout ends the wait for the lock, and a commit is on disk when it returns.
pub(crate) const BEGIN_WRITING: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; \
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
    SELECT pg_advisory_xact_lock(1835365473, 'metric_row'::regclass::oid::int4), \
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END";

/// Drops prepared statements, since another client of a pooler may have used the same names in this session. It is sent on its
/// own, so that poolers which track prepared statements recognize it.
pub(crate) const FORGET_PREPARED: &str = "DEALLOCATE ALL";

/// Returns the LISTEN channel of the servers on the same tables. It is named after the schema, since OIDs change when the
/// tables are created again.
pub const CHANNEL: &str = "SELECT 'metrograph_' || md5(nspname) FROM pg_namespace \
    WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'metric_row'::regclass)";

/// Sends `$1` to the channel of [`CHANNEL`].
pub(crate) const NOTIFY: &str = "SELECT pg_notify('metrograph_' || md5(nspname), $1) FROM pg_namespace \
    WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'metric_row'::regclass)";

/// With collation "C", `lower` changes only ASCII letters, as SQLite's LIKE does. An empty ESCAPE disables escaping.
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
