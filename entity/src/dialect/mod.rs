//! SQL dialects: one interface for what the two engines spell differently.

pub mod postgres;
pub(crate) mod sqlite;

use sea_orm::{
    DbBackend, Statement,
    sea_query::{Condition, Expr, PostgresQueryBuilder, QueryStatementWriter, SelectStatement, Value},
};

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

    /// Returns whether a table assigns the greatest key again after its row was deleted.
    pub fn reuses_keys(self) -> bool {
        self == Self::Sqlite
    }

    /// Selects the number of free pages that [`give_back`](crate::driver::executor::Transaction::give_back) gives back to the system.
    pub fn free_pages(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::FREE_PAGES,
            Self::Postgres => "SELECT CAST(0 AS BIGINT)",
        }
    }

    /// Selects what is wrong with the file, or `ok`; `None` where the server looks after that.
    pub fn integrity_check(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some(sqlite::INTEGRITY_CHECK),
            Self::Postgres => None,
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

    /// Turns `condition` into a residual predicate, so that SQLite uses no index for it. PostgreSQL decides by its statistics.
    pub(crate) fn residual(self, condition: Condition) -> Condition {
        match self {
            Self::Sqlite => sqlite::residual(condition),
            Self::Postgres => condition,
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
