//! The transaction in which the committer runs a batch of jobs.

use entity::{
    driver::{executor::Transaction, row::FromRow, source::Source as _},
    table::metric,
};
use sea_orm::{
    DbErr, EntityTrait, PrimaryKeyTrait,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::ingest::{
    branch::BranchRules,
    names::{Name, Names},
    watermark::Watermark,
};

/// An open transaction, the names that are known in it, and what it has added so far.
pub(crate) struct Batch<'a> {
    pub tx: Transaction<'a>,
    pub names: &'a mut Names,
    pub branches: &'a BranchRules,
    /// When it began, in microseconds since 1970 in UTC.
    pub now: i64,
    /// The greatest numbers that it has handed out.
    pub watermark: Watermark,
    /// Whether the history is the one that earlier transactions have read.
    pub continues: bool,
    /// The metrics that it has inserted.
    pub recorded: Vec<metric::Model>,
    /// The number of sessions that it has deleted.
    pub deletions: i64,
}

impl Batch<'_> {
    /// The key of the next metric.
    pub async fn next_metric(&self) -> Result<i64, DbErr> {
        Ok(self.tx.number(&Query::select().expr(Expr::col("last_metric_id").max()).from("history").take()).await? + 1)
    }

    /// The row with this key, which a name has led to.
    pub async fn row<E>(&self, id: i64) -> Result<E::Model, DbErr>
    where
        E: EntityTrait<Model: FromRow, PrimaryKey: PrimaryKeyTrait<ValueType = i64>>,
    {
        let row = self.tx.find_one(E::find_by_id(id)).await?;
        row.ok_or_else(|| DbErr::RecordNotFound(format!("row {id}")))
    }

    /// The key of the branch that these tags of a session of this project name.
    pub async fn branch(&mut self, project: i64, tags: &[(String, String)]) -> Result<Option<i64>, DbErr> {
        let Some(name) = self.branches.branch(tags) else { return Ok(None) };
        Ok(Some(self.names.branches.key(&self.tx, Name::within(project, [name])).await?))
    }
}
