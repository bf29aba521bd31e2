//! Records of who changed or deleted what was stored, and when.

use sea_orm_migration::prelude::*;

use crate::m0001_base::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const TABLE: &str = "audit_record";

/// `at` is in microseconds since 1970 in UTC; `token` is null for a command.
const COLUMNS: &str = "id {id}, at {big} NOT NULL, token TEXT, action TEXT NOT NULL, subject TEXT NOT NULL, \
    session_count {big} NOT NULL, metric_count {big} NOT NULL";

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
