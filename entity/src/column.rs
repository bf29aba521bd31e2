//! Columns, named so that a statement over several tables can't mistake one for another.

use sea_orm::{ColumnTrait, sea_query::Expr};

/// A column by its table's full name.
pub fn of(column: impl ColumnTrait) -> Expr {
    Expr::col(column.as_column_ref())
}
