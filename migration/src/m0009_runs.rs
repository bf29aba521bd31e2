//! Projects, branches, runs and classes of machines. Rows that are there get theirs from the server, when it starts: the rules are
//! those of new ones.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};
use sha2::{Digest as _, Sha256};

use crate::m0001_base::table;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// `last_run_date` is that of the branch's latest run. `kind` says by what the sessions of a run were found, `founded` is the run
/// date of the first one that came; `digest` is that of what they have in common. `ram` is in GB.
pub(crate) const TABLES: &[(&str, &str)] = &[
    ("project", "id {id}, name TEXT NOT NULL, digest {bytes} NOT NULL UNIQUE"),
    (
        "branch",
        "id {id}, project_id {big} NOT NULL REFERENCES project(id), name TEXT NOT NULL, digest {bytes} NOT NULL UNIQUE, \
         last_run_date {big}",
    ),
    (
        "machine_class",
        "id {id}, cpu_vendor TEXT NOT NULL, cpu_type TEXT NOT NULL, cpu_count {big} NOT NULL, ram {big} NOT NULL, \
         architecture TEXT NOT NULL, os_family TEXT NOT NULL, python TEXT NOT NULL, digest {bytes} NOT NULL UNIQUE",
    ),
    (
        "run",
        "id {big_key}, kind TEXT NOT NULL, digest {bytes} NOT NULL, founded {big} NOT NULL, \
         project_id {big} NOT NULL REFERENCES project(id), pipeline_id {big} REFERENCES pipeline(id), \
         build_id {big} REFERENCES build(id), branch_id {big} REFERENCES branch(id), scm_ref TEXT, machine TEXT, \
         run_date {big} NOT NULL, session_count {big} NOT NULL, measured_count {big} NOT NULL",
    ),
];

/// `(table, column, type)` of what other tables have more. `machine` is that of a session's first metric; `received_at` and
/// `last_received_at` are when the server received the first and the last of a session, in microseconds since 1970 in UTC.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("pipeline", "project_id", "BIGINT"),
    ("session", "project_id", "BIGINT"),
    ("session", "branch_id", "BIGINT"),
    ("session", "run_id", "BIGINT"),
    ("session", "machine", "TEXT"),
    ("session", "received_at", "BIGINT"),
    ("session", "last_received_at", "BIGINT"),
    ("execution_context", "machine_class_id", "BIGINT"),
];

/// `(name, table, columns)` of the indexes that are the same in both engines.
const INDEXES: &[(&str, &str, &str)] = &[
    ("run_line", "run", "project_id, COALESCE(pipeline_id, 0), COALESCE(branch_id, 0), run_date, id"),
    ("run_run_date", "run", "run_date, id"),
    ("run_pipeline_id", "run", "pipeline_id, run_date, id"),
    ("run_build_id", "run", "build_id, run_date, id"),
    ("run_branch_id", "run", "branch_id, run_date, id"),
    ("run_digest", "run", "digest, founded"),
    ("branch_project_id", "branch", "project_id, last_run_date, id"),
    ("branch_last_run_date", "branch", "last_run_date, id"),
    ("pipeline_project_id", "pipeline", "project_id, id"),
    ("session_project_id", "session", "project_id, id"),
    ("session_branch_id", "session", "branch_id, id"),
    ("session_run_id", "session", "run_id, id"),
    ("execution_context_machine_class_id", "execution_context", "machine_class_id, id"),
];

/// Indexes of some rows: what has not been assigned yet, and runs that are found by a name.
const PARTIAL_INDEXES: &[&str] = &[
    "CREATE INDEX session_without_run ON session (announced) WHERE run_id IS NULL AND announced IS NOT NULL",
    "CREATE INDEX execution_context_without_class ON execution_context (announced) \
     WHERE machine_class_id IS NULL AND announced IS NOT NULL",
    "CREATE UNIQUE INDEX run_digest_of_name ON run (digest) WHERE kind <> 'inferred'",
];

const PARTIAL_INDEX_NAMES: [&str; 3] = ["session_without_run", "execution_context_without_class", "run_digest_of_name"];

/// Returns what indexes names, whatever their length, and makes writes of an older server fail.
fn of_engine(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Postgres => &[
            "CREATE INDEX pipeline_name ON pipeline USING hash (name)",
            "CREATE INDEX branch_name ON branch USING hash (name)",
            "ALTER TABLE pipeline ALTER COLUMN project_id SET NOT NULL",
            "ALTER TABLE session ADD CONSTRAINT session_has_run CHECK (announced IS NULL OR run_id IS NOT NULL) NOT VALID",
        ],
        _ => &["CREATE INDEX pipeline_name ON pipeline (name)", "CREATE INDEX branch_name ON branch (name)"],
    }
}

/// Returns the digest of texts, as it is computed at the time of this migration.
fn digest(parts: &[&str]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()[..16].to_vec()
}

/// Returns the literal of bytes.
fn literal(backend: DbBackend, bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match backend {
        DbBackend::Postgres => format!("'\\x{digits}'::bytea"),
        _ => format!("x'{digits}'"),
    }
}

/// Returns the rows of a query for a key and a text.
async fn names(manager: &SchemaManager<'_>, sql: String) -> Result<Vec<(i64, String)>, DbErr> {
    let statement = Statement::from_string(manager.get_database_backend(), sql);
    let rows = manager.get_connection().query_all_raw(statement).await?;
    rows.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "name")?))).collect()
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(statement).await.map(drop)
}

/// Makes the pipelines of all projects that have one name one pipeline again, and their builds likewise.
async fn unite_pipelines(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    let of_projects = "SELECT pipeline.id AS id, pipeline.name AS name FROM pipeline JOIN project \
        ON project.id = pipeline.project_id WHERE project.name <> '' ORDER BY pipeline.id";
    for (pipeline, name) in names(manager, of_projects.to_owned()).await? {
        let name = literal(backend, &digest(&[&name]));
        let named = format!("SELECT id, name FROM pipeline WHERE digest = {name}");
        let Some((target, _)) = names(manager, named).await?.pop() else {
            run(manager, &format!("UPDATE pipeline SET digest = {name} WHERE id = {pipeline}")).await?;
            continue;
        };
        let builds = format!("SELECT id, name FROM build WHERE pipeline_id = {pipeline}");
        for (build, name) in names(manager, builds).await? {
            let name = literal(backend, &digest(&[&target.to_string(), &name]));
            let named = format!("SELECT id, name FROM build WHERE digest = {name}");
            let statements = match names(manager, named).await?.pop() {
                None => vec![
                    format!("UPDATE build SET pipeline_id = {target}, digest = {name} WHERE id = {build}"),
                    format!("UPDATE component_build SET pipeline_id = {target} WHERE build_id = {build}"),
                ],
                Some((other, _)) => vec![
                    format!("UPDATE session SET build_id = {other} WHERE build_id = {build}"),
                    format!(
                        "INSERT INTO component_build (component_id, build_id, pipeline_id, first_metric_id, metric_count) \
                         SELECT component_id, {other}, {target}, first_metric_id, metric_count FROM component_build \
                         WHERE build_id = {build} ON CONFLICT (component_id, build_id) DO UPDATE SET \
                         metric_count = component_build.metric_count + excluded.metric_count, first_metric_id = \
                         CASE WHEN excluded.first_metric_id < component_build.first_metric_id \
                         THEN excluded.first_metric_id ELSE component_build.first_metric_id END"
                    ),
                    format!("DELETE FROM component_build WHERE build_id = {build}"),
                    format!("DELETE FROM build WHERE id = {build}"),
                ],
            };
            for statement in statements {
                run(manager, &statement).await?;
            }
        }
        run(manager, &format!("DELETE FROM pipeline WHERE id = {pipeline}")).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        if backend == DbBackend::Postgres {
            // The lock of a committer: a running server can't write during the migration.
            run(manager, "SELECT pg_advisory_xact_lock(1835365473, 'metric_row'::regclass::oid::int4)").await?;
        }
        for (name, columns) in TABLES {
            run(manager, &table(backend, name, columns)).await?;
        }
        for (table, column, data_type) in COLUMNS {
            run(manager, &format!("ALTER TABLE {table} ADD COLUMN {column} {data_type}")).await?;
        }
        let nameless = literal(backend, &digest(&[""]));
        run(manager, &format!("INSERT INTO project (name, digest) VALUES ('', {nameless})")).await?;
        run(manager, "UPDATE pipeline SET project_id = (SELECT id FROM project)").await?;
        for (name, table, columns) in INDEXES {
            run(manager, &format!("CREATE INDEX {name} ON {table} ({columns})")).await?;
        }
        for statement in PARTIAL_INDEXES.iter().chain(of_engine(backend)) {
            run(manager, statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            run(manager, "ALTER TABLE session DROP CONSTRAINT session_has_run").await?;
        }
        for name in INDEXES.iter().map(|(name, ..)| *name).chain(PARTIAL_INDEX_NAMES).chain(["pipeline_name"]) {
            run(manager, &format!("DROP INDEX {name}")).await?;
        }
        run(manager, "DROP TABLE run").await?;
        unite_pipelines(manager).await?;
        for (table, column, _) in COLUMNS.iter().rev() {
            run(manager, &format!("ALTER TABLE {table} DROP COLUMN {column}")).await?;
        }
        for table in ["machine_class", "branch", "project"] {
            run(manager, &format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}
