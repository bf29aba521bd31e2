//! The dialect of SQLite, and the functions that are added to it.

use std::fmt::{self, Display, Formatter, Write};

use rusqlite::{Connection, functions::FunctionFlags, vtab::series};
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait as _, Func, FunctionCall, JoinType, Query, QueryBuilder, QueryStatementWriter,
    SelectStatement, SqlWriter, SqliteQueryBuilder, Value, Values,
};

use crate::key_range::{self, KeyRange};

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

/// Calls `is_among` of [`add_functions`]. For a subquery, SQLite would copy `ids` into a temporary table in each statement.
pub(crate) fn any_of_residual(column: Expr, ids: &[i64]) -> Expr {
    Expr::cust_with_exprs("is_among(?, ?)", [column, Expr::val(KeyBitSet::of(ids).0)])
}

/// SQLite uses no index for conditions inside an `IS`.
pub(crate) fn residual(condition: Condition) -> Condition {
    Condition::all().add(Expr::from(condition).is(Expr::cust("TRUE")))
}

/// A bit set of keys, which are dense. The first eight bytes are the least key, little-endian; its bit is the first after them.
struct KeyBitSet(Vec<u8>);

impl KeyBitSet {
    fn of(keys: &[i64]) -> Self {
        let least = keys.iter().copied().min().unwrap_or_default();
        let mut set = least.to_le_bytes().to_vec();
        for (byte, mask) in keys.iter().filter_map(|key| byte_and_mask(*key, least)) {
            if set.len() <= byte {
                set.resize(byte + 1, 0);
            }
            set[byte] |= mask;
        }
        Self(set)
    }
}

/// Returns the index of a key's byte, and the mask of its bit, in a set with this least key.
fn byte_and_mask(key: i64, least: i64) -> Option<(usize, u8)> {
    let bit = usize::try_from(key.checked_sub(least)?).ok()?;
    Some((size_of::<i64>() + bit / 8, 1 << (bit % 8)))
}

/// Returns whether the bytes of a set contain `key`.
fn contains(set: &[u8], key: i64) -> bool {
    let least = set.first_chunk().map_or(0, |least| i64::from_le_bytes(*least));
    byte_and_mask(key, least).is_some_and(|(byte, mask)| set.get(byte).is_some_and(|bits| bits & mask != 0))
}

/// Adds functions to a connection: `is_among(key, set)`, which tests a bit set, and `generate_series(first, last, step)`.
pub(crate) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    series::load_module(connection)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("is_among", 2, flags, |context| {
        Ok(contains(context.get_raw(1).as_blob()?, context.get_raw(0).as_i64()?))
    })
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

pub(crate) fn partition() -> Expr {
    Expr::col(("metric", "part"))
}

pub(crate) fn in_partitions(KeyRange { after, until }: KeyRange) -> Expr {
    let first = Expr::val(Ord::max(key_range::partition(after.saturating_add(1)), 0));
    let newest: Expr = Query::select().expr(Func::max(Expr::col("part"))).from("metric").take().into();
    // Limits the series, since the range may end long after the last metric.
    let last = match until {
        Some(until) => Func::cust("min").args([newest, Expr::val(key_range::partition(until))]).into(),
        None => newest,
    };
    partition_is_in(Func::cust("generate_series").args([first, last]))
}

pub(crate) fn in_halves(newest: i64) -> [Expr; 2] {
    let last = key_range::partition(newest);
    [0, 1].map(|first| partition_is_in(Func::cust("generate_series").args([first, last, 2].map(Expr::val))))
}

/// Returns the condition that the partition is one of `partitions`.
fn partition_is_in(partitions: FunctionCall) -> Expr {
    partition().in_subquery(Query::select().column("value").from_function(partitions, "part").take())
}

#[cfg(test)]
mod tests {
    use super::{KeyBitSet, contains, with_numbered_parameters};

    #[test]
    fn a_set_has_its_keys_and_no_others() {
        let keys = [7, 9, 15, 16, 100];
        let set = KeyBitSet::of(&keys).0;
        for key in -1..200 {
            assert_eq!(contains(&set, key), keys.contains(&key), "{key}");
        }
        assert!(!contains(&set, i64::MIN) && !contains(&set, i64::MAX));
        assert!(!contains(&KeyBitSet::of(&[]).0, 0) && !contains(&[], 0));
    }

    #[test]
    fn parameters_are_numbered_as_they_are_in_postgresql() {
        assert_eq!(with_numbered_parameters("a = $2 AND b = $1 AND c = $2"), "a = ?2 AND b = ?1 AND c = ?2");
    }
}
