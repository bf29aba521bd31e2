//! The variants that each pipeline measured. An older server adds metrics but not these rows, so it must be stopped first.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::m0001_base::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const TABLE: &str = "pipeline_variant";

const COLUMNS: &str = "pipeline_id {big} NOT NULL REFERENCES pipeline(id), \
    variant_id {big} NOT NULL REFERENCES variant(id), PRIMARY KEY (pipeline_id, variant_id)";

const FILL: &str = "INSERT INTO pipeline_variant (pipeline_id, variant_id) \
    SELECT DISTINCT build.pipeline_id, metric.variant_id \
    FROM metric JOIN session ON session.id = metric.session_id JOIN build ON build.id = session.build_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        let mut create = table(backend, TABLE, COLUMNS);
        if backend == DbBackend::Sqlite {
            create += " WITHOUT ROWID";
        }
        connection.execute_unprepared(&create).await?;
        connection.execute_unprepared(FILL).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE {TABLE}")).await.map(drop)
    }
}
