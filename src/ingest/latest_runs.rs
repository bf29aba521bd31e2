//! When the latest run of each branch was: kept with the branch, since lists are in this order.

use entity::driver::{executor::Transaction, source::Source as _};
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query, UnionType},
};

/// SQL for the run date of the latest run of a branch, or of the latest session if all of them are in runs of other branches.
const LATEST: &str = "COALESCE((SELECT MAX(run.run_date) FROM run WHERE run.branch_id = branch.id), \
    (SELECT MAX(session.run_date) FROM session WHERE session.branch_id = branch.id))";

/// Notes the latest runs of the branches of these sessions, and of their runs.
pub(crate) async fn note_of_sessions(tx: &Transaction<'_>, sessions: &[i64]) -> Result<(), DbErr> {
    let is_one = tx.engine().any_of(Expr::col(("session", "id")), sessions);
    let of_runs = Query::select()
        .column(("run", "branch_id"))
        .from("session")
        .inner_join("run", Expr::col(("run", "id")).equals(("session", "run_id")))
        .and_where(is_one.clone())
        .take();
    let branches = Query::select()
        .column(("session", "branch_id"))
        .from("session")
        .and_where(is_one)
        .union(UnionType::Distinct, of_runs)
        .take();
    note_where(tx, Expr::col(("branch", "id")).in_subquery(branches)).await
}

/// Notes the latest runs of these branches.
pub(crate) async fn note(tx: &Transaction<'_>, branches: &[i64]) -> Result<(), DbErr> {
    note_where(tx, tx.engine().any_of(Expr::col(("branch", "id")), branches)).await
}

async fn note_where(tx: &Transaction<'_>, condition: Expr) -> Result<(), DbErr> {
    let is_other = Expr::cust(format!("branch.last_run_date IS DISTINCT FROM {LATEST}"));
    let mut update = Query::update();
    update.table("branch").value("last_run_date", Expr::cust(LATEST)).and_where(condition).and_where(is_other);
    tx.execute(&update).await
}
