//! The database is restored from a backup, or replaced, under a running server: no row gets a wrong name, and no event is about lost rows.

use std::time::Duration;

use migration::{Migrator, MigratorTrait as _};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    backup::{Backup, connect},
    builders::rest::{metric, of_build},
    live::Events,
    on_both_engines,
};

/// Builds a metric whose names all consist of one letter.
fn of(letter: &str) -> Value {
    let name = |what: &str| format!("{what} {letter}");
    json!({
        "session_h": name("session"), "context_h": name("context"), "component": name("component"),
        "item_path": name("path"), "item": name("item"), "item_variant": name("variant"), "item_fs_loc": name("place"),
    })
}

async fn record(app: &TestApp, letter: &str) {
    app.record(of(letter)).await;
}

/// Returns the letters of all metrics, each of which must be returned as it was sent.
async fn recorded(app: &TestApp) -> Vec<String> {
    let list = app.get("/api/v1/metrics/").await;
    let metrics = if list.status == 204 { json!([]) } else { list.expect(200)["metrics"].take() };
    let letter = |metric: &Value| {
        let letter = metric["item"].as_str().unwrap().trim_start_matches("item ").to_owned();
        for (member, value) in of(&letter).as_object().unwrap() {
            assert_eq!(&metric[member], value, "{metric:#}");
        }
        letter
    };
    metrics.as_array().unwrap().iter().map(letter).collect()
}

/// Waits until `app` returns exactly these.
async fn comes_to_publish(app: &TestApp, letters: &[&str]) {
    for _ in 0..200 {
        if app.get("/api/v1/metrics/count").await.json()["count"] == letters.len() && recorded(app).await == letters {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(recorded(app).await, letters);
}

on_both_engines! {
    async fn names_that_came_after_a_backup_are_stored_again_once_it_is_restored(app: &TestApp) {
        record(app, "a").await;
        let backup = Backup::of(app).await;
        for letter in ["b", "c", "b"] {
            record(app, letter).await;
        }
        assert_eq!(recorded(app).await, ["a", "b", "c", "b"]);
        backup.restore().await;
        // Keys are reused: d gets the keys that b had.
        for letter in ["d", "b", "a", "c"] {
            record(app, letter).await;
        }
        assert_eq!(recorded(app).await, ["a", "d", "b", "a", "c"]);
    }

    async fn many_names_at_once_are_stored_again_as_well(app: &TestApp) {
        let backup = Backup::of(app).await;
        let many = |from: u32| (from..from + 300).map(|n| n.to_string()).collect::<Vec<_>>();
        for letter in many(0) {
            record(app, &letter).await;
        }
        backup.restore().await;
        let later = many(100);
        futures_util::future::join_all(later.iter().rev().map(|letter| record(app, letter))).await;
        let mut recorded = recorded(app).await;
        recorded.sort_by_key(|letter| letter.parse::<u32>().unwrap());
        assert_eq!(recorded, later);
    }

    async fn another_server_may_have_gone_on_from_there(app: &TestApp) {
        record(app, "a").await;
        let backup = Backup::of(app).await;
        record(app, "b").await;
        record(app, "c").await;
        backup.restore().await;
        let other = app.second_server().await;
        // As far as before, and further.
        for letter in ["x", "y", "z"] {
            record(&other, letter).await;
        }
        record(app, "c").await;
        record(&other, "b").await;
        for server in [app, &other] {
            comes_to_publish(server, &["a", "x", "y", "z", "c", "b"]).await;
        }
        other.finish().await;
    }

    async fn only_the_last_commit_may_be_gone(app: &TestApp) {
        record(app, "a").await;
        let other = app.second_server().await;
        record(&other, "m").await;
        let backup = Backup::of(app).await;
        record(app, "b").await;
        backup.restore().await;
        record(&other, "n").await;
        record(app, "b").await;
        record(&other, "b").await;
        for server in [app, &other] {
            comes_to_publish(server, &["a", "m", "n", "b", "b"]).await;
        }
        other.finish().await;
    }

    async fn the_tables_may_be_recreated(app: &TestApp) {
        for letter in ["a", "b", "c"] {
            record(app, letter).await;
        }
        app.announce("s", of_build("main", "1")).await;
        recorded(app).await;
        let connection = connect(app).await;
        Migrator::down(&connection, None).await.unwrap();
        Migrator::up(&connection, None).await.unwrap();
        connection.close().await.unwrap();
        for letter in ["c", "a"] {
            record(app, letter).await;
        }
        assert_eq!(recorded(app).await, ["c", "a"]);
        app.announce("s", of_build("dev", "1")).await;
        assert_eq!(app.bare("{ pipelines { nodes { name } } }").await, json!(["dev"]));
    }

    async fn the_tables_may_be_emptied(app: &TestApp) {
        for letter in ["a", "b", "c"] {
            record(app, letter).await;
        }
        let connection = connect(app).await;
        let tables: Vec<&str> = migration::tables().collect();
        let sql = match app.engine() {
            Engine::Postgres => format!("TRUNCATE {}", tables.join(", ")),
            Engine::Sqlite => {
                let tables = tables.into_iter().filter(|table| *table != "committer");
                let deletes = tables.map(|table| format!("DELETE FROM {table}; ")).collect::<String>();
                format!("PRAGMA foreign_keys = OFF; {deletes}")
            }
        };
        connection.execute_unprepared(&sql).await.unwrap();
        connection.close().await.unwrap();
        for letter in ["c", "a", "b"] {
            record(app, letter).await;
        }
        assert_eq!(recorded(app).await, ["c", "a", "b"]);
    }

    async fn a_server_that_only_reads_forgets_what_is_gone(app: &TestApp) {
        record(app, "a").await;
        let reader = app.second_server().await;
        let backup = Backup::of(app).await;
        let mut events = Events::of(&reader, "subscription { sessionAnnounced { hash } }").await;
        for letter in ["b", "c"] {
            record(app, letter).await;
            app.announce(&format!("session {letter}"), of_build(letter, "1")).await;
            assert_eq!(events.field().await, json!({ "hash": format!("session {letter}") }));
        }
        comes_to_publish(&reader, &["a", "b", "c"]).await;
        let counted = "{ sessionCount(where: {hash: {like: \"session%\"}}) metricCount(where: {pipeline: {in: [\"b\", \"c\", \"d\"]}}) }";
        assert_eq!(reader.graphql(counted).await, json!({ "sessionCount": 2, "metricCount": 2 }));
        backup.restore().await;
        comes_to_publish(&reader, &["a"]).await;
        let mut patience = 0..200;
        while reader.graphql(counted).await != json!({ "sessionCount": 0, "metricCount": 0 }) {
            assert!(patience.next().is_some(), "what is gone is still counted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for letter in ["c", "d"] {
            record(app, letter).await;
            app.announce(&format!("session {letter}"), of_build(letter, "2")).await;
        }
        comes_to_publish(&reader, &["a", "c", "d"]).await;
        assert_eq!(reader.graphql(counted).await, json!({ "sessionCount": 2, "metricCount": 2 }));
        drop(events);
        reader.finish().await;
    }

    async fn what_comes_after_is_published(app: &TestApp) {
        record(app, "a").await;
        let backup = Backup::of(app).await;
        for letter in ["b", "c", "d"] {
            record(app, letter).await;
        }
        app.announce("s1", json!({})).await;
        let mut metrics = Events::of(app, "subscription { metricRecorded { itemName } }").await;
        let mut sessions = Events::of(app, "subscription { sessionAnnounced { hash } }").await;
        let mut progress = Events::post(app, "subscription { runProgress(session: \"session a\") { testsSeen } }").await;
        assert_eq!(progress.field().await, json!({ "testsSeen": 1 }));
        backup.restore().await;
        for letter in ["c", "a"] {
            record(app, letter).await;
            assert_eq!(metrics.field().await, json!({ "itemName": format!("item {letter}") }));
        }
        app.announce("s2", json!({})).await;
        assert_eq!(sessions.field().await, json!({ "hash": "s2" }));
        while progress.field().await != json!({ "testsSeen": 2 }) {}
        // And for new subscribers.
        let mut joined = Events::of(app, "subscription { metricRecorded { itemName } }").await;
        record(app, "b").await;
        assert_eq!(joined.field().await, json!({ "itemName": "item b" }));
    }

    async fn a_deleted_name_is_stored_again(app: &TestApp) {
        record(app, "a").await;
        record(app, "b").await;
        let connection = connect(app).await;
        let delete = "DELETE FROM metric_row WHERE id = 2; UPDATE history SET version = version + 1; DELETE FROM session_component WHERE component_id = 2; DELETE FROM variant WHERE name = 'variant b'; \
            DELETE FROM item WHERE name = 'item b'; DELETE FROM component WHERE name = 'component b'";
        connection.execute_unprepared(delete).await.unwrap();
        connection.close().await.unwrap();
        for letter in ["c", "b"] {
            record(app, letter).await;
        }
        assert_eq!(recorded(app).await, ["a", "c", "b"]);
    }
}

/// What another server stores does not count as a restored backup, even while both store at once.
#[tokio::test]
async fn a_history_that_servers_share_goes_on() {
    let Some(here) = TestApp::start(Engine::Postgres, 500).await else { return };
    let there = here.second_server().await;
    let mut events = Events::of(&here, "subscription { metricRecorded { itemName } }").await;
    for _ in 0..10 {
        futures_util::future::join_all((0..10).map(|n| record(if n % 2 == 0 { &here } else { &there }, "a"))).await;
        for _ in 0..10 {
            assert_eq!(events.field().await, json!({ "itemName": "item a" }));
        }
    }
    drop(events);
    there.finish().await;
    here.finish().await;
}

/// Nor does any other write, such as a new token: events of what was stored just before still arrive.
#[tokio::test]
async fn a_token_created_meanwhile_keeps_nothing_from_subscribers() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start(engine, 500).await else { return };
        let mut events = Events::of(&app, "subscription { metricRecorded { itemName } }").await;
        for n in 0..10 {
            record(&app, &format!("{n} a")).await;
            let name = format!("t{n}");
            app.tokens(&["create", "--name", &name, "--scope", "read"]).await.unwrap();
            record(&app, &format!("{n} b")).await;
            for letter in ["a", "b"] {
                assert_eq!(events.field().await, json!({ "itemName": format!("item {n} {letter}") }));
            }
        }
        drop(events);
        app.finish().await;
    }
}

/// Retries until a metric is recorded: connections have been closed.
async fn comes_to_record(app: &TestApp, letter: &str) {
    for _ in 0..200 {
        let reply = app.post("/api/v1/metrics/", &metric(of(letter))).await;
        if reply.status == 201 {
            return;
        }
        reply.expect(503);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    record(app, letter).await;
}

#[tokio::test]
async fn the_whole_database_may_be_recreated() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    for letter in ["a", "b", "c"] {
        record(&app, letter).await;
    }
    let mut events = Events::of(&app, "subscription { metricRecorded { itemName } }").await;
    app.postgres().recreate("").await;
    // A server that starts later creates the tables, and has stored more than the first one had.
    let other = app.second_server().await;
    for letter in ["d", "e", "f", "g"] {
        record(&other, letter).await;
    }
    comes_to_record(&app, "b").await;
    assert_eq!(recorded(&app).await, ["d", "e", "f", "g", "b"]);
    while events.field().await != json!({ "itemName": "item b" }) {}
    drop(events);
    other.finish().await;
    app.finish().await;
}

#[tokio::test]
async fn a_database_that_comes_back_in_another_encoding_is_not_written_to() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    record(&app, "a").await;
    app.postgres().recreate("ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'").await;
    let connection = connect(&app).await;
    Migrator::up(&connection, None).await.unwrap();
    connection.close().await.unwrap();
    app.post("/api/v1/metrics/", &metric(of("é"))).await.expect(503);
    assert_eq!(app.postgres().number("SELECT COUNT(*) FROM metric_row").await, 0);
    app.finish().await;
}
