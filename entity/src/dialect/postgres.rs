//! SQL in PostgreSQL's dialect.

use sea_orm::sea_query::{ArrayType, Expr, Func, JoinType, Query, SelectStatement, Value};

/// The first statements of a transaction that writes. Several servers may share the tables, and one at a time assigns keys: an advisory
/// lock named after the table `metric`, of which a database may have several (in schemas). The settings override those of role, database
/// and pooler: the transaction reads what was committed, waits for the lock as long as it takes, and is on disk once it is committed.
pub(crate) const BEGIN_WRITING: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; \
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
    SELECT pg_advisory_xact_lock(1835365473, 'metric'::regclass::oid::int4), \
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END";

/// Another client of a pooler may have prepared statements under our names in the same session. A statement of its own, so that poolers
/// which track prepared statements notice it.
pub(crate) const FORGET_PREPARED: &str = "DEALLOCATE ALL";

/// The LISTEN channel of the servers on the same tables. It is named after the schema, since the tables may be created again.
pub const CHANNEL: &str = "SELECT 'metrograph_' || md5(nspname) FROM pg_namespace \
    WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'metric'::regclass)";

/// Sends `$1` to that channel.
pub(crate) const NOTIFY: &str = "SELECT pg_notify('metrograph_' || md5(nspname), $1) FROM pg_namespace \
    WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = 'metric'::regclass)";

/// With collation "C", `lower` changes only ASCII letters, like SQLite's LIKE; an empty ESCAPE disables escaping.
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
