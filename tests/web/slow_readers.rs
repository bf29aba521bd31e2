//! Clients that do not read their responses: they lose their connection, and no other client waits for them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    builders::graphql::metric,
    live::{Events, Socket, subscribe_and_read_nothing},
    on_both_engines,
    program::{Server, request},
};

/// A hundred events of this size exceed all socket buffers.
const LONG_NAME: usize = 200_000;
/// Less than the time after which such a client is disconnected.
const MAX_WAIT: Duration = Duration::from_secs(15);

on_both_engines! {
    async fn subscribers_do_not_wait_for_one_that_reads_nothing(app: &TestApp) {
        // Looked up for each event.
        let subscription = "subscription { metricRecorded { itemName variant { metrics(last: 1) { nodes { id } } } } }";
        // Streams that are not polled are not read.
        let mut deaf = Vec::new();
        // Some of them are stuck while other operations of theirs are answered.
        for operations in 1..=8 {
            let mut socket = Socket::initialized(app).await;
            for id in 0..operations {
                socket.subscribe(&id.to_string(), subscription).await;
            }
            deaf.push((socket, subscribe_and_read_nothing(app, subscription).await));
        }
        let mut reader = Events::of(app, "subscription { metricRecorded { itemName } }").await;
        for number in 0..100 {
            let name = format!("{number}{}", "x".repeat(LONG_NAME));
            app.record_all(vec![metric(json!({ "itemName": name, "sessionHash": "s" }))]).await;
            let began = Instant::now();
            assert_eq!(reader.field().await["itemName"], name);
            assert!(began.elapsed() < MAX_WAIT, "{:?}", began.elapsed());
        }
        drop(deaf);
    }
}

/// Requests far more on one connection than socket buffers can hold.
fn ask(server: &Server) -> TcpStream {
    let mut client = server.connect();
    let question = format!("GET /api/v1/swagger.json HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    client.write_all(question.repeat(1_000).as_bytes()).unwrap();
    client
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--request-timeout", "2s"], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    let mut slow = ask(&server);
    slow.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut part = vec![0; 1_000_000];
    // The server waits longer than its limit in total, but never at once.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        slow.read_exact(&mut part).expect("the connection is open");
        std::thread::sleep(Duration::from_millis(100));
    }
    server.stop();
}

#[test]
fn a_connection_whose_answers_are_not_read_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--max-connections", "1", "--request-timeout", "2s"];
    let server = Server::start(folder.path(), &settings, &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    let mut deaf = ask(&server);
    let begun = Instant::now();
    while request(server.address, "GET", "/health", &Value::Null).is_none_or(|(status, _)| status != 200) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it still has its place");
        std::thread::sleep(Duration::from_millis(50));
    }
    // What had been sent can still be read; then the connection ends.
    let mut taken = Vec::new();
    let _ = deaf.read_to_end(&mut taken);
    server.stop();
}
