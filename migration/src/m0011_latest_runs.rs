//! When the latest run of each build and pipeline was, as it is kept with branches: lists are in this order.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The build with the empty name has no runs. Sessions without a run get theirs when the server starts.
const UP: [&str; 7] = [
    "ALTER TABLE build ADD COLUMN last_run_date BIGINT",
    "ALTER TABLE pipeline ADD COLUMN last_run_date BIGINT",
    "UPDATE build SET last_run_date = COALESCE((SELECT MAX(run.run_date) FROM run WHERE run.build_id = build.id), \
     (SELECT MAX(session.run_date) FROM session WHERE session.build_id = build.id)) WHERE name <> ''",
    "UPDATE pipeline SET last_run_date = COALESCE((SELECT MAX(run.run_date) FROM run WHERE run.pipeline_id = pipeline.id), \
     (SELECT MAX(session.run_date) FROM session JOIN build ON build.id = session.build_id WHERE build.pipeline_id = pipeline.id))",
    "CREATE INDEX build_last_run_date ON build (last_run_date, id) WHERE name <> ''",
    "CREATE INDEX build_pipeline_last_run_date ON build (pipeline_id, last_run_date, id) WHERE name <> ''",
    "CREATE INDEX pipeline_last_run_date ON pipeline (last_run_date, id)",
];

const DOWN: [&str; 5] = [
    "DROP INDEX pipeline_last_run_date",
    "DROP INDEX build_pipeline_last_run_date",
    "DROP INDEX build_last_run_date",
    "ALTER TABLE pipeline DROP COLUMN last_run_date",
    "ALTER TABLE build DROP COLUMN last_run_date",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Postgres {
            // The lock of a committer: a running server can't write during the migration.
            let lock = "SELECT pg_advisory_xact_lock(1835365473, 'metric_row'::regclass::oid::int4)";
            connection.execute_unprepared(lock).await?;
        }
        for statement in UP {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in DOWN {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
