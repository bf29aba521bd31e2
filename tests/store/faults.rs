//! Faults that pass, one by one: connections that are used up, statements that are cancelled, locks on tables, a clock that jumps back.
//! Others: a full disk and a database without rights in `readiness`, locks and restarts in `busy`, a newer database in `postgres_start`, a
//! damaged page in `sealing`, a lost or replaced file in `sqlite_file`.
#![cfg(unix)]

use std::{env, fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    Engine, PostgresDatabase, Role, TestApp,
    builders::rest::metric_of,
    program::{Server, until},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

#[tokio::test(flavor = "multi_thread")]
async fn a_write_waits_until_postgresql_has_a_connection_left() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &["--database-url", &database.url()], &[ANYWHERE]).stop();
    let role = Role::create(&database, "").await;
    let name = role.name();
    database.run(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")).await;
    let server = Server::start(folder.path(), &["--database-url", &database.url_as(name, "")], &[ANYWHERE]);
    server.record("test_before");
    database.run(&format!("ALTER ROLE {name} CONNECTION LIMIT 0")).await;
    database.run(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'")).await;
    let address = server.address;
    let posted = tokio::task::spawn_blocking(move || {
        crate::support::program::request(address, "POST", "/api/v1/metrics/", &metric_of("test_waits"))
    });
    // Longer than one try to connect.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(!posted.is_finished(), "it did not wait");
    until("it is not ready", || server.request("GET", "/health/ready", &Value::Null).0 == 503);
    database.run(&format!("ALTER ROLE {name} CONNECTION LIMIT -1")).await;
    let (status, answer) = posted.await.unwrap().unwrap();
    assert_eq!(status, 201, "{answer}");
    until("it is ready", || server.request("GET", "/health/ready", &Value::Null).0 == 200);
    assert_eq!(server.count(), 2);
    server.stop();
    role.remove(&database).await;
    database.remove().await;
}

#[tokio::test]
async fn a_write_is_tried_again_after_what_passes() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    // A cancelled statement or statement_timeout, lock_timeout, a failover to a standby, a server that stops or starts.
    for code in ["57014", "55P03", "25006", "57P01", "57P03", "53300", "08006"] {
        app.postgres()
            .run(&format!(
                "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries; CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN IF nextval('tries') <= 12 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$; \
                 CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON metric_row FOR EACH ROW EXECUTE FUNCTION fail()"
            ))
            .await;
        app.post("/api/v1/metrics/", &metric_of(&format!("test_{code}"))).await.expect(201);
    }
    assert_eq!(app.count("/api/v1/metrics/count").await, 7);
    app.finish().await;
}

#[tokio::test]
async fn a_write_waits_for_a_table_that_another_session_has_locked() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    let lock = "BEGIN; LOCK TABLE metric_row IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT";
    let metric = metric_of("test_waits");
    let ((), reply) = tokio::join!(app.postgres().run(lock), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        app.post("/api/v1/metrics/", &metric).await
    });
    reply.expect(201);
    app.finish().await;
}

/// The library that gives a program another clock.
fn library_of_clocks() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").unwrap().flatten();
    let found = places.map(|place| place.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file());
    assert!(
        found.is_some() || env::var_os("METROGRAPH_REQUIRE_POSTGRES").is_none(),
        "libfaketime is not installed (Debian: apt-get install faketime)"
    );
    found
}

#[test]
fn a_clock_that_jumps_back_changes_nothing_that_is_stored() {
    let Some(library) = library_of_clocks() else { return };
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    let set = |offset: &str| fs::write(&clock, offset).unwrap();
    set("+0");
    let variables = [
        ANYWHERE,
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let server = Server::start(folder.path(), &["--log-format", "json"], &variables);
    let announce = |hash: &str| {
        let session = json!({ "session_h": hash, "run_date": "2025-01-06T02:00:00", "scm_ref": "", "description": { "run_id": hash } });
        let (status, answer) = server.request("POST", "/api/v1/sessions/", &session);
        assert_eq!(status, 201, "{answer}");
    };
    announce("before");
    server.record("test_before");
    set("-3h");
    announce("after");
    server.record("test_after");
    set("+0");
    server.record("test_later");
    assert_eq!(server.request("GET", "/health/ready", &Value::Null).0, 200);
    let asked = json!({ "query": "{ sessions { nodes { hash } } runs(first: 9) { nodes { sessions { nodes { hash } } } } metrics { nodes { itemName } } }" });
    let (_, answer) = server.request("POST", "/graphql", &asked);
    let names = |list: &str, name: &str| -> Vec<String> {
        let nodes = answer["data"][list]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
        nodes.iter().map(|node| node[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("metrics", "itemName"), ["test_before", "test_after", "test_later"]);
    let mut sessions = names("sessions", "hash");
    sessions.sort();
    assert_eq!(sessions, ["after", "before"]);
    assert_eq!(answer["data"]["runs"]["nodes"].as_array().map(Vec::len), Some(2), "{answer}");
    let times: Vec<String> = server
        .log()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["operation"] == "createMetric")
        .map(|line| line["timestamp"].as_str().unwrap().to_owned())
        .collect();
    assert!(times.len() == 3 && times[1] < times[0] && times[0] < times[2], "the clock did not jump: {times:?}");
    assert!(!server.log().contains("\"ERROR\""), "{}", server.log());
    server.stop();
}
