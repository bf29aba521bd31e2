//! The number of commits of each server, on PostgreSQL. By its row a server detects whether the history still has its last
//! commit. On SQLite the file shows whether another process has written.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::m0001_base::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const TABLE: &str = "committer";

/// `name` is random for each run of a server; `commits` counts its transactions.
const COLUMNS: &str = "id {id}, name TEXT NOT NULL UNIQUE, commits {big} NOT NULL";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &table(DbBackend::Postgres, TABLE, COLUMNS)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &format!("DROP TABLE {TABLE}")).await
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
