//! The limits of the HTTP layer: timeouts, rate limits, connections, subscriptions, bodies.

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use futures_util::StreamExt as _;
use metrograph::config::AccessMode;
use sea_orm::{ConnectionTrait as _, Database, Statement, TransactionTrait as _};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{
    Engine, Reply, TestApp,
    builders::{graphql, rest},
    live::Socket,
    program::{Server, request},
};

const ANYWHERE: &[(&str, &str)] = &[("METROGRAPH_LISTEN", "127.0.0.1:0")];
const COUNT: &str = "/graphql?query=%7BmetricCount%7D";
const RECORDED: &str = "subscription { metricRecorded { itemName } }";

async fn limited(change: impl FnOnce(&mut metrograph::config::HttpLimits)) -> TestApp {
    TestApp::with(Engine::Sqlite, |settings| change(&mut settings.limits)).await.unwrap()
}

/// Returns the code of an error in either form, without data.
fn code(reply: &Reply) -> String {
    let answer = reply.json();
    assert!(answer.get("data").is_none(), "{answer}");
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
}

async fn get_as(app: &TestApp, path: &str, token: &str) -> Reply {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    app.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let app = limited(|limits| limits.max_body = 2000).await;
    for size in [1000, 3000] {
        let query = json!({ "query": format!("{{ metricCount }} #{}", "x".repeat(size)) });
        let graphql = app.post("/graphql", &query).await;
        let rest = app.post("/api/v1/metrics/", &rest::metric(json!({ "item": "x".repeat(size) }))).await;
        if size == 1000 {
            assert_eq!((graphql.status.as_u16(), rest.status.as_u16()), (200, 201), "{}", rest.text());
            continue;
        }
        assert_eq!((graphql.status.as_u16(), code(&graphql).as_str()), (413, "PAYLOAD_TOO_LARGE"));
        assert!(rest.expect(413)["message"].as_str().unwrap().contains("--max-body"));
    }
    let mut socket = Socket::initialized(&app).await;
    socket.subscribe("1", &format!("{{ metricCount }} #{}", "x".repeat(3000))).await;
    let (code, reason) = socket.closed().await;
    assert!(code == 1009 && reason.contains("--max-body"), "{code}: {reason}");
    app.finish().await;
}

/// A query that takes several times the limit below.
fn slow_query() -> Value {
    let like =
        |n: usize| (0..5).map(|m| format!("{{variant: {{like: \"%{n}%{m}%x%y%z%\"}}}}")).collect::<Vec<_>>().join(" ");
    let field = |n: usize| format!("a{n}: metricCount(where: {{or: [{}]}})", like(n));
    json!({ "query": format!("{{ {} }}", (0..199).map(field).collect::<Vec<_>>().join(" ")) })
}

async fn gives_up_in_time(engine: Engine) {
    let Some(patient) = TestApp::with(engine, |_| ()).await else { return };
    for first in [0, 1000, 2000] {
        let name = |n: usize| json!({ "variantName": format!("{n}{}", "x_y_".repeat(500)) });
        patient.record_all((first..first + 1000).map(|n| graphql::metric(name(n))).collect()).await;
    }
    let app = patient
        .second_server_with(|settings| {
            settings.limits.request_timeout = Duration::from_secs(1);
            settings.graphql.limits.max_root_fields = 200;
        })
        .await;
    let mut events = events(&app, RECORDED).await.unwrap();
    let begun = Instant::now();
    let reply = app.post("/graphql", &slow_query()).await;
    assert_eq!((reply.status.as_u16(), code(&reply).as_str()), (504, "TIMEOUT"), "{}", reply.text());
    assert!(reply.text().contains("--request-timeout"));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // The same in every other form of request.
    for way in ["events", "socket"] {
        let answer = if way == "events" {
            let mut events = stream(&app, slow_query()["query"].as_str().unwrap()).await.unwrap();
            next(&mut events).await
        } else {
            let mut socket = Socket::initialized(&app).await;
            socket.ask("1", slow_query()["query"].as_str().unwrap()).await.to_string()
        };
        assert!(answer.contains("TIMEOUT"), "{way}: {answer}");
    }
    // If the reads went on, no connection would be free for this one in time.
    assert_eq!(app.get("/api/v1/metrics/count").await.expect(200)["count"], 3000);
    app.record(json!({ "item": "after" })).await;
    assert!(next(&mut events).await.contains("after"), "a subscription outlives the time of a request");
    drop(events);
    app.finish().await;
    patient.finish().await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_on_sqlite() {
    gives_up_in_time(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_on_postgresql() {
    gives_up_in_time(Engine::Postgres).await;
}

/// PostgreSQL would not notice by itself.
#[tokio::test]
async fn an_abandoned_statement_ends_on_postgresql() {
    let change = |settings: &mut metrograph::config::Settings| settings.limits.request_timeout = Duration::from_secs(1);
    let Some(app) = TestApp::with(Engine::Postgres, change).await else { return };
    let keeper = Database::connect(app.settings().database_url.as_str()).await.unwrap();
    let transaction = keeper.begin().await.unwrap();
    transaction.execute_unprepared("LOCK TABLE history IN ACCESS EXCLUSIVE MODE").await.unwrap();
    assert!(app.get("/api/v1/metrics/").await.expect(504)["message"].as_str().unwrap().contains("--request-timeout"));
    let waiting =
        "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let begun = Instant::now();
    loop {
        let statement = Statement::from_string(keeper.get_database_backend(), waiting);
        let waiting: i64 = transaction.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap();
        if waiting == 0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{waiting} statements still wait");
    }
    transaction.rollback().await.unwrap();
    keeper.close().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_client_over_the_rate_limit_gets_retry_after() {
    let tokens = limited(|_| ()).await;
    let (one, another) = (tokens.token("read").await, tokens.token("admin").await);
    let app = tokens
        .second_server_with(|settings| {
            settings.access.mode = AccessMode::Read;
            settings.limits.rate_limit = "3/min".parse().unwrap();
        })
        .await;
    // GraphQL and REST count together.
    for path in [COUNT, "/api/v1/metrics/count", COUNT] {
        assert_eq!(get_as(&app, path, &one).await.status, 200, "{path}");
    }
    let refused = get_as(&app, COUNT, &one).await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (429, "RATE_LIMITED"));
    let wait: u64 = refused.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((15..=20).contains(&wait), "{wait}");
    let refused = get_as(&app, "/api/v1/metrics/count", &one).await;
    assert!(refused.expect(429)["message"].as_str().unwrap().contains("--rate-limit"));
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(get_as(&app, COUNT, &another).await.status, 200);
    assert_eq!(app.get(COUNT).await.status, 200, "without a token the address counts");
    app.finish().await;
    tokens.finish().await;
}

#[tokio::test]
async fn what_is_stored_does_not_count_as_asking() {
    let app = limited(|limits| limits.rate_limit = "2/min".parse().unwrap()).await;
    for _ in 0..5 {
        app.record(json!({})).await;
        app.record_all(vec![graphql::metric(json!({}))]).await;
    }
    assert_eq!(app.get(COUNT).await.expect(200)["data"]["metricCount"], 10);
    assert_eq!(app.get(COUNT).await.status, 200);
    assert_eq!(app.get(COUNT).await.status, 429);
    app.finish().await;
}

/// Sends the same request four times and returns the statuses.
async fn four_times(app: &TestApp, path: &str, token: Option<&str>, body: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let mut request = Request::builder().uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = request.header(header::ACCEPT, "application/graphql-response+json, */*").method(method);
        statuses.push(app.send(request.body(Body::from(body.to_owned())).unwrap()).await.status.as_u16());
    }
    statuses
}

#[tokio::test]
async fn what_is_refused_counts_as_asking() {
    for (path, token, body, status) in [
        ("/graphql", None, "{", 400),
        ("/graphql", None, "{}", 400),
        ("/graphql", None, "[]", 400),
        ("/graphql", None, r#"{"query": "mutation { nope }"}"#, 400),
        ("/graphql?query=mutation%7B__typename%7D", None, "", 405),
        ("/graphql?variables=1", None, "", 400),
        ("/graphql", Some("made up"), r#"{"query": "{ metricCount }"}"#, 401),
        ("/api/v1/metrics/", Some("made up"), "{}", 401),
        ("/api/v1/metrics/", None, "{}", 400),
    ] {
        let change = |settings: &mut metrograph::config::Settings| {
            settings.limits.rate_limit = "3/min".parse().unwrap();
            settings.access.mode = if token.is_some() { AccessMode::Closed } else { AccessMode::Open };
        };
        let app = TestApp::with(Engine::Sqlite, change).await.unwrap();
        assert_eq!(four_times(&app, path, token, body).await, [status, status, status, 429], "{path} {body}");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_batch_over_the_rate_limit_gets_429() {
    let app = limited(|limits| limits.rate_limit = "1/min".parse().unwrap()).await;
    let batch = json!([{ "query": "{ metricCount }" }, { "query": "{ metricCount }" }]);
    assert_eq!(app.post("/graphql", &batch).await.expect(200)[0]["data"]["metricCount"], 0);
    let refused = app.post("/graphql", &batch).await;
    assert_eq!(refused.expect(429)[1]["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    app.finish().await;
    let app = limited(|_| ()).await;
    let unknown = json!([{ "documentId": "unknown" }, { "documentId": "unknown" }]);
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::ACCEPT, "application/graphql-response+json");
    assert_eq!(app.send(request.body(Body::from(unknown.to_string())).unwrap()).await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn a_mutation_that_reads_what_is_stored_counts_as_asking() {
    let app = limited(|limits| limits.rate_limit = "2/min".parse().unwrap()).await;
    let record = |payload: &str| {
        let query = format!("mutation($i: RecordMetricsInput!) {{ recordMetrics(input: $i) {{ {payload} }} }}");
        json!({ "query": query, "variables": { "i": { "metrics": [graphql::metric(json!({}))] } } })
    };
    for (payload, status) in [
        ("metrics { itemName }", 200),
        ("metrics { variant { metrics { nodes { itemName } } } }", 200),
        ("metrics { variant { metrics { nodes { itemName } } } }", 200),
        ("metrics { variant { metrics { nodes { itemName } } } }", 429),
        ("metrics { itemName }", 200),
    ] {
        assert_eq!(app.post("/graphql", &record(payload)).await.status, status, "{payload}");
    }
    app.finish().await;
    let app = limited(|limits| limits.rate_limit = "1/min".parse().unwrap()).await;
    let mut socket = Socket::initialized(&app).await;
    let read = "mutation { announceSession(input: {hash: \"s\", runDate: \"2026-01-05T03:00:00\"}) { session { metrics { nodes { id } } } } }";
    assert_eq!(socket.ask("1", read).await[0]["extensions"]["code"], "RATE_LIMITED");
    app.finish().await;
}

#[tokio::test]
async fn a_socket_counts_each_of_its_operations() {
    // Opening the socket counts, too.
    let app = limited(|limits| limits.rate_limit = "3/min".parse().unwrap()).await;
    let mut socket = Socket::initialized(&app).await;
    for id in ["1", "2"] {
        assert_eq!(socket.ask(id, "{ metricCount }").await["data"]["metricCount"], 0);
    }
    assert_eq!(socket.ask("3", "{ metricCount }").await[0]["extensions"]["code"], "RATE_LIMITED");
    app.finish().await;
}

#[tokio::test]
async fn a_token_that_comes_with_the_first_message_of_a_socket_is_what_is_counted() {
    let tokens = limited(|_| ()).await;
    let token = tokens.token("read").await;
    let app = tokens
        .second_server_with(|settings| {
            settings.access.mode = AccessMode::Read;
            settings.limits.rate_limit = "2/min".parse().unwrap();
        })
        .await;
    assert_eq!(get_as(&app, COUNT, &token).await.status, 200);
    let mut socket = Socket::silent(&app).await;
    let credentials = json!({ "authorization": format!("Bearer {token}") });
    socket.send_json(json!({ "type": "connection_init", "payload": credentials })).await;
    assert_eq!(socket.receive().await["type"], "connection_ack");
    assert_eq!(socket.ask("1", "{ metricCount }").await["data"]["metricCount"], 0);
    assert_eq!(socket.ask("2", "{ metricCount }").await[0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(app.get(COUNT).await.status, 200, "the address has opened a socket, and asked nothing yet");
    app.finish().await;
    tokens.finish().await;
}

#[tokio::test]
async fn subscriptions_over_the_limit_are_refused_until_one_ends() {
    let app = limited(|limits| limits.max_subscriptions = NonZeroU32::new(2).unwrap()).await;
    let first = events(&app, RECORDED).await.unwrap();
    let mut socket = Socket::initialized(&app).await;
    socket.listen("1", RECORDED).await;
    let refused = events(&app, RECORDED).await.unwrap_err();
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (503, "TOO_MANY_SUBSCRIPTIONS"));
    assert!(refused.text().contains("--max-subscriptions"));
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(socket.ask("2", RECORDED).await[0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
    drop(first);
    assert!(events(&app, RECORDED).await.is_ok(), "a place is free again");
    // On a socket it is free as soon as the operation has ended.
    let last = events(&app, RECORDED).await.unwrap();
    for _ in 0..20 {
        socket.send_json(json!({ "id": "1", "type": "complete" })).await;
        socket.subscribe("1", RECORDED).await;
    }
    socket.send_json(json!({ "type": "ping" })).await;
    assert_eq!(socket.receive().await["type"], "pong");
    drop(last);
    app.finish().await;
}

#[test]
fn connections_over_the_limit_are_refused_until_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--max-connections", "2"], ANYWHERE);
    let held = [server.connect(), server.connect()];
    let mut over = server.connect();
    over.write_all(b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    let mut answer = String::new();
    over.read_to_string(&mut answer).unwrap();
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 503 "), "{answer}");
    for said in ["retry-after: 1", "connection: close", "too_many_connections", "--max-connections", "nosniff"] {
        assert!(answer.contains(said), "{said}: {answer}");
    }
    drop(held);
    let begun = Instant::now();
    while request(server.address, "GET", "/health", &Value::Null).is_none_or(|(status, _)| status != 200) {
        assert!(begun.elapsed() < Duration::from_secs(10), "no place became free");
    }
    server.stop();
}

#[test]
fn a_client_that_sends_slowly_is_disconnected() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--request-timeout", "500ms"], ANYWHERE);
    let head = "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for (sent, expected) in [("", ""), (head, ""), (&format!("{head}Content-Length: 99\r\n\r\n{{"), "HTTP/1.1 504 ")] {
        let mut slow = server.connect();
        slow.write_all(sent.as_bytes()).unwrap();
        let begun = Instant::now();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(expected), "{sent}: {answer}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{sent}: {:?}", begun.elapsed());
    }
    server.stop();
}

/// Returns the events of a running subscription, or its refusal.
async fn events(app: &TestApp, query: &str) -> Result<BodyDataStream, Reply> {
    let mut events = stream(app, query).await?;
    // The subscription starts with the first poll.
    assert_eq!(events.next().await.unwrap().unwrap(), ":\n\n", "a comment comes at once");
    let first = tokio::time::timeout(Duration::from_millis(300), events.next()).await;
    assert!(first.is_err(), "nothing has happened yet");
    Ok(events)
}

/// Returns the responses to an operation as events, or its refusal.
async fn stream(app: &TestApp, query: &str) -> Result<BodyDataStream, Reply> {
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::ACCEPT, "text/event-stream");
    let body = Body::from(json!({ "query": query }).to_string());
    let request = request.body(body).unwrap();
    let response = app.router().oneshot(request).await.unwrap();
    if response.status() == 200 {
        return Ok(response.into_body().into_data_stream());
    }
    let (head, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    Err(Reply { status: head.status, headers: head.headers, body })
}

async fn next(events: &mut BodyDataStream) -> String {
    loop {
        let chunk = tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("an event comes");
        let chunk = String::from_utf8(chunk.unwrap().unwrap().to_vec()).unwrap();
        if chunk != ":\n\n" {
            return chunk;
        }
    }
}
