//! Indexes of long lists: the zone map of metrics, the builds of a component by pipeline, and builds that have a name.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLE: &str = "metric_block";

/// Number of keys in a block, as in `entity::key_range`.
const KEYS: i64 = 32_768;

/// Returns the statement that fills the zone map of one dimension from the full blocks.
fn count(dimension: &str, column: &str) -> String {
    format!(
        "INSERT INTO metric_block (dimension, block, key, metric_count) \
         SELECT '{dimension}', (id - 1) / {KEYS}, {column}, COUNT(*) FROM metric \
         WHERE id <= (SELECT COALESCE(MAX(id), 0) / {KEYS} * {KEYS} FROM metric) GROUP BY (id - 1) / {KEYS}, {column}"
    )
}

/// Returns the statements that create and fill the zone map.
pub(crate) fn zone_map(backend: DbBackend) -> Vec<String> {
    let rowid = if backend == DbBackend::Sqlite { " WITHOUT ROWID" } else { "" };
    let table = format!(
        "CREATE TABLE {TABLE} (dimension TEXT NOT NULL, block BIGINT NOT NULL, key BIGINT NOT NULL, \
         metric_count BIGINT NOT NULL, PRIMARY KEY (dimension, block, key)){rowid}"
    );
    let dimensions = [("session", "session_id"), ("context", "context_id"), ("variant", "variant_id")];
    std::iter::once(table).chain(dimensions.map(|(dimension, column)| count(dimension, column))).collect()
}

/// Adds the pipeline to each build of a component. The column has no default, so that writes of an older server fail. SQLite can
/// add such a column only to a new table.
fn pipelines(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Sqlite => &[
            "CREATE TABLE component_build_ (component_id INTEGER NOT NULL REFERENCES component(id), \
             build_id INTEGER NOT NULL REFERENCES build(id), first_metric_id INTEGER NOT NULL, metric_count INTEGER NOT NULL, \
             pipeline_id INTEGER NOT NULL, PRIMARY KEY (component_id, build_id))",
            "INSERT INTO component_build_ SELECT component_id, build_id, first_metric_id, metric_count, pipeline_id \
             FROM component_build JOIN build ON build.id = build_id",
            "DROP TABLE component_build",
            "ALTER TABLE component_build_ RENAME TO component_build",
            "CREATE INDEX component_build_build_id ON component_build (build_id)",
        ],
        _ => &[
            "ALTER TABLE component_build ADD COLUMN pipeline_id BIGINT",
            "UPDATE component_build SET pipeline_id = (SELECT pipeline_id FROM build WHERE build.id = build_id)",
            "ALTER TABLE component_build ALTER COLUMN pipeline_id SET NOT NULL",
        ],
    }
}

const INDEXES: &[&str] = &[
    "CREATE INDEX component_build_pipeline ON component_build (component_id, pipeline_id, first_metric_id, build_id)",
    "CREATE INDEX session_tag_order ON session_tag (session_id, position, tag_id)",
    "CREATE INDEX build_named ON build (pipeline_id, id) WHERE name <> ''",
];

/// Returns the prefix indexes, of the first characters only, since texts may be longer than PostgreSQL's btree allows. And an
/// index of the names of builds, which serves only equality.
fn texts(backend: DbBackend) -> Vec<String> {
    let (collation, method) = if backend == DbBackend::Postgres { (" COLLATE \"C\"", "USING hash ") } else { ("", "") };
    let heads = [("session", "scm_ref"), ("session", "hash"), ("execution_context", "hash")];
    heads
        .map(|(table, column)| {
            format!("CREATE INDEX {table}_{column}_head ON {table} ((substr({column}, 1, 64){collation}))")
        })
        .into_iter()
        .chain([format!("CREATE INDEX build_name ON build {method}(name)")])
        .collect()
}

const DOWN: &[&str] = &[
    "DROP INDEX build_name",
    "DROP INDEX execution_context_hash_head",
    "DROP INDEX session_hash_head",
    "DROP INDEX session_scm_ref_head",
    "DROP INDEX build_named",
    "DROP INDEX session_tag_order",
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
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        if backend == DbBackend::Postgres {
            // Keeps a running server from writing during the migration.
            connection.execute_unprepared("SELECT pg_advisory_xact_lock(7309940281)").await?;
        }
        for statement in zone_map(backend) {
            connection.execute_unprepared(&statement).await?;
        }
        for statement in pipelines(backend).iter().chain(INDEXES) {
            connection.execute_unprepared(statement).await?;
        }
        for statement in texts(backend) {
            connection.execute_unprepared(&statement).await?;
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
