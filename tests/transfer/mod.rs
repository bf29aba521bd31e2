//! Bringing histories: import, export and push.

mod crashes;
mod graph;
mod imports;
mod pushes;
mod sources;

use std::path::Path;

use sea_orm::{ConnectionTrait as _, Database};
use serde_json::Value;

use crate::support::{
    Engine, PostgresDatabase,
    program::{Ended, run},
};

/// The tables of plugin 1.0.
const FIRST: &str = "
CREATE TABLE TEST_METRICS (RUN_DATE varchar(64), ENV_H varchar(64), SCM_ID varchar(128), ITEM_START_TIME varchar(64), ITEM varchar(4096),
 KIND varchar(64), COMPONENT varchar(512) NULL, TOTAL_TIME float, USER_TIME float, KERNEL_TIME float, CPU_USAGE float, MEM_USAGE float);
";
/// Those of plugin 1.1 and later.
const LATER: &str = "
CREATE TABLE TEST_SESSIONS(SESSION_H varchar(64) primary key not null unique, RUN_DATE varchar(64), SCM_ID varchar(128),
 RUN_DESCRIPTION varchar(1024));
CREATE TABLE TEST_METRICS (SESSION_H varchar(64), ENV_H varchar(64), ITEM_START_TIME varchar(64), ITEM_PATH varchar(4096), ITEM varchar(2048),
 ITEM_VARIANT varchar(2048), ITEM_FS_LOC varchar(2048), KIND varchar(64), COMPONENT varchar(512) NULL, TOTAL_TIME float, USER_TIME float,
 KERNEL_TIME float, CPU_USAGE float, MEM_USAGE float);
";
const CONTEXTS: &str = "
CREATE TABLE EXECUTION_CONTEXTS (ENV_H varchar(64) primary key not null unique, CPU_COUNT integer, CPU_FREQUENCY_MHZ integer,
 CPU_TYPE varchar(64), CPU_VENDOR varchar(256), RAM_TOTAL_MB integer, MACHINE_NODE varchar(512), MACHINE_TYPE varchar(32),
 MACHINE_ARCH varchar(16), SYSTEM_INFO varchar(256), PYTHON_INFO varchar(512));
INSERT INTO EXECUTION_CONTEXTS VALUES ('c', 8, 2400.5, 'x86_64', 'Maker', 32000, 'ci-07', 'x86_64', '64bit', 'Linux - 6.1', '3.12.4');
";
/// The tables of monitor-server.
const SERVER: &str = include_str!("../data/monitor_server.sql");

/// A database that nothing serves.
struct Target {
    url: String,
    database: Option<PostgresDatabase>,
}

impl Target {
    /// Returns one of each engine that there is, with files in `folder`.
    async fn both(folder: &Path, name: &str) -> Vec<Self> {
        let file = format!("sqlite://{}?mode=rwc", folder.join(name).display());
        let mut targets = vec![Self { url: file, database: None }];
        if let Some(database) = PostgresDatabase::create().await {
            targets.push(Self { url: database.url(), database: Some(database) });
        }
        targets
    }

    fn engine(&self) -> Engine {
        if self.database.is_some() { Engine::Postgres } else { Engine::Sqlite }
    }

    fn import(&self, folder: &Path, arguments: &[&str]) -> Ended {
        let arguments = [&["import"], arguments, &["--database-url", &self.url]].concat();
        run(folder, &arguments, &[])
    }

    /// Imports without losses.
    fn take(&self, folder: &Path, arguments: &[&str]) -> String {
        let ended = self.import(folder, arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    fn exported(&self, folder: &Path) -> String {
        let ended = run(folder, &["export", "--format", "ndjson", "--database-url", &self.url], &[]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        ended.stdout
    }

    /// Returns the lines of an export, without the first one.
    fn lines(&self, folder: &Path) -> Vec<Value> {
        self.exported(folder).lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn remove(self) {
        if let Some(database) = self.database {
            database.remove().await;
        }
    }
}

async fn run_sql(url: &str, sql: &str) {
    let connection = Database::connect(url).await.unwrap();
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}

/// Runs `sql` on a file in `folder`, which is created.
async fn write(folder: &Path, name: &str, sql: &str) {
    run_sql(&format!("sqlite://{}?mode=rwc", folder.join(name).display()), sql).await;
}

/// Returns a statement that adds `count` metrics of a session, no two of which are equal, from number `first` on.
fn metrics(session: &str, first: u32, count: u32) -> String {
    format!(
        "INSERT INTO TEST_METRICS WITH RECURSIVE n(i) AS (VALUES ({first}) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {first} + {count}) \
         SELECT '{session}', 'c', strftime('%Y-%m-%dT%H:%M:%S', 1736128800 + i, 'unixepoch'), 'tests', 'test_' || (i % 50), \
         'test_' || (i % 50) || '[' || (i % 7) || ']', 'tests/test_a.py', 'function', 'core', i / 8.0, 0.25, 0.125, 0.75, i % 100 FROM n"
    )
}
