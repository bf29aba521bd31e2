//! Columns, named so that a statement over several tables can't mistake one for another.

use sea_orm::{
    ColumnTrait, EntityTrait,
    sea_query::{Expr, ExprTrait as _},
};

use crate::digest::digest;

/// A column by its table's full name.
pub fn of(column: impl ColumnTrait) -> Expr {
    Expr::col(column.as_column_ref())
}

/// The condition that a row is called so, of a table that has a digest of its names.
pub(crate) fn has_digest<E: EntityTrait>(names: &[&str]) -> Expr {
    Expr::col((E::default(), "digest")).eq(digest(names).to_vec())
}
