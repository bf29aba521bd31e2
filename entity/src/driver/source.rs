//! What answers statements: the questions are the same for both engines, and so are the answers.

use sea_orm::{
    DbErr, EntityTrait, QuerySelect as _, QueryTrait as _, Select, Statement,
    sea_query::{QueryStatementWriter, Value},
};

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

    /// Every row that a query of SeaORM's finds: `source.find(Entity::find().filter(…))`.
    fn find<E: EntityTrait<Model: FromRow>>(
        &self,
        select: Select<E>,
    ) -> impl Future<Output = Result<Vec<E::Model>, DbErr>> + Send {
        self.all_of(self.engine().build(&select.into_query()))
    }

    /// The first row that such a query finds.
    fn find_one<E: EntityTrait<Model: FromRow>>(
        &self,
        select: Select<E>,
    ) -> impl Future<Output = Result<Option<E::Model>, DbErr>> + Send {
        let rows = self.find(select.limit(1));
        async { Ok(rows.await?.into_iter().next()) }
    }

    /// Every row that a fixed query gives. Its values are bound to `$1`, `$2`, …
    fn select<T: FromRow, const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> impl Future<Output = Result<Vec<T>, DbErr>> + Send {
        self.all_of(self.engine().statement(sql, values))
    }

    /// The one number that `statement` gives; none, and null, are 0.
    fn number(&self, statement: &impl QueryStatementWriter) -> impl Future<Output = Result<i64, DbErr>> + Send {
        let rows = self.all::<Option<i64>>(statement);
        async { Ok(rows.await?.into_iter().next().flatten().unwrap_or(0)) }
    }
}
