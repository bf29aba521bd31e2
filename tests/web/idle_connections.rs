//! Idle HTTP/1 connections: which are closed, and which stay open.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{builders::rest::metric_of, program::Server};

#[test]
fn a_connection_that_asks_nothing_more_is_closed_but_not_one_that_listens() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--request-timeout", "1s"], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    let mut listening = server.connect();
    let subscription = json!({ "query": "subscription { metricRecorded { itemName } }" }).to_string();
    let head =
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: text/event-stream";
    write!(listening, "{head}\r\nContent-Length: {}\r\n\r\n{subscription}", subscription.len()).unwrap();
    let mut idle = server.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let begun = Instant::now();
    let mut answer = String::new();
    idle.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(20), "hung up after {took:?}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.request("POST", "/api/v1/metrics/", &metric_of("test_late")).0, 201);
    let mut said = String::new();
    while !said.contains("test_late") {
        let mut part = [0; 1024];
        let length = listening.read(&mut part).unwrap();
        assert!(length > 0, "hung up: {said}");
        said.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    drop(listening);
    server.stop();
}
