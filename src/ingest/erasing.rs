//! Deletes rows whose keys and numbers are never to be used again.

use entity::driver::{executor::Transaction, source::Source as _};
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::ingest::statements;

/// Deletes the rows of `table` that meet `condition`, and notes the greatest values of these columns, which count up, and how many there
/// are.
pub(crate) async fn erase(
    tx: &Transaction<'_>,
    table: &'static str,
    columns: &[&'static str],
    condition: Expr,
) -> Result<(), DbErr> {
    for column in columns {
        note_greatest(tx, table, column, condition.clone()).await?;
    }
    tx.execute(&Query::delete().from_table(table).and_where(condition).take()).await
}

async fn note_greatest(
    tx: &Transaction<'_>,
    table: &'static str,
    column: &'static str,
    condition: Expr,
) -> Result<(), DbErr> {
    let select = Query::select()
        .expr(Expr::col(column).max())
        .expr(Expr::col(column).count())
        .from(table)
        .and_where(condition)
        .take();
    if let Some((Some(greatest), count)) = tx.all::<(Option<i64>, i64)>(&select).await?.pop() {
        let name = format!("{table}.{column}");
        tx.run(statements::NOTE_DELETED, [name.into(), greatest.into(), count.into()]).await?;
    }
    Ok(())
}

/// Returns the condition that no row of `child` refers to a row of `table` by `column`.
pub(crate) fn is_childless(table: &'static str, column: &'static str, child: &'static str) -> Expr {
    let is_child = Expr::col((child, column)).equals((table, "id"));
    let children = Query::select().column((child, column)).from(child).and_where(is_child).take();
    Expr::exists(children).not()
}
