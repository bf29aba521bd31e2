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

/// Rows of a table that may be there though nothing refers to them.
pub(crate) struct Orphans {
    pub table: &'static str,
    /// The columns that count up.
    pub counting: &'static [&'static str],
    pub condition: Expr,
}

/// Returns the orphans of all tables but sessions, in the order in which they are deleted. The project without a name stays.
/// `of_contexts`: the condition of those among contexts.
pub(crate) fn orphans(of_contexts: Expr) -> [Orphans; 10] {
    let is_unused = Expr::col("metric_count").eq(0);
    let is_named = Expr::col("name").ne("");
    let no_session = |table, column| is_childless(table, column, "session");
    let of = |table, condition| Orphans { table, counting: &["id"], condition };
    [
        of("variant", is_unused),
        of("item", is_childless("item", "item_id", "variant")),
        of("component", is_childless("component", "component_id", "item")),
        of("build", no_session("build", "build_id")),
        of("pipeline", is_childless("pipeline", "pipeline_id", "build")),
        of("branch", no_session("branch", "branch_id")),
        of("project", no_session("project", "project_id").and(is_named)),
        of("tag", is_childless("tag", "tag_id", "session_tag")),
        Orphans { table: "execution_context", counting: &["id", "announced"], condition: of_contexts },
        of("machine_class", is_childless("machine_class", "machine_class_id", "execution_context")),
    ]
}
