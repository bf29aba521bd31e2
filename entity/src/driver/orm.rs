//! Rows written through SeaORM's active models. (They are read with [`Source::find`](crate::driver::source::Source::find).)
//!
//! SeaORM builds the statements, and our connections run them: SeaORM itself can't do so through rusqlite, as it reads only rows of
//! sqlx. (Its feature `proxy`, which would lift this, does not compile with `sqlx-sqlite` in 2.0.4.)

use sea_orm::{
    ActiveModelTrait, DbErr, EntityTrait, Insert, InsertMany, IntoActiveModel, Iterable as _, QueryTrait as _,
    UpdateMany,
    sea_query::{Query, ReturningClause},
};

use crate::driver::{executor::Transaction, row::FromRow, source::Source as _};

/// Every column, in the order of the model's fields.
fn all_columns<E: EntityTrait>() -> ReturningClause {
    Query::returning().columns(E::Column::iter())
}

impl Transaction<'_> {
    /// Stores a row.
    ///
    /// # Errors
    /// The database's.
    pub async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<(), DbErr> {
        self.execute(&Insert::one(row).into_query()).await
    }

    /// Stores rows in one statement.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn insert_many<A: ActiveModelTrait>(
        &self,
        rows: impl IntoIterator<Item = A>,
    ) -> Result<(), DbErr> {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        self.execute(&InsertMany::many(rows).into_query()).await
    }

    /// Stores what is set of a row that is there, and returns the row.
    ///
    /// # Errors
    /// The database's; there is no such row.
    pub async fn update<A>(&self, row: A) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
    where
        A: ActiveModelTrait,
        <A::Entity as EntityTrait>::Model: FromRow + IntoActiveModel<A>,
    {
        let mut update = A::Entity::update(row).validate()?.into_query();
        let rows = self.all(update.returning(all_columns::<A::Entity>())).await?;
        rows.into_iter().next().ok_or_else(|| DbErr::RecordNotFound("the row to be updated".to_owned()))
    }

    /// Updates every row that matches.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn update_many<E: EntityTrait>(&self, update: UpdateMany<E>) -> Result<(), DbErr> {
        self.execute(&update.into_query()).await
    }
}
