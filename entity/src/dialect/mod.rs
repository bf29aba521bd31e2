//! SQL dialects: one interface for what the two engines spell differently.

pub mod postgres;
pub(crate) mod sqlite;

use sea_orm::{
    DbBackend, Statement,
    sea_query::{Condition, Expr, ExprTrait as _, PostgresQueryBuilder, QueryStatementWriter, SelectStatement, Value},
};

use crate::key_range::KeyRange;

/// The database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, embedded. The default.
    Sqlite,
    /// PostgreSQL, which several servers may share.
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

    /// Builds a fixed statement with values for `$1`, `$2`, …
    pub(crate) fn statement<const N: usize>(self, sql: &str, values: [Value; N]) -> Statement {
        let sql = match self {
            Self::Sqlite => sqlite::with_numbered_parameters(sql),
            Self::Postgres => sql.to_owned(),
        };
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// Returns `text LIKE pattern`. `%` and `_` are wildcards that can't be escaped; ASCII letters match in either case.
    pub fn like(self, text: Expr, pattern: &str) -> Expr {
        match self {
            Self::Sqlite => sqlite::like(text, pattern),
            Self::Postgres => postgres::like(text, pattern),
        }
    }

    /// Returns the first 64 characters of `text`, ordered by code points: the expression of the prefix indexes.
    pub fn head(self, text: Expr) -> Expr {
        match self {
            Self::Sqlite => sqlite::head(text),
            Self::Postgres => postgres::head(text),
        }
    }

    /// Returns the condition that `column` is one of `ids`. They are bound as one value, so that the statement can be cached.
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

    /// Turns `condition` into a residual predicate, so that SQLite uses no index for it. PostgreSQL decides by its statistics.
    pub(crate) fn residual(self, condition: Condition) -> Condition {
        match self {
            Self::Sqlite => sqlite::residual(condition),
            Self::Postgres => condition,
        }
    }

    /// Returns whether the index by variant is partitioned ([`crate::key_range::partition`]).
    pub fn has_partitions(self) -> bool {
        self == Self::Sqlite
    }

    /// Returns the condition that a metric is in a partition that the key range overlaps; `None` without partitions. With a
    /// condition on variants, the partitioned index can answer it.
    pub(crate) fn in_partitions(self, within: KeyRange) -> Option<Expr> {
        match self {
            Self::Sqlite => Some(sqlite::in_partitions(within)),
            Self::Postgres => None,
        }
    }

    /// Returns two such conditions for the metrics up to `newest`, with every other partition each.
    pub(crate) fn in_halves(self, newest: i64) -> Option<[Expr; 2]> {
        match self {
            Self::Sqlite => Some(sqlite::in_halves(newest)),
            Self::Postgres => None,
        }
    }

    /// Returns the partition of a metric; `None` without partitions. Partitions are in the order of keys.
    pub(crate) fn partition(self) -> Option<Expr> {
        match self {
            Self::Sqlite => Some(sqlite::partition()),
            Self::Postgres => None,
        }
    }

    /// Returns a query with one row for each of `parents`, and the expression for a row's parent.
    pub fn parents(self, parents: &[i64]) -> (SelectStatement, Expr) {
        match self {
            Self::Sqlite => sqlite::parents(parents),
            Self::Postgres => postgres::parents(parents),
        }
    }

    /// Joins each parent with its own short list, and returns the alias of the list's columns. `list` selects rows of `table` and
    /// refers to its parent by the expression from [`Self::parents`].
    pub fn join_list(self, query: &mut SelectStatement, table: &'static str, list: SelectStatement) -> &'static str {
        match self {
            Self::Sqlite => sqlite::join_list(query, table, list),
            Self::Postgres => postgres::join_list(query, list),
        }
    }
}
