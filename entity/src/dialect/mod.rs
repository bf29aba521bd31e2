//! What the two engines spell differently, under one interface.

pub mod postgres;
pub(crate) mod sqlite;

use sea_orm::{
    DbBackend, Statement,
    sea_query::{Condition, Expr, ExprTrait as _, PostgresQueryBuilder, QueryStatementWriter, SelectStatement, Value},
};

use crate::key_range::KeyRange;

/// The database at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, embedded: the default.
    Sqlite,
    /// PostgreSQL, for more than one server.
    Postgres,
}

impl Engine {
    pub(crate) fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        }
    }

    /// Builds the statement in the engine's dialect.
    pub(crate) fn build(self, statement: &impl QueryStatementWriter) -> Statement {
        let (sql, values) = match self {
            Self::Sqlite => sqlite::build(statement),
            Self::Postgres => statement.build(PostgresQueryBuilder),
        };
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// A fixed statement whose values are bound to `$1`, `$2`, …
    pub(crate) fn statement<const N: usize>(self, sql: &str, values: [Value; N]) -> Statement {
        let sql = match self {
            Self::Sqlite => sqlite::numbered(sql),
            Self::Postgres => sql.to_owned(),
        };
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// `text LIKE pattern`: `%` and `_` are wildcards and can't be escaped; ASCII letters match in either case.
    pub fn like(self, text: Expr, pattern: &str) -> Expr {
        match self {
            Self::Sqlite => sqlite::like(text, pattern),
            Self::Postgres => postgres::like(text, pattern),
        }
    }

    /// The first 64 characters of `text`, in the order of code points: the same expression as in the prefix indexes.
    pub fn head(self, text: Expr) -> Expr {
        match self {
            Self::Sqlite => sqlite::head(text),
            Self::Postgres => postgres::head(text),
        }
    }

    /// `column` is one of `ids`, which are bound as one value: so the statement text does not depend on their number.
    pub fn any_of(self, column: Expr, ids: &[i64]) -> Expr {
        match self {
            Self::Sqlite => sqlite::any_of(column, ids),
            Self::Postgres => postgres::any_of(column, ids),
        }
    }

    /// Like [`Self::any_of`], as a residual predicate: no index on `column` is used.
    pub(crate) fn any_of_residual(self, column: Expr, ids: &[i64]) -> Expr {
        match self {
            Self::Sqlite => sqlite::any_of_residual(column, ids),
            Self::Postgres => postgres::any_of(column.add(0), ids),
        }
    }

    /// `condition` as a residual predicate: SQLite uses no index for any part of it. PostgreSQL decides by its statistics.
    pub(crate) fn residual(self, condition: Condition) -> Condition {
        match self {
            Self::Sqlite => sqlite::residual(condition),
            Self::Postgres => condition,
        }
    }

    /// Whether the index by variant is partitioned ([`crate::key_range::partition`]).
    pub(crate) fn has_partitions(self) -> bool {
        self == Self::Sqlite
    }

    /// A metric is in one of the partitions that a key range touches, where there are partitions. Together with a condition on variants,
    /// the index by variant leads to these metrics only.
    pub(crate) fn in_partitions(self, within: KeyRange) -> Option<Expr> {
        match self {
            Self::Sqlite => Some(sqlite::in_partitions(within)),
            Self::Postgres => None,
        }
    }

    /// The same for the metrics up to `newest`, in two halves of alternating partitions.
    pub(crate) fn in_halves(self, newest: i64) -> Option<[Expr; 2]> {
        match self {
            Self::Sqlite => Some(sqlite::in_halves(newest)),
            Self::Postgres => None,
        }
    }

    /// The partition that a metric is in, where there are partitions. They are in the order of keys.
    pub(crate) fn partition(self) -> Option<Expr> {
        match self {
            Self::Sqlite => Some(sqlite::partition()),
            Self::Postgres => None,
        }
    }

    /// A query with one row for each of `parents`, and the expression for a row's parent.
    pub fn parents(self, parents: &[i64]) -> (SelectStatement, Expr) {
        match self {
            Self::Sqlite => sqlite::parents(parents),
            Self::Postgres => postgres::parents(parents),
        }
    }

    /// Joins each parent with its own short list: `list` selects rows of `table` and refers to its parent by the expression from
    /// [`Self::parents`]. Returns the alias of the list's columns.
    pub(crate) fn join_list(
        self,
        query: &mut SelectStatement,
        table: &'static str,
        list: SelectStatement,
    ) -> &'static str {
        match self {
            Self::Sqlite => sqlite::join_list(query, table, list),
            Self::Postgres => postgres::join_list(query, list),
        }
    }
}
