//! Backs up a database and restores it under running servers.

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, Statement};
use tempfile::TempDir;

use super::{Engine, TestApp};

/// The content of a database.
pub struct Backup {
    connection: DatabaseConnection,
    engine: Engine,
    tables: Vec<String>,
    folder: TempDir,
}

impl Backup {
    /// Copies what the database of `app` contains now.
    pub async fn of(app: &TestApp) -> Self {
        let connection = connect(app).await;
        let (engine, folder) = (app.engine(), tempfile::tempdir().unwrap());
        let list = match engine {
            Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'seaql_migrations'",
            Engine::Postgres => {
                "SELECT tablename::text AS name FROM pg_tables \
                 WHERE schemaname = 'public' AND tablename <> 'seaql_migrations'"
            }
        };
        let rows = Statement::from_string(connection.get_database_backend(), list);
        let rows = connection.query_all_raw(rows).await.unwrap();
        let tables: Vec<String> = rows.iter().map(|row| row.try_get("", "name").unwrap()).collect();
        let keep = match engine {
            Engine::Sqlite => format!("VACUUM INTO '{}'", folder.path().join("kept.db").display()),
            Engine::Postgres => {
                let copies = tables.iter().map(|table| format!("; CREATE TABLE kept.{table} AS TABLE {table}"));
                format!("DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept{}", copies.collect::<String>())
            }
        };
        connection.execute_unprepared(&keep).await.unwrap();
        Self { connection, engine, tables, folder }
    }

    /// Restores the content, including the counters of keys.
    pub async fn restore(self) {
        let Self { connection, engine, tables, folder } = self;
        let (begin, end) = match engine {
            Engine::Sqlite => (
                format!(
                    "PRAGMA foreign_keys = OFF; ATTACH '{}' AS kept; BEGIN IMMEDIATE",
                    folder.path().join("kept.db").display()
                ),
                "COMMIT; DETACH kept".to_owned(),
            ),
            Engine::Postgres => {
                let counters = "SELECT setval(pg_get_serial_sequence('public.' || table_name, 'id'), \
                     (xpath('/row/n/text()', query_to_xml('SELECT COALESCE(MAX(id), 0) + 1 AS n FROM public.' || table_name, false, true, '')))[1]::text::bigint, false) \
                     FROM information_schema.columns WHERE table_schema = 'public' AND is_identity = 'YES'";
                ("BEGIN; SET LOCAL session_replication_role = replica".to_owned(), format!("{counters}; COMMIT"))
            }
        };
        let fill = |table: &String| format!("; DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept.{table}");
        let all = format!("{begin}{}; {end}", tables.iter().map(fill).collect::<String>());
        connection.execute_unprepared(&all).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Opens a separate connection to the database of `app`.
pub async fn connect(app: &TestApp) -> DatabaseConnection {
    let mut options = ConnectOptions::new(app.settings().database_url.as_str());
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}
