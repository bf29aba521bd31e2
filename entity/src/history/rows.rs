//! What a scan reads of a page.

use sea_orm::DbErr;

use crate::{history::column::Column, resource::Resource};

/// Rows of a page that conditions are evaluated on.
pub(crate) trait Rows {
    /// Returns the number of rows.
    fn rows(&self) -> usize;

    /// Returns a column of integers.
    fn integers(&mut self, column: Column) -> Result<&[i64], DbErr>;

    /// Returns the values of a resource.
    fn numbers(&mut self, resource: Resource) -> Result<&[f64], DbErr>;
}
