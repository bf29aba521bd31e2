//! Errors of a start on PostgreSQL: the first obstacle, its address, and the remedy.

use migration::MigratorTrait as _;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::json;

use crate::support::{
    Engine, PostgresDatabase, Role, TestApp,
    program::{Server, run},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

/// Asserts that the program refuses `url` in one line with all of these words and without a password.
fn refused(url: &str, arguments: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<_> = ["--database-url", url].iter().chain(arguments).copied().collect();
    let ended = run(folder.path(), &all, &[ANYWHERE]);
    ended.assert_refused(words);
    assert!(!ended.stderr.contains("sekret"), "{ended:?}");
}

#[test]
fn what_cannot_be_reached_is_refused_with_its_own_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = format!("127.0.0.1:{port}/name");
    refused(&format!("postgres://user:sekret@{place}"), &[], &["--database-url", &place, "refused"]);
    refused(
        "postgres://user:sekret@no-such-host.invalid/name",
        &[],
        &["--database-url", "no-such-host.invalid:5432/name"],
    );
    refused(
        "postgres://user:sekret@/name?host=/no/such/folder",
        &[],
        &["--database-url", "/no/such/folder/.s.PGSQL.5432/name"],
    );
}

/// Asserts the same of `metrograph token`, and of a direct address in addition to `url`.
fn refused_with_direct_address(url: &str, direct: &str, words: &[&str]) {
    refused(url, &["--database-direct-url", direct], words);
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["token", "list", "--database-url", direct], &[]);
    ended.assert_refused(words);
    assert!(!ended.stderr.contains("sekret"), "{ended:?}");
}

#[tokio::test]
async fn tokens_and_direct_addresses_are_refused_alike() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let url = database.url();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = format!("127.0.0.1:{port}/name");
    refused_with_direct_address(&url, &format!("postgres://user:sekret@{place}"), &[&place, "refused"]);
    let role = Role::create(&database, "CONNECTION LIMIT 0").await;
    refused_with_direct_address(
        &url,
        &database.url_as(role.name(), ""),
        &["too many connections for role", "CONNECTION LIMIT"],
    );
    role.remove(&database).await;
    let options = "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
    let Some(latin) = PostgresDatabase::create_with(options).await else { return };
    refused_with_direct_address(&url, &latin.url(), &[latin.name(), "LATIN1", "UTF8", "CREATE DATABASE"]);
    latin.remove().await;
    database.remove().await;
}

#[tokio::test]
async fn a_missing_role_or_database_is_named() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let gone = database.url().replace(database.name(), "no_such_database");
    refused(&gone, &[], &["--database-url", "no_such_database", "does not exist", "CREATE DATABASE", "UTF8"]);
    database.run("DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD 'right'; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$").await;
    refused(
        &database.url_as("guarded:sekret", ""),
        &[],
        &["--database-url", "password authentication failed", "guarded"],
    );
    refused(&database.url_as("nobody_knows", ""), &[], &["--database-url", "nobody_knows"]);
    refused(&database.url_as("postgres", "&options[search_path]=nowhere"), &[], &["--database-url", "schema"]);
    database.remove().await;
}

#[tokio::test]
async fn a_folder_with_a_socket_is_a_host() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let Some((_, folder)) =
        database.url().split_once("?host=").map(|(all, folder)| (all.to_owned(), folder.to_owned()))
    else {
        return;
    };
    database.run("DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD 'right'; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$").await;
    database.run("GRANT CREATE ON SCHEMA public TO guarded").await;
    let name = database.name();
    let place = tempfile::tempdir().unwrap();
    for (variable, url) in [
        ("MONITOR_SERVER_DATABASE_URI", format!("postgresql://guarded:right@/{name}?host={folder}")),
        ("MONITOR_SERVER_DATABASE_URI", format!("postgresql+psycopg2://guarded:right@/{name}?host={folder}")),
        ("METROGRAPH_DATABASE_URL", format!("postgres://guarded:right@/{name}?host={folder}")),
        ("METROGRAPH_DATABASE_URL", format!("postgresql:///{name}?host={folder}&user=guarded&password=right")),
        ("METROGRAPH_DATABASE_URL", format!("postgres://guarded:right@{}/{name}", folder.replace('/', "%2F"))),
    ] {
        let server = Server::start(place.path(), &[], &[ANYWHERE, (variable, &url)]);
        server.record("t");
        server.stop();
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM metric_row").await, 5);
    database.remove().await;
}

#[tokio::test]
async fn a_database_that_can_not_hold_every_text_is_refused() {
    for encoding in ["SQL_ASCII", "LATIN1", "EUC_JP"] {
        let options = format!("ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
        let Some(database) = PostgresDatabase::create_with(&options).await else { return };
        refused(&database.url(), &[], &["--database-url", encoding, "UTF8", "CREATE DATABASE", "template0"]);
        assert_eq!(database.number("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'").await, 0);
        database.remove().await;
    }
}

#[tokio::test]
async fn a_role_that_may_create_no_tables_is_refused_with_the_grant() {
    let Some(database) = PostgresDatabase::create().await else { return };
    database.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let role = Role::create(&database, "").await;
    refused(
        &database.url_as(role.name(), ""),
        &[],
        &["--database-url", "permission denied for schema public", "GRANT", role.name()],
    );
    role.remove(&database).await;
    database.remove().await;
}

#[tokio::test]
async fn a_role_with_no_more_rights_than_needed_suffices() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    app.record(json!({ "item": "a" })).await;
    let database = app.postgres();
    database.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let role = Role::create(database, "").await;
    let name = role.name();
    let url = database.url_as(name, "");
    // Its owner has created the tables; others use them.
    refused(&url, &[], &["--database-url", "permission denied"]);
    database.run(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")).await;
    refused(&url, &[], &["--database-url", "may not write", "metric", name, "--read-only"]);
    let reader = app.second_server_with(|settings| {
        settings.database_url = url.parse().unwrap();
        settings.storage.read_only = true;
    });
    let reader = reader.await;
    assert_eq!(reader.items("/api/v1/metrics/").await, json!(["a"]));
    reader.finish().await;
    database.run(&format!("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")).await;
    let writer = app.second_server_with(|settings| settings.database_url = url.parse().unwrap()).await;
    writer.record(json!({ "item": "b" })).await;
    writer.announce("s", json!({ "pipeline_branch": "main" })).await;
    assert_eq!(app.items("/api/v1/metrics/").await, json!(["a", "b"]));
    writer.finish().await;
    role.remove(database).await;
    app.finish().await;
}

async fn a_newer_database_is_refused(engine: Engine) {
    let Some(app) = TestApp::start(engine, 500).await else { return };
    let url = app.settings().database_url.as_str().to_owned();
    let connection = Database::connect(&url).await.unwrap();
    connection
        .execute_unprepared("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)")
        .await
        .unwrap();
    refused(&url, &[], &["--database-url", "newer", "m9999_later"]);
    refused(&url, &["--read-only"], &["--database-url", "newer"]);
    connection.close().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_newer_database_is_refused_on_sqlite() {
    a_newer_database_is_refused(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_newer_database_is_refused_on_postgres() {
    a_newer_database_is_refused(Engine::Postgres).await;
}

#[tokio::test]
async fn tables_that_are_to_be_changed_first_are_not_only_read() {
    let Some(database) = PostgresDatabase::create().await else { return };
    refused(&database.url(), &["--read-only"], &["--read-only", "m0001_base"]);
    let connection = Database::connect(database.url()).await.unwrap();
    migration::Migrator::up(&connection, Some(5)).await.unwrap();
    connection.close().await.unwrap();
    refused(&database.url(), &["--read-only"], &["--read-only", "m0006"]);
    assert_eq!(database.number("SELECT COUNT(*) FROM seaql_migrations").await, 5);
    database.remove().await;
}

#[tokio::test]
async fn connections_are_as_many_as_are_asked_for_or_none() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let role = Role::create(&database, "CONNECTION LIMIT 6").await;
    database.run(&format!("GRANT CREATE ON SCHEMA public TO {}", role.name())).await;
    let url = database.url_as(role.name(), "");
    refused(
        &url,
        &["--database-connections", "9"],
        &["--database-connections", "6 of 9", "too many connections for role"],
    );
    let folder = tempfile::tempdir().unwrap();
    for (parameters, name) in [("", "metrograph"), ("&application_name=mine", "mine")] {
        let url = database.url_as(role.name(), parameters);
        let server =
            Server::start(folder.path(), &["--database-url", &url, "--database-connections", "6"], &[ANYWHERE]);
        server.record("t");
        let count = format!(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{name}'"
        );
        assert_eq!(database.number(&count).await, 6, "{name}");
        server.stop();
        while database.number(&count).await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    role.remove(&database).await;
    database.remove().await;
    for number in ["0", "3", "1001", "many", ""] {
        let ended = run(folder.path(), &[&format!("--database-connections={number}")], &[ANYWHERE]);
        ended.assert_refused(&["--database-connections"]);
    }
}
