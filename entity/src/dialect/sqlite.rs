//! SQL in SQLite's dialect, and the functions that are added to it.

use std::fmt::{self, Display, Formatter, Write};

use rusqlite::{Connection, functions::FunctionFlags, vtab::series};
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait as _, Func, FunctionCall, JoinType, Query, QueryBuilder, QueryStatementWriter,
    SelectStatement, SqlWriter, SqliteQueryBuilder, Value, Values,
};

use crate::key_range::{self, KeyRange};

/// A statement under construction. Values are bound, except limits: SQLite's planner uses their values, and would plan again for each
/// binding.
#[derive(Default)]
struct Text {
    sql: String,
    bound: Vec<Value>,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.sql.write_str(text)
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

impl SqlWriter for Text {
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
    let mut text = Text::default();
    statement.build_collect_into(SqliteQueryBuilder, &mut text);
    (text.sql, Values(text.bound))
}

/// To SQLite `$1` is a name, numbered by its first appearance; `?1` is a number.
pub(crate) fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

/// SQLite's LIKE ignores the case of ASCII letters, and has no escape character unless ESCAPE is given.
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

/// Calls a function of our own, see [`add_functions`]: SQLite would first copy `ids` into a temporary table, in each statement.
pub(crate) fn any_of_residual(column: Expr, ids: &[i64]) -> Expr {
    Expr::cust_with_exprs("is_among(?, ?)", [column, Expr::val(KeySet::of(ids).0)])
}

/// SQLite uses no index for what is inside an `IS`.
pub(crate) fn residual(condition: Condition) -> Condition {
    Condition::all().add(Expr::from(condition).is(Expr::cust("TRUE")))
}

/// A bit set of keys, after the least of them in eight bytes: keys count up from 1, so they are dense.
struct KeySet(Vec<u8>);

impl KeySet {
    fn of(keys: &[i64]) -> Self {
        let least = keys.iter().copied().min().unwrap_or_default();
        let mut set = least.to_le_bytes().to_vec();
        for (byte, bit) in keys.iter().filter_map(|key| place(*key, least)) {
            if set.len() <= byte {
                set.resize(byte + 1, 0);
            }
            set[byte] |= bit;
        }
        Self(set)
    }
}

/// The byte, and the bit in it, of a key in a set with this least key.
fn place(key: i64, least: i64) -> Option<(usize, u8)> {
    let bit = usize::try_from(key.checked_sub(least)?).ok()?;
    Some((size_of::<i64>() + bit / 8, 1 << (bit % 8)))
}

fn has(set: &[u8], key: i64) -> bool {
    let least = set.first_chunk().map_or(0, |least| i64::from_le_bytes(*least));
    place(key, least).is_some_and(|(byte, bit)| set.get(byte).is_some_and(|bits| bits & bit != 0))
}

/// Adds `is_among(key, set)`, which tests a set of keys, and `generate_series(first, last, step)` to a connection.
pub(crate) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    series::load_module(connection)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("is_among", 2, flags, |context| {
        Ok(has(context.get_raw(1).as_blob()?, context.get_raw(0).as_i64()?))
    })
}

pub(crate) fn parents(parents: &[i64]) -> (SelectStatement, Expr) {
    let query =
        Query::select().from_function(Func::cust("json_each").arg(Expr::val(json_list(parents))), "parent").to_owned();
    (query, Expr::col(("parent", "value")))
}

/// SQLite has no LATERAL; a correlated `id IN (… LIMIT n)` reads just as few rows.
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
    // The range may end after the last metric.
    let last = match until {
        Some(until) => Func::cust("min").args([newest, Expr::val(key_range::partition(until))]).into(),
        None => newest,
    };
    is_in(Func::cust("generate_series").args([first, last]))
}

pub(crate) fn in_halves(newest: i64) -> [Expr; 2] {
    let last = key_range::partition(newest);
    [0, 1].map(|first| is_in(Func::cust("generate_series").args([first, last, 2].map(Expr::val))))
}

fn is_in(parts: FunctionCall) -> Expr {
    partition().in_subquery(Query::select().column("value").from_function(parts, "part").take())
}

#[cfg(test)]
mod tests {
    use super::{KeySet, has, numbered};

    #[test]
    fn a_set_has_its_keys_and_no_others() {
        let keys = [7, 9, 15, 16, 100];
        let set = KeySet::of(&keys).0;
        for key in -1..200 {
            assert_eq!(has(&set, key), keys.contains(&key), "{key}");
        }
        assert!(!has(&set, i64::MIN) && !has(&set, i64::MAX));
        assert!(!has(&KeySet::of(&[]).0, 0) && !has(&[], 0));
    }

    #[test]
    fn parameters_are_numbered_as_they_are_in_postgresql() {
        assert_eq!(numbered("a = $2 AND b = $1 AND c = $2"), "a = ?2 AND b = ?1 AND c = ?2");
    }
}
