//! Rows of either driver, read by position.

use rusqlite::types::FromSql;
use sea_orm::{DbErr, RuntimeErr};
use sqlx::{
    Decode, Row as _, Type,
    postgres::{PgRow, Postgres},
};

use crate::driver::error_kind::failed;

/// A row that is being read, column after column.
pub struct Row<'a> {
    values: Values<'a>,
    next: usize,
}

enum Values<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a PgRow),
}

impl<'a> From<&'a rusqlite::Row<'a>> for Row<'a> {
    fn from(row: &'a rusqlite::Row<'a>) -> Self {
        Self { values: Values::Sqlite(row), next: 0 }
    }
}

impl<'a> From<&'a PgRow> for Row<'a> {
    fn from(row: &'a PgRow) -> Self {
        Self { values: Values::Postgres(row), next: 0 }
    }
}

/// What both drivers can read.
pub trait Readable: FromSql + Type<Postgres> + for<'r> Decode<'r, Postgres> {}

impl<T: FromSql + Type<Postgres> + for<'r> Decode<'r, Postgres>> Readable for T {}

impl Row<'_> {
    /// The value of the next column.
    ///
    /// # Errors
    /// A column that is not there, or of another type.
    pub fn value<T: Readable>(&mut self) -> Result<T, DbErr> {
        let index = self.next;
        self.next += 1;
        match self.values {
            Values::Sqlite(row) => row.get(index).map_err(|error| failed(&error)),
            // Not through SeaORM, which formats an error for each null.
            Values::Postgres(row) => {
                row.try_get(index).map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
            }
        }
    }
}

/// A type that can be read from the columns of a row, in their order.
pub trait FromRow: Sized + Send + 'static {
    /// Reads the columns that it needs.
    ///
    /// # Errors
    /// Those of [`Row::value`].
    fn from_row(row: &mut Row<'_>) -> Result<Self, DbErr>;
}

macro_rules! single_values {
    ($($Type:ty)*) => {
        $(impl FromRow for $Type {
            fn from_row(row: &mut Row<'_>) -> Result<Self, DbErr> {
                row.value()
            }
        })*
    };
}
single_values!(i64 f64 String Vec<u8> Option<i64> Option<String>);

impl<A: FromRow, B: FromRow> FromRow for (A, B) {
    fn from_row(row: &mut Row<'_>) -> Result<Self, DbErr> {
        Ok((A::from_row(row)?, B::from_row(row)?))
    }
}

/// Implements [`FromRow`] for a struct whose fields are the columns of a statement, in the same order.
macro_rules! from_row {
    ($Type:ident { $($field:ident),* $(,)? }) => {
        impl crate::driver::row::FromRow for $Type {
            fn from_row(row: &mut crate::driver::row::Row<'_>) -> Result<Self, sea_orm::DbErr> {
                Ok(Self { $($field: row.value()?),* })
            }
        }
    };
}
pub(crate) use from_row;
