//! A server that cannot store is not ready, even if it can read, and recovers by itself.
#![cfg(unix)]

use std::{
    path::Path,
    process::{Command, Stdio},
};

use metrograph::version::{COMMIT, VERSION};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    task::{JoinHandle, JoinSet},
};

use crate::support::{
    PostgresDatabase, Role,
    builders::rest::metric_of,
    program::{Server, command, until},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

fn ready(server: &Server) -> (u16, Value) {
    server.request("GET", "/health/ready", &Value::Null)
}

/// Asserts that nothing can be stored, and that the server reports it for as long.
fn assert_unwell(server: &Server, errors: usize) {
    assert_eq!(ready(server), (200, json!({ "status": "ok", "version": VERSION, "commit": COMMIT })));
    assert_eq!(server.request("POST", "/api/v1/metrics/", &metric_of("test_lost")).0, 503);
    assert_not_ready(server);
    // While it retries.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_not_ready(server);
    assert_eq!(server.get("/health/live")["status"], "ok");
    let log = server.log();
    assert_eq!(log.matches("the database rejects writes").count(), errors, "{log}");
}

fn assert_not_ready(server: &Server) {
    let (status, answer) = ready(server);
    assert_eq!(status, 503, "{answer}");
    let said = answer["failed"]["committer"].as_str().unwrap_or_default();
    assert!(said.contains("failed") && said.contains("log"), "{answer}");
}

/// Asserts that it recovers without a new write.
fn assert_well_again(server: &Server) {
    until("it is ready", || ready(server).0 == 200);
    server.record("test_after");
    assert_eq!(ready(server).0, 200);
}

#[test]
fn a_file_that_another_process_writes_to_is_not_ready_until_it_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--request-timeout", "3s"], &[ANYWHERE]);
    server.record("test_before");
    let other = Connection::open(folder.path().join("metrograph.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_unwell(&server, 1);
    other.execute_batch("ROLLBACK").unwrap();
    assert_well_again(&server);
    server.stop();
}

#[test]
fn a_table_that_takes_no_rows_is_not_ready_until_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    let sql = |sql: &str| Connection::open(folder.path().join("metrograph.db")).unwrap().execute_batch(sql).unwrap();
    sql("ALTER TABLE tag RENAME TO gone; ALTER TABLE component RENAME TO gone_too");
    assert_unwell(&server, 1);
    sql("ALTER TABLE gone RENAME TO tag; ALTER TABLE gone_too RENAME TO component");
    assert_well_again(&server);
    server.stop();
}

/// Starts the program with a limit of one mebibyte for its files.
fn limited(folder: &Path) -> Command {
    let plain = command(folder, &[], &[ANYWHERE]);
    let mut limited = Command::new("sh");
    // In units of 512 bytes.
    limited.args(["-c", "ulimit -S -f 2048 && exec \"$0\""]).arg(plain.get_program()).current_dir(folder);
    limited.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    limited
}

#[test]
fn a_file_that_can_not_grow_is_not_ready_until_something_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    // The tables exist.
    Server::start(folder.path(), &[], &[ANYWHERE]).stop();
    let server = Server::of(limited(folder.path()));
    until("there is no room", || server.request("POST", "/api/v1/metrics/", &metric_of("test_one_of_many")).0 == 503);
    assert_not_ready(&server);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_not_ready(&server);
    assert_eq!(server.get("/health/live")["status"], "ok");
    let pid = server.pid().to_string();
    assert!(Command::new("prlimit").args(["--fsize=unlimited", "--pid", &pid]).status().unwrap().success());
    server.record("test_after");
    assert_eq!(ready(&server).0, 200);
    server.stop();
}

#[tokio::test]
async fn a_role_that_may_no_longer_store_is_not_ready_until_it_may() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &["--database-url", &database.url()], &[ANYWHERE]).stop();
    let role = Role::create(&database, "").await;
    let name = role.name();
    let all = format!("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}");
    database.run(&format!("GRANT {all}")).await;
    let server = Server::start(folder.path(), &["--database-url", &database.url_as(name, "")], &[ANYWHERE]);
    server.record("test_before");
    let taken = ["INSERT ON metric_row", "UPDATE ON session", "ALL ON committer"];
    for (number, right) in taken.into_iter().enumerate() {
        database.run(&format!("REVOKE {right} FROM {name}")).await;
        assert_unwell(&server, number + 1);
        database.run(&format!("GRANT {all}")).await;
        assert_well_again(&server);
    }
    server.stop();
    role.remove(&database).await;
    database.remove().await;
}

#[tokio::test]
async fn a_database_that_takes_no_connections_is_not_ready_until_it_does() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let Some(other) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(folder.path(), &["--database-url", &database.url(), "--request-timeout", "3s"], &[ANYWHERE]);
    server.record("test_before");
    let name = database.name();
    other.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    other.run(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
    assert_eq!(server.request("POST", "/api/v1/metrics/", &metric_of("test_lost")).0, 503);
    assert_not_ready(&server);
    other.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    assert_well_again(&server);
    server.stop();
    other.remove().await;
    database.remove().await;
}

/// Forwards a port to a PostgreSQL, until it is dropped; `None` if that has no Unix socket.
async fn port_before(database: &PostgresDatabase) -> Option<(String, JoinHandle<()>)> {
    let url = database.url();
    let socket = format!("{}/.s.PGSQL.5432", url.split_once("?host=")?.1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://postgres@{}/{}", listener.local_addr().unwrap(), database.name());
    let way = tokio::spawn(async move {
        let mut ways = JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = UnixStream::connect(&socket).await.unwrap();
            ways.spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    Some((url, way))
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_a_database_that_is_gone_get_an_error() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let Some((url, way)) = port_before(&database).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--database-url", &url, "--database-connections", "5"], &[ANYWHERE]);
    server.record("test_before");
    assert_eq!(server.count(), 1);
    way.abort();
    assert!(way.await.is_err());
    // More often than there are read connections.
    for _ in 0..3 {
        let (status, answer) = server.request("GET", "/api/v1/metrics/count", &Value::Null);
        assert_eq!(status, 503, "{answer}");
    }
    assert_eq!(ready(&server).0, 503);
    drop(server);
    database.remove().await;
}
