//! What answers statements: the questions are the same for both engines, and so are the answers.

use sea_orm::{DbErr, Statement, sea_query::QueryStatementWriter};

use crate::{dialect::Engine, driver::row::FromRow};

/// What answers statements.
pub trait Source: Sync {
    /// Which database answers.
    fn engine(&self) -> Engine;

    /// Every row that `statement` gives.
    fn all_of<T: FromRow>(&self, statement: Statement) -> impl Future<Output = Result<Vec<T>, DbErr>> + Send;

    /// Every row that `statement` gives.
    fn all<T: FromRow>(
        &self,
        statement: &impl QueryStatementWriter,
    ) -> impl Future<Output = Result<Vec<T>, DbErr>> + Send {
        self.all_of(self.engine().build(statement))
    }

    /// The one number that `statement` gives; none, and null, are 0.
    fn number(&self, statement: &impl QueryStatementWriter) -> impl Future<Output = Result<i64, DbErr>> + Send {
        let rows = self.all::<Option<i64>>(statement);
        async { Ok(rows.await?.into_iter().next().flatten().unwrap_or(0)) }
    }
}
