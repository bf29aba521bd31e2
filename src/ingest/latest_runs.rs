//! When the latest run of each branch, build and pipeline was: kept with these, since lists are in this order.

use entity::driver::{executor::Transaction, source::Source};
use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query, SelectStatement, UnionType},
};

/// `(table, column of its key in run, sessions of a row)`. The build with the empty name has no runs.
const KEPT: [(&str, &str, &str); 3] = [
    ("branch", "branch_id", "session WHERE session.branch_id = branch.id"),
    ("build", "build_id", "session WHERE session.build_id = build.id AND build.name <> ''"),
    (
        "pipeline",
        "pipeline_id",
        "session JOIN build ON build.id = session.build_id WHERE build.pipeline_id = pipeline.id",
    ),
];

/// Returns SQL for when the latest run of a row was: that of the latest session if all of them are in runs of others.
fn latest(table: &str, column: &str, sessions: &str) -> String {
    format!(
        "COALESCE((SELECT MAX(run.run_date) FROM run WHERE run.{column} = {table}.id), \
         (SELECT MAX(session.run_date) FROM {sessions}))"
    )
}

/// Keys of branches, builds and pipelines whose runs change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touched([Vec<i64>; 3]);

impl Touched {
    /// Returns those that keep another date than that of their latest run.
    pub(crate) async fn wrong(db: &impl Source) -> Result<Self, DbErr> {
        let mut wrong = Self::default();
        for ((table, column, sessions), keys) in KEPT.into_iter().zip(&mut wrong.0) {
            let latest = latest(table, column, sessions);
            let sql =
                format!("SELECT id FROM {table} WHERE {table}.last_run_date IS DISTINCT FROM {latest} ORDER BY id");
            *keys = db.select(&sql, []).await?;
        }
        Ok(wrong)
    }

    /// Returns the tables with their keys.
    pub(crate) fn by_table(&self) -> impl Iterator<Item = (&'static str, i64)> {
        KEPT.iter().zip(&self.0).flat_map(|((table, ..), keys)| keys.iter().map(|key| (*table, *key)))
    }

    /// Returns those of these sessions, and of their runs.
    pub(crate) async fn of_sessions(tx: &Transaction<'_>, sessions: &[i64]) -> Result<Self, DbErr> {
        let of_sessions = Query::select()
            .columns([("session", "branch_id"), ("session", "build_id"), ("build", "pipeline_id")])
            .from("session")
            .left_join("build", Expr::col(("build", "id")).equals(("session", "build_id")))
            .and_where(tx.engine().any_of(Expr::col(("session", "id")), sessions))
            .take();
        let of_runs = Query::select()
            .columns(KEPT.map(|(_, column, _)| ("run", column)))
            .from("session")
            .inner_join("run", Expr::col(("run", "id")).equals(("session", "run_id")))
            .and_where(tx.engine().any_of(Expr::col(("session", "id")), sessions))
            .take();
        Self::read(tx, of_sessions.clone().union(UnionType::Distinct, of_runs)).await
    }

    /// Returns those of these runs.
    pub(crate) async fn of_runs(tx: &Transaction<'_>, runs: &[i64]) -> Result<Self, DbErr> {
        let is_one = tx.engine().any_of(Expr::col("id"), runs);
        let columns = KEPT.map(|(_, column, _)| column);
        Self::read(tx, &Query::select().distinct().columns(columns).from("run").and_where(is_one).take()).await
    }

    async fn read(tx: &Transaction<'_>, query: &SelectStatement) -> Result<Self, DbErr> {
        let mut touched = Self::default();
        for (branch, (build, pipeline)) in tx.all::<(Option<i64>, (Option<i64>, Option<i64>))>(query).await? {
            touched.extend(Self([branch, build, pipeline].map(Vec::from_iter)));
        }
        Ok(touched)
    }

    /// Adds those of `others`.
    pub(crate) fn extend(&mut self, others: Self) {
        for (keys, others) in self.0.iter_mut().zip(others.0) {
            keys.extend(others);
        }
    }

    /// Notes their latest runs: of the latest session if all of them are in runs of others.
    pub(crate) async fn note(self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        for ((table, column, sessions), mut keys) in KEPT.into_iter().zip(self.0) {
            keys.sort_unstable();
            keys.dedup();
            if keys.is_empty() {
                continue;
            }
            let latest = latest(table, column, sessions);
            let is_other = Expr::cust(format!("{table}.last_run_date IS DISTINCT FROM {latest}"));
            let mut update = Query::update();
            update
                .table(table)
                .value("last_run_date", Expr::cust(latest))
                .and_where(tx.engine().any_of(Expr::col((table, "id")), &keys))
                .and_where(is_other);
            tx.execute(&update).await?;
        }
        Ok(())
    }
}

/// Notes the latest runs of what these sessions, or their runs, belong to.
pub(crate) async fn note_of_sessions(tx: &Transaction<'_>, sessions: &[i64]) -> Result<(), DbErr> {
    Touched::of_sessions(tx, sessions).await?.note(tx).await
}
