//! `--read-only`: what is stored can be read, and nothing is stored, whether or not the database could.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration};

use serde_json::json;

use crate::support::{
    Engine, PostgresDatabase, Standby, TestApp,
    backup::Backup,
    builders::{
        graphql,
        rest::{self, metric, session},
    },
    live::Events,
    on_both_engines,
    program::{Server, bound, command, ended, files, run, until},
};

const ITEMS: &str = "subscription { metricRecorded { itemName } }";

async fn reading(app: &TestApp) -> TestApp {
    app.second_server_with(|settings| settings.storage.read_only = true).await
}

/// Asserts that every write is refused with the reason.
async fn stores_nothing(reader: &TestApp) {
    for (path, body) in
        [("/api/v1/metrics/", metric(json!({}))), ("/api/v1/sessions/", session(json!({ "session_h": "new" })))]
    {
        let answer = reader.post(path, &body).await.expect(403);
        assert!(answer["message"].as_str().unwrap().contains("--read-only"), "{answer}");
    }
    let mutation = "mutation($metric: MetricInput!) { recordMetric(input: $metric) { metric { id } } }";
    let answer = reader.graphql_with(mutation, json!({ "metric": graphql::metric(json!({})) })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "READ_ONLY", "{answer:#}");
}

async fn comes_to_count(reader: &TestApp, count: u64) {
    for _ in 0..200 {
        if reader.count("/api/v1/metrics/count").await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(reader.count("/api/v1/metrics/count").await, count);
}

on_both_engines! {
    async fn what_is_stored_is_readable_and_nothing_is_stored(app: &TestApp) {
        app.record_items(&["a", "b"]).await;
        let reader = reading(app).await;
        assert_eq!(reader.items("/api/v1/metrics/").await, json!(["a", "b"]));
        stores_nothing(&reader).await;
        let mut events = Events::of(&reader, ITEMS).await;
        app.record(json!({ "item": "c" })).await;
        assert_eq!(events.field().await, json!({ "itemName": "c" }));
        assert_eq!(reader.items("/api/v1/metrics/").await, json!(["a", "b", "c"]));
        let refused = reader.tokens(&["create", "--name", "ci", "--scope", "ingest"]).await.unwrap_err().to_string();
        let revoked = reader.tokens(&["revoke", "ci"]).await.unwrap_err().to_string();
        for refused in [refused, revoked] {
            assert!(refused.starts_with("--read-only") && refused.ends_with("leave it out"), "{refused}");
        }
        assert!(reader.tokens(&["list"]).await.unwrap().result.starts_with("NAME"));
        drop(events);
        reader.finish().await;
    }

    async fn it_notices_a_history_that_goes_back(app: &TestApp) {
        app.record_items(&["a"]).await;
        let reader = reading(app).await;
        let backup = Backup::of(app).await;
        let mut events = Events::of(&reader, ITEMS).await;
        for item in ["b", "c"] {
            app.announce(item, json!({})).await;
            app.record(json!({ "item": item })).await;
            assert_eq!(events.field().await, json!({ "itemName": item }));
        }
        assert_eq!(reader.items("/api/v1/metrics/").await, json!(["a", "b", "c"]));
        let remembered = "{ sessionCount(where: {hash: {in: [\"b\", \"c\"]}}) }";
        assert_eq!(reader.bare(remembered).await, 2);
        backup.restore().await;
        comes_to_count(&reader, 1).await;
        let mut patience = 0..200;
        while reader.bare(remembered).await != 0 {
            assert!(patience.next().is_some(), "what is gone is still counted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        app.record_items(&["d"]).await;
        assert_eq!(events.field().await, json!({ "itemName": "d" }));
        assert_eq!(reader.items("/api/v1/metrics/").await, json!(["a", "d"]));
        drop(events);
        reader.finish().await;
    }
}

#[tokio::test]
async fn a_hot_standby_is_readable() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    app.record_items(&["a", "b"]).await;
    let token = app.token("read").await;
    let Some(standby) = Standby::of(app.postgres()) else { return app.finish().await };
    let url = standby.url(app.postgres());
    let folder = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str]| {
        let all: Vec<_> =
            ["--database-url", &url, "--listen", "127.0.0.1:0"].iter().chain(arguments).copied().collect();
        run(folder.path(), &all, &[])
    };
    start(&[]).assert_refused(&["--database-url", "standby", "--read-only"]);
    start(&["token", "create", "--name", "new", "--scope", "read"]).assert_refused(&["standby"]);
    let reader = app.second_server_with(|settings| {
        settings.database_url = url.parse().unwrap();
        settings.storage.read_only = true;
    });
    let reader = reader.await;
    comes_to_count(&reader, 2).await;
    assert_eq!(reader.items("/api/v1/metrics/").await, json!(["a", "b"]));
    stores_nothing(&reader).await;
    let mut events = Events::of(&reader, ITEMS).await;
    for item in ["c", "d"] {
        app.record(json!({ "item": item })).await;
        assert_eq!(events.field().await, json!({ "itemName": item }));
    }
    assert_eq!(
        reader.ask_as(Some(&crate::support::access::bearer(&token)), "{ metricCount }").await.expect(200)["data"]["metricCount"],
        4
    );
    drop(events);
    reader.finish().await;
    drop(standby);
    app.finish().await;
}

#[test]
fn a_file_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0"], &[]);
    server.record("a");
    server.stop();
    let before = fs::read(folder.path().join("metrograph.db")).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--read-only"];
    let server = Server::start(folder.path(), &arguments, &[]);
    assert_eq!(server.count(), 1);
    assert_eq!(server.request("POST", "/api/v1/metrics/", &rest::metric_of("b")).0, 403);
    server.stop();
    assert!(fs::read(folder.path().join("metrograph.db")).unwrap() == before);
    let refused = run(folder.path(), &["--read-only", "--database-url", "sqlite://other.db?mode=rwc"], &[]);
    refused.assert_refused(&["--read-only"]);
    assert!(!files(folder.path()).contains(&"other.db".to_owned()));
}

/// An empty PostgreSQL database gets no tables.
#[tokio::test]
async fn an_empty_database_stays_empty() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--read-only", "--database-url", &database.url()], &[]).assert_refused(&["--read-only"]);
    assert_eq!(database.number("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'").await, 0);
    database.remove().await;
}

/// Returns a folder with a file of this name in which a server has stored a metric, and its address.
fn stored(name: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{name}");
    let server =
        Server::start(folder.path(), &["--listen", "127.0.0.1:0", "--database-url", &format!("{url}?mode=rwc")], &[]);
    server.record("a");
    server.stop();
    (folder, url)
}

fn read_only(folder: &Path, url: &str) -> Command {
    bound(&command(folder, &["--listen", "127.0.0.1:0", "--read-only", "--database-url", url], &[]))
}

fn writing(folder: &Path, url: &str) -> Server {
    Server::start(folder, &["--listen", "127.0.0.1:0", "--database-url", url], &[])
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Its folder may be on a read-only disk.
#[test]
fn a_file_that_must_not_change_is_readable() {
    for (name, other_files, mode) in [
        ("m.db", &[][..], 0o555),
        ("m.db", &["m.db-wal"], 0o555),
        ("a%20b%3F%23%25%C3%A9.db", &[], 0o555),
        ("m.db", &[], 0o755),
    ] {
        let (folder, url) = stored(name);
        let file = folder.path().join(&files(folder.path())[0]);
        let before = fs::read(&file).unwrap();
        for name in other_files {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names = files(folder.path());
        set(&file, 0o444);
        set(folder.path(), mode);
        let server = Server::of(read_only(folder.path(), &url));
        assert_eq!(server.count(), 1);
        assert_eq!(server.request("GET", "/health/ready", &json!(null)).0, 200);
        assert_eq!(server.request("POST", "/api/v1/metrics/", &rest::metric_of("b")).0, 403);
        server.stop();
        set(folder.path(), 0o755);
        assert!(fs::read(&file).unwrap() == before);
        if mode == 0o555 {
            assert_eq!(files(folder.path()), names);
        }
    }
}

#[test]
fn a_file_that_changes_although_it_was_at_rest_is_noticed() {
    for url in ["sqlite://m.db", "sqlite://m.db?immutable=true"] {
        let (folder, _) = stored("m.db");
        if !url.contains("immutable") {
            set(folder.path(), 0o555);
        }
        let reader = Server::of(read_only(folder.path(), url));
        assert_eq!(reader.count(), 1);
        set(folder.path(), 0o755);
        let writer = writing(folder.path(), "sqlite://m.db");
        // Reading changes nothing.
        assert_eq!(reader.request("GET", "/health/ready", &json!(null)).0, 200);
        writer.record("b");
        let noticed = || reader.request("GET", "/health/ready", &json!(null));
        until("the change is noticed", || noticed().0 == 503);
        assert!(noticed().1.to_string().contains("restart the server"), "{}", noticed().1);
        reader.stop();
        let reader = Server::of(read_only(folder.path(), url));
        assert_eq!(reader.count(), 2);
        writer.record("c");
        until("what is written is seen", || reader.count() == 3);
        reader.stop();
        writer.stop();
        assert_eq!(files(folder.path()), ["m.db"]);
    }
}

#[test]
fn nothing_is_left_next_to_a_file_that_was_read() {
    let (folder, url) = stored("m.db");
    let reader = Server::of(read_only(folder.path(), &url));
    assert_eq!(reader.count(), 1);
    reader.stop();
    assert_eq!(files(folder.path()), ["m.db"]);
    let reader = Server::of(read_only(folder.path(), &url));
    let writer = writing(folder.path(), &url);
    writer.record("b");
    until("what is written is seen", || reader.count() == 2);
    reader.stop();
    writer.stop();
    assert_eq!(files(folder.path()), ["m.db"]);
    // A write-ahead log that another process left is not checkpointed by a server that must not change the file.
    let reader = Server::of(read_only(folder.path(), &url));
    let writer = writing(folder.path(), &url);
    writer.record("c");
    until("what is written is seen", || reader.count() == 3);
    writer.signal("KILL");
    writer.ended();
    let before = fs::read(folder.path().join("m.db")).unwrap();
    reader.stop();
    assert!(fs::read(folder.path().join("m.db")).unwrap() == before);
    for url in [&*url, "sqlite://m.db?immutable=1", "sqlite://m.db?mode=ro"] {
        let reader = Server::of(read_only(folder.path(), url));
        assert_eq!(reader.count(), 3, "{url}");
        reader.stop();
    }
    fs::remove_file(folder.path().join("m.db-shm")).unwrap();
    set(folder.path(), 0o555);
    let refused = ended(&mut read_only(folder.path(), &url));
    set(folder.path(), 0o755);
    refused.assert_refused(&["--database-url", "m.db", "its -wal", "a folder"]);
    assert!(!refused.stderr.contains("read and write it"), "{refused:?}");
}
