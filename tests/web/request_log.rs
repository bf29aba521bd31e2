//! The log has a line for each request.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::support::{
    builders::rest::metric_of,
    program::{Server, run, until},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

/// Returns the lines of requests in a log of JSON.
fn lines(server: &Server) -> Vec<Value> {
    let log = server.log();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.filter(|line: &Value| line["target"] == "metrograph::request").collect()
}

/// Waits for the line of the request with this id, the only one.
fn line(server: &Server, id: &str) -> Value {
    let found = || lines(server).into_iter().filter(|line| line["id"] == id).collect::<Vec<_>>();
    until("its line", || !found().is_empty());
    let found = found();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// Sends a request with these header lines, and returns the response as it came.
fn send(server: &Server, request: &str, headers: &str, body: &str) -> String {
    let mut stream = server.connect();
    let length = body.len();
    let head =
        format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n");
    stream.write_all(format!("{head}{headers}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns the id in a response.
fn id_of(answer: &str) -> &str {
    answer.lines().find_map(|line| line.strip_prefix("X-Request-Id: ")).unwrap_or_else(|| panic!("{answer}"))
}

fn json_server(folder: &std::path::Path, arguments: &[&str]) -> Server {
    Server::start(folder, &[&["--log-format", "json"], arguments].concat(), &[ANYWHERE])
}

#[test]
fn a_request_has_one_line_with_everything_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = json_server(folder.path(), &[]);
    let body = metric_of("test_a").to_string();
    let answer = send(&server, "POST /api/v1/metrics/?secret=s3cret", "X-Request-Id: run-7/3\r\n", &body);
    assert!(answer.starts_with("HTTP/1.1 201 ") && id_of(&answer) == "run-7/3", "{answer}");
    let found = line(&server, "run-7/3");
    let expected = json!({
        "method": "POST", "path": "/api/v1/metrics/", "operation": "createMetric", "status": 201, "level": "INFO",
        "message": "request", "bytes": answer.split_once("\r\n\r\n").unwrap().1.len(),
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&found[name], value, "{name}: {found}");
    }
    assert!(found["ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 60_000.0), "{found}");
    assert!(found["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{found}");
    for absent in ["token", "forwarded_for", "code", "reason"] {
        assert!(found.get(absent).is_none(), "{absent}: {found}");
    }
    let query = json!({ "query": "query Mine { metricCount }" }).to_string();
    let answer = send(&server, "POST /graphql", "X-Forwarded-For: 10.0.0.1, 192.0.2.7\r\n", &query);
    let found = line(&server, id_of(&answer));
    assert_eq!((&found["operation"], &found["forwarded_for"]), (&json!("Mine"), &json!("192.0.2.7")), "{found}");
    assert!(!server.log().contains("s3cret"));
    server.stop();
}

#[test]
fn refusals_have_their_reason_without_the_values_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let server = json_server(folder.path(), &["--access", "closed"]);
    let created = run(folder.path(), &["token", "create", "--name", "nightly", "--scope", "ingest"], &[]).stdout;
    let token = created.trim_end();
    let credentials = format!("Authorization: Bearer {token}\r\n");
    let refused = |request: &str, headers: &str, body: &str| {
        let answer = send(&server, request, headers, body);
        line(&server, id_of(&answer))
    };
    let found = refused("GET /api/v1/metrics/count", "", "");
    assert_eq!((&found["status"], &found["code"]), (&json!(401), &json!("UNAUTHENTICATED")), "{found}");
    assert!(found["reason"].as_str().unwrap().starts_with("Authorization: a token is required"), "{found}");
    let found = refused("GET /api/v1/metrics/count", &credentials, "");
    assert_eq!(
        (&found["status"], &found["code"], &found["token"]),
        (&json!(403), &json!("FORBIDDEN"), &json!("nightly"))
    );
    let found = refused("POST /api/v1/metrics/", &credentials, r#"{"session_h": 7, "s3cret": "#);
    assert_eq!((&found["status"], &found["token"]), (&json!(400), &json!("nightly")), "{found}");
    assert!(found["reason"].as_str().unwrap().starts_with("body: "), "{found}");
    let found = refused("POST /graphql", &credentials, r#"{"query": "{ nothing }"}"#);
    assert_eq!((&found["status"], &found["code"]), (&json!(403), &json!("FORBIDDEN")), "{found}");
    let found = refused("GET /nowhere", "", "");
    assert_eq!((&found["status"], &found["code"]), (&json!(404), &json!("NOT_FOUND")), "{found}");
    // Refused before it comes to any route.
    let found = refused("GET /health", "Host: other\r\n", "");
    assert_eq!(found["status"], 400, "{found}");
    let log = server.log();
    assert!(!log.contains(token) && !log.contains("s3cret"), "{log}");
    server.stop();
}

#[test]
fn an_id_that_is_none_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = json_server(folder.path(), &[]);
    let sent = ["", "a b", "{\"a\": 1}", &"x".repeat(129)];
    let mut ids: Vec<String> = Vec::new();
    for id in sent {
        let answer = send(&server, "GET /health", &format!("X-Request-Id: {id}\r\n"), "");
        assert_ne!(id_of(&answer), id);
        line(&server, id_of(&answer));
        ids.push(id_of(&answer).to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), sent.len());
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_one_line_when_they_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = json_server(folder.path(), &[]);
    let body = json!({ "query": "subscription Watched { metricRecorded { itemName } }" }).to_string();
    let mut stream = server.connect();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: stream\r\nAccept: text/event-stream\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().unwrap());
    request.headers_mut().insert("X-Request-Id", "socket".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": "subscription { metricRecorded { itemName } }" } });
    for message in [json!({ "type": "connection_init" }), subscribe] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    assert!(socket.next().await.unwrap().unwrap().to_string().contains("connection_ack"));
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.record("test_a");
    assert!(socket.next().await.unwrap().unwrap().to_string().contains("test_a"));
    let mut read = String::new();
    while !read.contains("test_a") {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        read.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    let has_line = |id: &str| lines(&server).iter().any(|line| line["id"] == id);
    assert!(!has_line("stream") && !has_line("socket"), "{}", server.log());
    drop(stream);
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    for (id, status, operation) in [("stream", 200, "Watched"), ("socket", 101, "subscription")] {
        let found = line(&server, id);
        assert_eq!((&found["status"], &found["operation"]), (&json!(status), &json!(operation)), "{found}");
        assert!(found["ms"].as_f64().unwrap() > 700.0 && found["bytes"].as_u64().unwrap() > 50, "{found}");
    }
    server.stop();
}

#[test]
fn a_line_for_people_has_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    send(&server, "GET /api/v1/metrics/count", "X-Request-Id: people\r\n", "");
    until("its line", || server.log().contains("id=\"people\""));
    let log = server.log();
    let line = log.lines().find(|line| line.contains("people")).unwrap();
    for part in [
        " INFO ",
        "request method=GET path=\"/api/v1/metrics/count\"",
        "operation=",
        "status=200",
        "ms=",
        "client=127.0.0.1:",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    server.stop();
    let quiet = Server::start(folder.path(), &["--log", "info,metrograph::request=off"], &[ANYWHERE]);
    quiet.count();
    assert!(!quiet.log().contains("request method"), "{}", quiet.log());
    quiet.stop();
}
