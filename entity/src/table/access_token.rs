//! Tokens that let their bearers enter. What is sent as the token is not stored, only its hash.

use sea_orm::{
    DbErr, Iterable as _,
    entity::prelude::*,
    sea_query::{Cond, Expr, ExprTrait as _, Order, Query, SelectStatement, Value},
};

use crate::driver::{executor::Transaction, row::from_row, source::Source};

/// A row. Times are microseconds since 1970 in UTC.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_token")]
pub struct Model {
    /// Counts up in the order made.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Unique among those that are live.
    pub name: String,
    /// The SHA-256 of what is sent.
    pub hash: Vec<u8>,
    /// What it lets its bearer do.
    pub scope: String,
    /// When it was made.
    pub made_at: i64,
    /// From when on it is no longer taken.
    pub expires_at: Option<i64>,
    /// When it was last sent, to the minute.
    pub last_used_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

from_row!(Model { id, name, hash, scope, made_at, expires_at, last_used_at, revoked_at });

/// None: edges ([`crate::list::Edge`]) lead from row to row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it is taken at this time.
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

fn live_at(now: i64) -> Cond {
    let lasts = Cond::any().add(Expr::col(Column::ExpiresAt).is_null()).add(Expr::col(Column::ExpiresAt).gt(now));
    Cond::all().add(Expr::col(Column::RevokedAt).is_null()).add(lasts)
}

fn rows() -> SelectStatement {
    Query::select().columns(Column::iter()).from(Entity).order_by(Column::Id, Order::Asc).take()
}

/// Every token that was ever made, oldest first.
pub async fn all(db: &impl Source) -> Result<Vec<Model>, DbErr> {
    db.all(&rows()).await
}

/// The tokens that are taken at this time, oldest first.
pub async fn live(db: &impl Source, now: i64) -> Result<Vec<Model>, DbErr> {
    db.all(rows().cond_where(live_at(now))).await
}

/// Stores a token.
pub async fn add(
    tx: &Transaction<'_>,
    name: &str,
    hash: Vec<u8>,
    scope: &str,
    made_at: i64,
    expires_at: Option<i64>,
) -> Result<(), DbErr> {
    let columns = ["name", "hash", "scope", "made_at", "expires_at"];
    let row = [name.into(), hash.into(), scope.into(), made_at.into(), Value::from(expires_at)];
    tx.insert("access_token", columns, &[row]).await
}

/// Revokes the live token of this name.
pub async fn revoke(tx: &Transaction<'_>, name: &str, now: i64) -> Result<(), DbErr> {
    let update = Query::update()
        .table(Entity)
        .value(Column::RevokedAt, now)
        .and_where(Expr::col(Column::Name).eq(name))
        .cond_where(live_at(now))
        .take();
    tx.execute(&update).await
}

/// Takes note of a use; another server may know of a later one.
pub async fn note_use(tx: &Transaction<'_>, id: i64, now: i64) -> Result<(), DbErr> {
    let is_later = Cond::any().add(Expr::col(Column::LastUsedAt).is_null()).add(Expr::col(Column::LastUsedAt).lt(now));
    let update = Query::update()
        .table(Entity)
        .value(Column::LastUsedAt, now)
        .and_where(Expr::col(Column::Id).eq(id))
        .cond_where(is_later)
        .take();
    tx.execute(&update).await
}
