//! Access tokens. Secrets are not stored, only their hashes.

use sea_orm::{ActiveValue::Set, Condition, DbErr, QueryOrder as _, entity::prelude::*};

use crate::{
    driver::{executor::Transaction, row::from_row, source::Source},
    table::plain_entity,
};

/// A row. Times are microseconds since 1970 in UTC.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_token")]
pub struct Model {
    /// Counts up in the order of creation.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The name, unique among live tokens.
    pub name: String,
    /// The SHA-256 of the secret.
    pub hash: Vec<u8>,
    /// The scope: `read`, `ingest` or `admin`.
    pub scope: String,
    /// The time of creation.
    pub made_at: i64,
    /// The time from which it is invalid; null if it does not expire.
    pub expires_at: Option<i64>,
    /// The time of its last use, to the minute.
    pub last_used_at: Option<i64>,
    /// The time of its revocation; null unless revoked.
    pub revoked_at: Option<i64>,
}

from_row!(Model { id, name, hash, scope, made_at, expires_at, last_used_at, revoked_at });

plain_entity!();

impl Model {
    /// Returns whether the token is valid at time `now`.
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// Returns the condition that a token is valid at time `now`.
fn is_live_at(now: i64) -> Condition {
    let lasts = Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(now));
    Condition::all().add(Column::RevokedAt.is_null()).add(lasts)
}

/// Returns all tokens, valid or not, oldest first.
pub async fn all(db: &impl Source) -> Result<Vec<Model>, DbErr> {
    db.find(Entity::find().order_by_asc(Column::Id)).await
}

/// Returns the tokens that are valid at time `now`, oldest first.
pub async fn live(db: &impl Source, now: i64) -> Result<Vec<Model>, DbErr> {
    db.find(Entity::find().filter(is_live_at(now)).order_by_asc(Column::Id)).await
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
    tx.insert(ActiveModel {
        name: Set(name.to_owned()),
        hash: Set(hash),
        scope: Set(scope.to_owned()),
        made_at: Set(made_at),
        expires_at: Set(expires_at),
        ..Default::default()
    })
    .await
}

/// Revokes the live token of this name.
pub async fn revoke(tx: &Transaction<'_>, name: &str, now: i64) -> Result<(), DbErr> {
    let revoked = ActiveModel { revoked_at: Set(Some(now)), ..Default::default() };
    let update = Entity::update_many().set(revoked).filter(Column::Name.eq(name)).filter(is_live_at(now));
    tx.update_many(update).await
}

/// Stores the time of a use, unless a later one is stored.
pub async fn note_use(tx: &Transaction<'_>, id: i64, now: i64) -> Result<(), DbErr> {
    let used = ActiveModel { last_used_at: Set(Some(now)), ..Default::default() };
    let is_later = Condition::any().add(Column::LastUsedAt.is_null()).add(Column::LastUsedAt.lt(now));
    tx.update_many(Entity::update_many().set(used).filter(Column::Id.eq(id)).filter(is_later)).await
}
