//! Deletion of sessions. A row of `deletion` is a session that is deleted, whose metrics are still in rows and segments; `deleted_key`
//! has the greatest key or number of what was deleted, so that none is used again.
//!
//! Rows of metrics no longer refer to other tables by constraints: without an index on `metric_row`, each variant that is deleted would
//! be looked for in all of them.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};

use crate::{m0001_base::table, m0008_history::ROWS};

#[derive(DeriveMigrationName)]
pub struct Migration;

pub(crate) const TABLES: &[(&str, &str)] = &[
    (
        "deletion",
        "id {id}, session_id {big} NOT NULL, first_metric_id {big} NOT NULL, last_metric_id {big} NOT NULL, \
         metric_count {big} NOT NULL",
    ),
    ("deleted_key", "name TEXT PRIMARY KEY, greatest {big} NOT NULL, row_count {big} NOT NULL"),
];

/// The columns of `metric_row` that referred to other tables.
const REFERENCES: [(&str, &str); 3] =
    [("session_id", "session"), ("context_id", "execution_context"), ("variant_id", "variant")];

/// `deletions` counts the sessions that were deleted, `revision` what was changed in segments and in `deletion`. A segment with
/// `replaced_at`, in microseconds since 1970, is no longer part of the history.
const UP: [&str; 3] = [
    "ALTER TABLE history ADD COLUMN deletions BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE history ADD COLUMN revision BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE segment ADD COLUMN replaced_at BIGINT",
];

const DOWN: [&str; 5] = [
    "DELETE FROM segment_column WHERE segment_id IN (SELECT id FROM segment WHERE replaced_at IS NOT NULL)",
    "DELETE FROM segment WHERE replaced_at IS NOT NULL",
    "ALTER TABLE segment DROP COLUMN replaced_at",
    "ALTER TABLE history DROP COLUMN revision",
    "ALTER TABLE history DROP COLUMN deletions",
];

/// Returns the statements that replace parts of the definition of `metric_row` in the schema of SQLite, which has no other way to change a
/// constraint without writing the whole table anew. (The tables made by this migration make other connections read the schema again.)
fn redefine(replaced: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let sql = replaced.fold("sql".to_owned(), |sql, (from, to)| format!("replace({sql}, '{from}', '{to}')"));
    vec![
        "PRAGMA writable_schema = ON".to_owned(),
        format!("UPDATE sqlite_master SET sql = {sql} WHERE type = 'table' AND name = '{ROWS}'"),
        "PRAGMA writable_schema = RESET".to_owned(),
    ]
}

fn without_references(backend: DbBackend) -> Vec<String> {
    match backend {
        DbBackend::Postgres => {
            let drop = |(column, _)| format!("ALTER TABLE {ROWS} DROP CONSTRAINT metric_{column}_fkey");
            REFERENCES.map(drop).into()
        }
        _ => redefine(REFERENCES.into_iter().map(|(_, table)| (format!(" REFERENCES {table}(id)"), String::new()))),
    }
}

fn with_references(backend: DbBackend) -> Vec<String> {
    match backend {
        DbBackend::Postgres => {
            let add = |(column, table)| {
                format!(
                    "ALTER TABLE {ROWS} ADD CONSTRAINT metric_{column}_fkey FOREIGN KEY ({column}) REFERENCES {table}(id)"
                )
            };
            REFERENCES.map(add).into()
        }
        _ => redefine(REFERENCES.into_iter().map(|(column, table)| {
            let plain = format!("{column} INTEGER NOT NULL");
            (plain.clone(), format!("{plain} REFERENCES {table}(id)"))
        })),
    }
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
            let lock = "SELECT pg_advisory_xact_lock(1835365473, 'metric_row'::regclass::oid::int4)";
            connection.execute_unprepared(lock).await?;
        }
        for statement in without_references(backend) {
            connection.execute_unprepared(&statement).await?;
        }
        for (name, columns) in TABLES {
            connection.execute_unprepared(&table(backend, name, columns)).await?;
        }
        for statement in UP {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (connection, backend) = (manager.get_connection(), manager.get_database_backend());
        let hidden = Statement::from_string(backend, "SELECT id FROM deletion LIMIT 1");
        if connection.query_one_raw(hidden).await?.is_some() {
            let reason = "metrics of deleted sessions are still being cleared away: start the server, and try again when they are";
            return Err(DbErr::Migration(reason.to_owned()));
        }
        for statement in DOWN {
            connection.execute_unprepared(statement).await?;
        }
        for (name, _) in TABLES.iter().rev() {
            connection.execute_unprepared(&format!("DROP TABLE {name}")).await?;
        }
        for statement in with_references(backend) {
            connection.execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}
