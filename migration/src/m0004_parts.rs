//! Partitions on SQLite: the index by variant has a section for each partition. Inserts change only the newest section, a few
//! dozen adjacent pages, however long the history is.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::m0001_base::{TABLES, table};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Number of keys in a partition, as in `entity::key_range`.
const KEYS: i64 = 16_384;

/// SQLite can add a column without a default only to a new table; without one, writes of an older server fail. A virtual column
/// needs no new table, but an index on it is not covering, so that pages of keys would read rows.
fn up() -> Result<[String; 6], DbErr> {
    let columns = TABLES.iter().find(|(name, _)| *name == "metric").map(|(_, columns)| columns);
    let columns = columns.ok_or_else(|| DbErr::Migration("there are no metrics".to_owned()))?;
    let indexes = ["session_id", "context_id", "started_at"];
    Ok([
        table(DbBackend::Sqlite, "metric_", &format!("{columns}, part {{big}} NOT NULL")),
        format!("INSERT INTO metric_ SELECT *, (id - 1) / {KEYS} FROM metric ORDER BY id"),
        "DROP TABLE metric".to_owned(),
        "ALTER TABLE metric_ RENAME TO metric".to_owned(),
        indexes.map(|column| format!("CREATE INDEX metric_{column} ON metric ({column})")).join("; "),
        "CREATE INDEX metric_part_variant_id ON metric (part, variant_id)".to_owned(),
    ])
}

const DOWN: [&str; 3] = [
    "DROP INDEX metric_part_variant_id",
    "ALTER TABLE metric DROP COLUMN part",
    "CREATE INDEX metric_variant_id ON metric (variant_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Sqlite {
            manager.get_connection().execute_unprepared(&up()?.join("; ")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Sqlite {
            manager.get_connection().execute_unprepared(&DOWN.join("; ")).await?;
        }
        Ok(())
    }
}
