//! Adds the session to the index by partition and variant on SQLite. As a covering index it filters a variant's metrics by
//! session without reading rows. Keys precede sessions, so that a variant's metrics stay in order.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

async fn index(manager: &SchemaManager<'_>, columns: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Sqlite {
        let statements =
            format!("DROP INDEX metric_part_variant_id; CREATE INDEX metric_part_variant_id ON metric ({columns})");
        manager.get_connection().execute_unprepared(&statements).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index(manager, "part, variant_id, id, session_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index(manager, "part, variant_id").await
    }
}
