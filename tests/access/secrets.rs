//! No internals in responses, and no secrets in logs.

use std::io::{Read as _, Write as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::support::{
    Engine, TestApp,
    builders::{graphql, rest::metric},
    program::Server,
};

async fn reveals_no_internals(engine: Engine) {
    let Some(app) = TestApp::with(engine, |_| ()).await else { return };
    app.record(json!({})).await;
    let url = app.settings().database_url.as_str().to_owned();
    let connection = Database::connect(&url).await.unwrap();
    connection.execute_unprepared("ALTER TABLE item RENAME TO hidden_item").await.unwrap();
    connection.close().await.unwrap();
    for reply in [
        app.post("/graphql", &json!({ "query": "{ items { nodes { name } } }" })).await,
        app.post(
            "/graphql",
            &json!({ "query": "mutation($m: MetricInput!) { recordMetric(input: $m) { metric { id } } }",
            "variables": { "m": graphql::metric(json!({})) } }),
        )
        .await,
        app.get("/api/v1/items/test_a/metrics").await,
        app.post("/api/v1/metrics/", &metric(json!({}))).await,
    ] {
        let text = reply.text();
        assert!(text.contains("database"), "{} {text}", reply.status);
        for inside in [
            "SELECT", "INSERT", "no such", "table", "relation", "sqlite", "sqlx", "postgres", "src/", ".rs",
            "panicked", "/tmp",
        ] {
            assert!(!text.contains(inside), "{inside}: {text}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn an_answer_reveals_no_internals_on_sqlite() {
    reveals_no_internals(Engine::Sqlite).await;
}

#[tokio::test]
async fn an_answer_reveals_no_internals_on_postgresql() {
    reveals_no_internals(Engine::Postgres).await;
}

#[tokio::test]
async fn settings_show_no_password() {
    let url = "postgres://user:sekret@host/name?password=sekret";
    let (_, settings) = metrograph::config::from(["metrograph", "--database-url", url]).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("postgres://***") && !shown.contains("sekret"), "{shown}");
}

#[test]
fn a_log_at_its_loudest_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let anywhere = [("METROGRAPH_LISTEN", "127.0.0.1:0"), ("METROGRAPH_LOG", "trace")];
    let server = Server::start(folder.path(), &[], &anywhere);
    let ask = |path: &str, headers: &str| {
        let mut stream = server.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    };
    let query = "query=query($h:String!){session(hash:$h){id}}&variables={%22h%22:%22sekret-variable%22}";
    ask(&format!("/graphql?{query}"), "Authorization: Bearer sekret-bearer\r\nCookie: a=sekret-cookie\r\n");
    ask(
        "/api/v1/metrics/count",
        &format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode("ingest:sekret-basic")),
    );
    // A socket with a token in its `connection_init`.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(introduce(&format!("ws://{}/graphql/ws", server.address)));
    server.signal("TERM");
    let ended = server.ended();
    let log = ended.stderr;
    assert!(log.contains("DEBUG request{method=GET path=\"/graphql\"}"), "the log is loud: {log}");
    for secret in ["sekret", "c2VrcmV0", &BASE64_STANDARD.encode("ingest:sekret-basic")] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

async fn introduce(url: &str) {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let mut socket = tokio_tungstenite::connect_async(request).await.unwrap().0;
    let init = json!({ "type": "connection_init", "payload": { "authorization": "Bearer sekret-socket" } });
    socket.send(Message::text(init.to_string())).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().to_text().unwrap().contains("connection_ack"));
}
