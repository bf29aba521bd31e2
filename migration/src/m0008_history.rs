//! The history in compressed columns. New metrics are rows of `metric_row`; segments hold the older ones. An older server fails
//! at the name of that table, so it can't add rows that are not counted.
//!
//! What was found by joining metrics is now stored: which components and contexts each session measured.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};

use crate::{m0001_base::table, m0002_listings, m0006_pipeline_variants};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The table of new metrics.
pub(crate) const ROWS: &str = "metric_row";

/// `version` counts the replacements of segments. Metrics with keys up to `sealed_until` are in segments; `last_metric_id` is the
/// greatest key that was ever assigned. `data` is a compressed column, by its number.
pub(crate) const TABLES: &[(&str, &str)] = &[
    ("history", "id {id}, version {big} NOT NULL, sealed_until {big} NOT NULL, last_metric_id {big} NOT NULL"),
    (
        "segment",
        "id {id}, first_metric_id {big} NOT NULL, last_metric_id {big} NOT NULL, metric_count {big} NOT NULL, \
         page_size {big} NOT NULL, min_session_id {big} NOT NULL, max_session_id {big} NOT NULL, \
         min_context_id {big} NOT NULL, max_context_id {big} NOT NULL, min_started_at {big} NOT NULL, \
         max_started_at {big} NOT NULL, min_total_time {real} NOT NULL, max_total_time {real} NOT NULL, \
         min_user_time {real} NOT NULL, max_user_time {real} NOT NULL, min_kernel_time {real} NOT NULL, \
         max_kernel_time {real} NOT NULL, min_cpu_usage {real} NOT NULL, max_cpu_usage {real} NOT NULL, \
         min_memory_usage {real} NOT NULL, max_memory_usage {real} NOT NULL",
    ),
    (
        "segment_column",
        "segment_id {big} NOT NULL REFERENCES segment(id), number {big} NOT NULL, data {bytes} NOT NULL, \
         PRIMARY KEY (segment_id, number)",
    ),
    (
        "session_component",
        "session_id {big} NOT NULL REFERENCES session(id), component_id {big} NOT NULL REFERENCES component(id), \
         first_metric_id {big} NOT NULL, metric_count {big} NOT NULL, PRIMARY KEY (session_id, component_id)",
    ),
    (
        "session_context",
        "session_id {big} NOT NULL REFERENCES session(id), context_id {big} NOT NULL REFERENCES execution_context(id), \
         PRIMARY KEY (session_id, context_id)",
    ),
];

/// Tables whose rows are found by their primary key only.
const BY_PRIMARY_KEY: &[&str] = &["session_component", "session_context"];

const FILL: &[&str] = &[
    "INSERT INTO history (version, sealed_until, last_metric_id) SELECT 0, 0, COALESCE(MAX(id), 0) FROM metric",
    "INSERT INTO session_component (session_id, component_id, first_metric_id, metric_count) \
     SELECT metric.session_id, item.component_id, MIN(metric.id), COUNT(*) FROM metric \
     JOIN variant ON variant.id = metric.variant_id JOIN item ON item.id = variant.item_id \
     GROUP BY metric.session_id, item.component_id",
    "INSERT INTO session_context (session_id, context_id) SELECT DISTINCT session_id, context_id FROM metric",
    "CREATE INDEX session_context_context_id ON session_context (context_id, session_id)",
    "DROP TABLE metric_block",
    "DROP TABLE pipeline_variant",
    "DROP INDEX metric_session_id",
    "DROP INDEX metric_context_id",
    "DROP INDEX metric_started_at",
];

fn of_engine(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Postgres => &[
            "DROP INDEX metric_variant_id",
            "ALTER TABLE metric RENAME TO metric_row",
            // It is compressed already.
            "ALTER TABLE segment_column ALTER COLUMN data SET STORAGE EXTERNAL",
        ],
        _ => &[
            "DROP INDEX metric_part_variant_id",
            "ALTER TABLE metric DROP COLUMN part",
            "ALTER TABLE metric RENAME TO metric_row",
        ],
    }
}

/// Returns the statements that create the views for SQL readers, which promise their names and columns.
fn views(backend: DbBackend) -> Vec<String> {
    let time = |column: &str| match backend {
        DbBackend::Postgres => format!("TIMESTAMP 'epoch' + {column} * INTERVAL '1 microsecond'"),
        _ => format!("strftime('%Y-%m-%dT%H:%M:%f', {column} / 1000000.0, 'unixepoch')"),
    };
    let metric = format!(
        "CREATE VIEW v1_metric AS SELECT metric_row.id, session.hash AS session_hash, \
         execution_context.hash AS context_hash, {} AS started_at, component.name AS component, item.path AS item_path, \
         item.name AS item, variant.name AS variant, variant.location, variant.kind, metric_row.total_time, \
         metric_row.user_time, metric_row.kernel_time, metric_row.cpu_usage, metric_row.memory_usage, metric_row.passed \
         FROM metric_row JOIN session ON session.id = metric_row.session_id \
         JOIN execution_context ON execution_context.id = metric_row.context_id \
         JOIN variant ON variant.id = metric_row.variant_id JOIN item ON item.id = variant.item_id \
         JOIN component ON component.id = item.component_id",
        time("metric_row.started_at")
    );
    let session = format!(
        "CREATE VIEW v1_session AS SELECT session.id, session.hash, {} AS run_date, session.scm_ref, \
         pipeline.name AS pipeline, build.name AS build, session.metric_count FROM session \
         LEFT JOIN build ON build.id = session.build_id LEFT JOIN pipeline ON pipeline.id = build.pipeline_id \
         WHERE session.announced IS NOT NULL",
        time("session.run_date")
    );
    let context = "CREATE VIEW v1_context AS SELECT id, hash, cpu_count, cpu_frequency, cpu_type, cpu_vendor, ram_total, \
        machine_node, machine_type, machine_arch, system_info, python_info, metric_count FROM execution_context \
        WHERE announced IS NOT NULL";
    vec![metric, session, context.to_owned()]
}

const VIEWS: [&str; 3] = ["v1_metric", "v1_session", "v1_context"];

/// Returns the statements that restore what there was, as long as no metric is sealed.
fn back(backend: DbBackend) -> Vec<String> {
    let rows = format!("ALTER TABLE {ROWS} RENAME TO metric");
    let (key, by_variant): (&str, &[&str]) = match backend {
        DbBackend::Postgres => (", id", &["CREATE INDEX metric_variant_id ON metric (variant_id, id)"]),
        _ => (
            "",
            &[
                "ALTER TABLE metric ADD COLUMN part INTEGER",
                "UPDATE metric SET part = (id - 1) / 16384",
                "CREATE INDEX metric_part_variant_id ON metric (part, variant_id, id, session_id)",
            ],
        ),
    };
    let indexes = ["session_id", "context_id", "started_at"];
    let indexes = indexes.map(|column| format!("CREATE INDEX metric_{column} ON metric ({column}{key})"));
    let tables = TABLES.iter().rev().map(|(name, _)| format!("DROP TABLE {name}"));
    let old = indexes.into_iter().chain(by_variant.iter().map(ToString::to_string));
    let old = old.chain(m0002_listings::zone_map(backend)).chain(m0006_pipeline_variants::measured(backend));
    let views = VIEWS.map(|view| format!("DROP VIEW {view}"));
    views.into_iter().chain([rows]).chain(tables).chain(old).collect()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        if backend == DbBackend::Postgres {
            // The lock of a committer: a running server can't write during the migration.
            let lock = "SELECT pg_advisory_xact_lock(1835365473, 'metric'::regclass::oid::int4)";
            connection.execute_unprepared(lock).await?;
        }
        for (name, columns) in TABLES {
            let mut create = table(backend, name, columns);
            if backend == DbBackend::Sqlite && BY_PRIMARY_KEY.contains(name) {
                create += " WITHOUT ROWID";
            }
            connection.execute_unprepared(&create).await?;
        }
        for statement in FILL.iter().chain(of_engine(backend)) {
            connection.execute_unprepared(statement).await?;
        }
        for statement in views(backend) {
            connection.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        let sealed = Statement::from_string(backend, "SELECT id FROM segment LIMIT 1");
        if connection.query_one_raw(sealed).await?.is_some() {
            let reason = "metrics that are compressed are no rows any more: restore a backup";
            return Err(DbErr::Migration(reason.to_owned()));
        }
        for statement in back(backend) {
            connection.execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}
