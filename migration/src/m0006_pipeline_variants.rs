//! The variants that each pipeline measured. An older server adds metrics but not these rows, so it must be stopped first.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::m0001_base::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLE: &str = "pipeline_variant";

const COLUMNS: &str = "pipeline_id {big} NOT NULL REFERENCES pipeline(id), \
    variant_id {big} NOT NULL REFERENCES variant(id), PRIMARY KEY (pipeline_id, variant_id)";

const FILL: &str = "INSERT INTO pipeline_variant (pipeline_id, variant_id) \
    SELECT DISTINCT build.pipeline_id, metric.variant_id \
    FROM metric JOIN session ON session.id = metric.session_id JOIN build ON build.id = session.build_id";

/// Returns the statements that create and fill the table.
pub(crate) fn measured(backend: DbBackend) -> [String; 2] {
    let rowid = if backend == DbBackend::Sqlite { " WITHOUT ROWID" } else { "" };
    [table(backend, TABLE, COLUMNS) + rowid, FILL.to_owned()]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        for statement in measured(backend) {
            connection.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE {TABLE}")).await.map(drop)
    }
}
