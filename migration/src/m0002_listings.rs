//! What long lists are found by: metrics counted by blocks of keys, builds of a component by pipeline, builds that have a name.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const TABLE: &str = "metric_block";

/// Keys in a block, as the servers fill them.
const KEYS: i64 = 32_768;

/// The statements that follow the new table.
fn up() -> Vec<String> {
    let full = format!("(SELECT COALESCE(MAX(id), 0) / {KEYS} * {KEYS} FROM metric)");
    let count = |dimension: &str, column: &str| {
        format!(
            "INSERT INTO metric_block (dimension, block, key, metric_count) \
             SELECT '{dimension}', (id - 1) / {KEYS}, {column}, COUNT(*) FROM metric WHERE id <= {full} \
             GROUP BY (id - 1) / {KEYS}, {column}"
        )
    };
    [
        count("session", "session_id"),
        count("context", "context_id"),
        count("variant", "variant_id"),
        "ALTER TABLE component_build ADD COLUMN pipeline_id BIGINT".to_owned(),
        "UPDATE component_build SET pipeline_id = (SELECT pipeline_id FROM build WHERE build.id = build_id)".to_owned(),
        "CREATE INDEX component_build_pipeline ON component_build (component_id, pipeline_id, first_metric_id, build_id)".to_owned(),
        "CREATE INDEX build_named ON build (pipeline_id, id) WHERE name <> ''".to_owned(),
    ]
    .into()
}

const DOWN: &[&str] = &[
    "DROP INDEX build_named",
    "DROP INDEX component_build_pipeline",
    "ALTER TABLE component_build DROP COLUMN pipeline_id",
    "DROP TABLE metric_block",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The newest block is written to most of the time: without a rowid its rows lie together.
        let rowid = if manager.get_database_backend() == DbBackend::Sqlite { " WITHOUT ROWID" } else { "" };
        let table = format!(
            "CREATE TABLE {TABLE} (dimension TEXT NOT NULL, block BIGINT NOT NULL, key BIGINT NOT NULL, \
             metric_count BIGINT NOT NULL, PRIMARY KEY (dimension, block, key)){rowid}"
        );
        for statement in std::iter::once(table).chain(up()) {
            manager.get_connection().execute_unprepared(&statement).await?;
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
