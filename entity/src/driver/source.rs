//! What runs a statement that returns rows: the same for both engines, inside and outside of transactions.

use sea_orm::{
    DbErr, EntityTrait, QuerySelect as _, QueryTrait as _, Select, Statement,
    sea_query::{QueryStatementWriter, Value},
};

use crate::{dialect::Engine, driver::row::FromRow};

/// A connection, pool or transaction that can be read from.
pub trait Source: Sync {
    /// The engine at the other end.
    fn engine(&self) -> Engine;

    /// Returns every row of `statement`.
    fn all_of<T: FromRow>(&self, statement: Statement) -> impl Future<Output = Result<Vec<T>, DbErr>> + Send;

    /// Returns every row of a query of the builder's.
    fn all<T: FromRow>(
        &self,
        statement: &impl QueryStatementWriter,
    ) -> impl Future<Output = Result<Vec<T>, DbErr>> + Send {
        self.all_of(self.engine().build(statement))
    }

    /// Returns every row of a query of SeaORM's: `source.find(Entity::find().filter(…))`.
    fn find<E: EntityTrait<Model: FromRow>>(
        &self,
        select: Select<E>,
    ) -> impl Future<Output = Result<Vec<E::Model>, DbErr>> + Send {
        self.all_of(self.engine().build(&select.into_query()))
    }

    /// Returns the first row of such a query.
    fn find_one<E: EntityTrait<Model: FromRow>>(
        &self,
        select: Select<E>,
    ) -> impl Future<Output = Result<Option<E::Model>, DbErr>> + Send {
        let rows = self.find(select.limit(1));
        async { Ok(rows.await?.into_iter().next()) }
    }

    /// Returns every row of a fixed query. Its values are bound to `$1`, `$2`, …
    fn select<T: FromRow, const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> impl Future<Output = Result<Vec<T>, DbErr>> + Send {
        self.all_of(self.engine().statement(sql, values))
    }

    /// Returns the one number of `statement`. No row, and null, are 0.
    fn number(&self, statement: &impl QueryStatementWriter) -> impl Future<Output = Result<i64, DbErr>> + Send {
        let rows = self.all::<Option<i64>>(statement);
        async { Ok(rows.await?.into_iter().next().flatten().unwrap_or(0)) }
    }
}
