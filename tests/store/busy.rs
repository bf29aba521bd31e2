//! Writes while the database is busy: locked by another process, restarting, or out of reach. They wait as long as a request may take.
#![cfg(unix)]

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{
    Cluster,
    builders::{graphql, rest::metric_of},
    program::{Server, run, until},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");
const RECORD: &str =
    "mutation($metrics: [MetricInput!]!) { recordMetrics(input: {metrics: $metrics}) { metrics { id } } }";

/// Locks the file of the server in `folder`, as another process does.
fn locked(folder: &Path) -> Connection {
    let other = Connection::open(folder.join("metrograph.db")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn post(server: &Server, item: &str) -> (u16, Value) {
    server.request("POST", "/api/v1/metrics/", &metric_of(item))
}

#[test]
fn writes_wait_for_a_file_that_another_process_has_locked_for_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    server.record("test_before");
    let other = locked(folder.path());
    let began = Instant::now();
    thread::scope(|scope| {
        let rest: Vec<_> = (0..5)
            .map(|n| {
                scope.spawn({
                    let server = &server;
                    move || post(server, &format!("test_{n}"))
                })
            })
            .collect();
        let session =
            json!({ "session_h": "waited", "run_date": "2025-01-06T02:00:00", "scm_ref": "", "description": {} });
        let announced = scope.spawn({
            let server = &server;
            move || server.request("POST", "/api/v1/sessions/", &session)
        });
        let graph = scope.spawn(|| {
            let metrics = [graphql::metric(json!({ "itemName": "test_graph" }))];
            server.request("POST", "/graphql", &json!({ "query": RECORD, "variables": { "metrics": metrics } }))
        });
        thread::sleep(Duration::from_secs(11));
        other.execute_batch("ROLLBACK").unwrap();
        for answer in rest.into_iter().chain([announced]) {
            let (status, answer) = answer.join().unwrap();
            assert_eq!(status, 201, "{answer}");
        }
        let (status, answer) = graph.join().unwrap();
        assert!(status == 200 && answer.get("errors").is_none(), "{answer}");
    });
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(server.count(), 7);
    until("it is ready", || server.request("GET", "/health/ready", &Value::Null).0 == 200);
    server.stop();
}

#[test]
fn a_lock_of_a_moment_leaves_the_server_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    let other = locked(folder.path());
    thread::scope(|scope| {
        let posted = scope.spawn(|| post(&server, "test_waits"));
        thread::sleep(Duration::from_secs(1));
        assert_eq!(server.request("GET", "/health/ready", &Value::Null).0, 200);
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(posted.join().unwrap().0, 201);
    });
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    server.stop();
}

#[test]
fn what_could_not_be_stored_in_time_is_refused_and_not_stored_later() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--request-timeout", "2s"], &[ANYWHERE]);
    let other = locked(folder.path());
    let began = Instant::now();
    let (status, answer) = post(&server, "test_lost");
    assert_eq!(status, 503, "{answer}");
    assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("busy") && message.contains("nothing was stored"), "{message}");
    other.execute_batch("ROLLBACK").unwrap();
    server.record("test_after");
    assert_eq!(server.count(), 1);
    server.stop();
}

#[test]
fn writes_that_wait_are_answered_when_the_server_stops() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    let _other = locked(folder.path());
    let mut stream = server.connect();
    let body = metric_of("test_lost").to_string();
    let head = format!(
        "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("nothing was stored"), "{answer}");
    assert_eq!(server.ended().code, Some(0));
}

/// Posts from several threads until `is_over`. Returns how many metrics were acknowledged; anything but 201 panics.
fn post_until(server: &Server, credentials: &str, is_over: &AtomicBool) -> u64 {
    let acknowledged = AtomicU64::new(0);
    thread::scope(|scope| {
        for client in 0..4 {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let metric = metric_of(&format!("test_{client}"));
                    assert_eq!(server.status_as(credentials, "POST", "/api/v1/metrics/", &metric), 201);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    acknowledged.into_inner()
}

/// In closed mode, where each request asks the database for the tokens, too.
#[test]
fn writes_wait_for_a_postgresql_that_restarts_and_nothing_is_stored_twice() {
    let Some(cluster) = Cluster::start() else { return };
    let (folder, url) = (tempfile::tempdir().unwrap(), cluster.url());
    let database = ["--database-url", &url];
    let create = |name: &str, scope: &str| {
        let arguments = [&["token", "create", "--name", name, "--scope", scope], &database[..]].concat();
        let ended = run(folder.path(), &arguments, &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        format!("Bearer {}", ended.stdout.trim())
    };
    let arguments = [&["--access", "closed"], &database[..]].concat();
    Server::start(folder.path(), &arguments, &[ANYWHERE]).stop();
    let credentials = create("ci", "ingest");
    let server = Server::start(folder.path(), &arguments, &[ANYWHERE]);
    let is_over = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        let posting = scope.spawn(|| post_until(&server, &credentials, &is_over));
        // What it comes to at the crash is up to chance: a commit whose confirmation is lost, or none.
        for mode in ["fast", "immediate", "immediate", "fast"] {
            thread::sleep(Duration::from_millis(700));
            cluster.stop(mode);
            thread::sleep(Duration::from_secs(2));
            cluster.start_again("");
        }
        thread::sleep(Duration::from_secs(1));
        is_over.store(true, Ordering::Relaxed);
        posting.join().unwrap()
    });
    server.stop();
    let server = Server::start(folder.path(), &database, &[ANYWHERE]);
    assert!(acknowledged > 20, "{acknowledged}");
    assert_eq!(server.count(), acknowledged);
    server.stop();
}
