//! The few things the two engines spell differently, behind one set of questions.

pub mod postgres;
pub(crate) mod sqlite;

use sea_orm::{
    DbBackend, Statement,
    sea_query::{Condition, Expr, ExprTrait as _, PostgresQueryBuilder, QueryStatementWriter, SelectStatement, Value},
};

use crate::key_range::KeyRange;

/// Which database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded default.
    Sqlite,
    /// For a team that outgrows one machine.
    Postgres,
}

impl Engine {
    pub(crate) fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        }
    }

    /// The statement in the engine's own spelling.
    pub(crate) fn build(self, statement: &impl QueryStatementWriter) -> Statement {
        let (sql, values) = match self {
            Self::Sqlite => sqlite::build(statement),
            Self::Postgres => statement.build(PostgresQueryBuilder),
        };
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// A fixed statement, which binds `$1`, `$2`, … wherever they stand.
    pub(crate) fn statement<const N: usize>(self, sql: &str, values: [Value; N]) -> Statement {
        let sql = match self {
            Self::Sqlite => sqlite::numbered(sql),
            Self::Postgres => sql.to_owned(),
        };
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// `text LIKE pattern`: `%` and `_` keep their meaning, nothing escapes them, ASCII letters match in either case.
    pub fn like(self, text: Expr, pattern: &str) -> Expr {
        match self {
            Self::Sqlite => sqlite::like(text, pattern),
            Self::Postgres => postgres::like(text, pattern),
        }
    }

    /// The first 64 characters of `text`, in the order of their codes: spelled as in the indexes of prefixes.
    pub fn head(self, text: Expr) -> Expr {
        match self {
            Self::Sqlite => sqlite::head(text),
            Self::Postgres => postgres::head(text),
        }
    }

    /// `column` is one of `ids`: one bound value, so one statement text, however many ids there are.
    pub fn any_of(self, column: Expr, ids: &[i64]) -> Expr {
        match self {
            Self::Sqlite => sqlite::any_of(column, ids),
            Self::Postgres => postgres::any_of(column, ids),
        }
    }

    /// `column` is one of `ids`, looked at row by row: no index on it is used.
    pub fn any_of_residual(self, column: Expr, ids: &[i64]) -> Expr {
        match self {
            Self::Sqlite => sqlite::any_of_residual(column, ids),
            Self::Postgres => postgres::any_of(column.add(0), ids),
        }
    }

    /// `condition`, looked at row by row: no index is used for any of it. PostgreSQL, which knows how much matches, finds its own way.
    pub(crate) fn residual(self, condition: Condition) -> Condition {
        match self {
            Self::Sqlite => sqlite::residual(condition),
            Self::Postgres => condition,
        }
    }

    /// Whether the history lies in parts ([`crate::key_range::partition`]): an index has them one behind the other.
    pub fn has_partitions(self) -> bool {
        self == Self::Sqlite
    }

    /// A metric is in one of the parts of the history that a stretch goes through, where there are parts: beside a condition on variants,
    /// this leads to metrics of these parts alone, and through an index.
    pub(crate) fn in_partitions(self, within: KeyRange) -> Option<Expr> {
        match self {
            Self::Sqlite => Some(sqlite::in_partitions(within)),
            Self::Postgres => None,
        }
    }

    /// The same for the metrics up to `newest`, in two halves: one has every other part, where there are parts.
    pub(crate) fn in_halves(self, newest: i64) -> Option<[Expr; 2]> {
        match self {
            Self::Sqlite => Some(sqlite::in_halves(newest)),
            Self::Postgres => None,
        }
    }

    /// The part of the history that a metric is in, where there are parts. They are in the order of keys.
    pub(crate) fn partition(self) -> Option<Expr> {
        match self {
            Self::Sqlite => Some(sqlite::partition()),
            Self::Postgres => None,
        }
    }

    /// A query over `parents`, one row each, and the expression that names a row's parent.
    pub fn parents(self, parents: &[i64]) -> (SelectStatement, Expr) {
        match self {
            Self::Sqlite => sqlite::parents(parents),
            Self::Postgres => postgres::parents(parents),
        }
    }

    /// Joins to each parent its own short list: `list` selects rows of `table` and speaks of its parent through the expression
    /// that [`Self::parents`] gave. Answers the name under which the list's columns can be selected.
    pub fn join_list(self, query: &mut SelectStatement, table: &'static str, list: SelectStatement) -> &'static str {
        match self {
            Self::Sqlite => sqlite::join_list(query, table, list),
            Self::Postgres => postgres::join_list(query, list),
        }
    }
}
