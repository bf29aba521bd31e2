//! Columns qualified by their table, so that statements over several tables are unambiguous.

use sea_orm::{
    ColumnTrait, EntityTrait,
    sea_query::{Expr, ExprTrait as _},
};

use crate::digest::digest;

/// Returns a column qualified by its table.
pub fn of(column: impl ColumnTrait) -> Expr {
    Expr::col(column.as_column_ref())
}

/// Returns the condition that a row has these names. The table must have a `digest` column.
pub(crate) fn has_digest<E: EntityTrait>(names: &[&str]) -> Expr {
    Expr::col((E::default(), "digest")).eq(digest(names).to_vec())
}
