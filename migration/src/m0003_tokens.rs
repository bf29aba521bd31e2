//! Access tokens.

use sea_orm_migration::prelude::*;

use crate::m0001_base::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const TABLE: &str = "access_token";

/// `hash` is the SHA-256 of the secret; times are microseconds since 1970 in UTC.
const COLUMNS: &str = "id {id}, name TEXT NOT NULL, hash {bytes} NOT NULL UNIQUE, scope TEXT NOT NULL, \
    made_at {big} NOT NULL, expires_at {big}, last_used_at {big}, revoked_at {big}";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statement = table(manager.get_database_backend(), TABLE, COLUMNS);
        manager.get_connection().execute_unprepared(&statement).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE {TABLE}")).await.map(drop)
    }
}
