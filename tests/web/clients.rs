//! Detection of browsers by what clients send, and headers for caches, proxies and browsers.

use std::io::{Read as _, Write as _};

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Engine, Reply, TestApp,
    live::{Events, Socket},
    program::Server,
};

const QUERY: &str = "/graphql?query=%7BmetricCount%7D";

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    app.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn programs_are_not_taken_for_browsers() {
    let Some(app) = TestApp::start(Engine::Sqlite, 500).await else { return };
    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    for headers in [
        &[("user-agent", "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; en-US) PowerShell/7.4.1")][..],
        &[("user-agent", "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041")],
        &[("user-agent", "Mozilla/5.0 (Windows NT 10.0) PowerShell/7.4.1"), ("accept-language", "en-US")],
        &[("user-agent", "python-requests/2.32"), ("accept-language", "en-US,en;q=0.5"), ("accept", "*/*")],
        &[("user-agent", "okhttp/4.12.0"), ("accept-language", "de-DE,de;q=0.9")],
        &[("accept-language", "en")],
        &[("user-agent", "node"), ("accept-language", "*")],
        &[("user-agent", "curl/8.5.0")],
    ] {
        get(&app, QUERY, headers).await.expect(200);
    }
    let mute = [("user-agent", browser), ("accept-language", "en-US,en;q=0.5")];
    get(&app, QUERY, &mute).await.expect(403);
    get(&app, "/graphql/?query=%7BmetricCount%7D", &mute).await.expect(403);
    // A page can set the languages without a preflight, but not the user agent.
    get(&app, QUERY, &[mute[0], ("accept-language", "*")]).await.expect(403);
    get(&app, QUERY, &[mute[0], mute[1], ("sec-fetch-site", "same-origin")]).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn pages_of_named_sites_may_send_what_headers_they_like() {
    let change = |settings: &mut metrograph::config::Settings| {
        settings.exposure.cors_origin = vec!["https://dash.example.org".parse().unwrap()];
    };
    let Some(app) = TestApp::with(Engine::Sqlite, change).await else { return };
    let preflight = async |path: &str, origin: &str, headers: &str| {
        let request = Request::options(path)
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, headers);
        app.send(request.body(Body::empty()).unwrap()).await
    };
    for headers in [
        "apollographql-client-name,apollographql-client-version",
        "traceparent,tracestate",
        "x-requested-with",
        "content-type,authorization",
        "x-anything",
    ] {
        for path in ["/graphql", "/api/v1/metrics/"] {
            let reply = preflight(path, "https://dash.example.org", headers).await;
            assert!(reply.status.is_success());
            assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], headers);
            assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://dash.example.org");
        }
    }
    // Another site gets no more access than before.
    let reply = preflight("/graphql", "https://evil.example", "traceparent").await;
    assert!(!reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    get(&app, QUERY, &[("origin", "https://evil.example"), ("traceparent", "x")]).await.expect(403);
    get(&app, QUERY, &[("origin", "https://dash.example.org"), ("traceparent", "x")]).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn brotli_is_preferred_to_zstd() {
    let Some(app) = TestApp::start(Engine::Sqlite, 500).await else { return };
    for (accepted, encoding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("zstd, br, gzip", Some("br")),
        ("br;q=1.0, zstd;q=1.0", Some("br")),
        ("gzip, zstd", Some("gzip")),
        ("zstd", Some("zstd")),
        ("br;q=0.5, zstd", Some("zstd")),
        ("gzip", Some("gzip")),
        ("identity", None),
    ] {
        for path in ["/api/v1/swagger.json", "/"] {
            let reply = get(&app, path, &[("accept-encoding", accepted)]).await;
            let given = reply.headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            let is_small = reply.body.len() < 1_024 && given.is_none();
            assert!(given == encoding || is_small, "{path} {accepted}: {given:?}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn caches_in_between_ask_each_time() {
    let Some(app) = TestApp::start(Engine::Sqlite, 500).await else { return };
    app.record_items(&["a"]).await;
    for path in [
        "/api/v1/metrics/",
        "/api/v1/metrics/count",
        "/api/v1/contexts/",
        "/api/v1/swagger.json",
        "/api/v1/openapi-3.0.json",
        "/api/v1/docs",
        "/api/v1/nowhere",
        "/nowhere",
        "/favicon.svg",
        "/api/v1/docs/swagger-ui.css",
    ] {
        let reply = app.get(path).await;
        assert_eq!(reply.headers[header::CACHE_CONTROL], "private, no-cache", "{path}");
    }
    let reply = app.post("/graphql", &json!({ "query": "{ metricCount }" })).await;
    assert_eq!(reply.headers[header::CACHE_CONTROL], "private, no-cache");
    app.finish().await;
}

#[tokio::test]
async fn proxies_pass_events_on_at_once() {
    let Some(app) = TestApp::start(Engine::Sqlite, 500).await else { return };
    let subscription = json!({ "query": "subscription { metricRecorded { itemName } }" });
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::ACCEPT, "text/event-stream").header(header::ACCEPT_ENCODING, "gzip, br");
    let reply = tower::ServiceExt::oneshot(app.router(), request.body(Body::from(subscription.to_string())).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.headers()[header::CACHE_CONTROL], "no-cache, no-transform");
    assert!(!reply.headers().contains_key(header::CONTENT_ENCODING));
    let mut body = reply.into_body().into_data_stream();
    let first =
        tokio::time::timeout(std::time::Duration::from_secs(10), futures_util::StreamExt::next(&mut body)).await;
    assert_eq!(first.expect("something comes at once").unwrap().unwrap(), ":\n\n");
    drop(body);
    // And a client ignores it.
    let mut events = Events::post(&app, "subscription { metricRecorded { itemName } }").await;
    events.assert_silent().await;
    app.record_items(&["a"]).await;
    assert_eq!(events.field().await["itemName"], "a");
    app.finish().await;
}

#[tokio::test]
async fn files_and_sockets_may_begin_with_a_byte_order_mark() {
    let folder = tempfile::tempdir().unwrap();
    let (rest, documents) = (folder.path().join("rest"), folder.path().join("documents"));
    for path in [&rest, &documents] {
        std::fs::create_dir(path).unwrap();
    }
    let mark = "\u{feff}";
    let operation =
        "query counted @rest(get: \"/counted\", reply: OBJECT, summary: \"Counts.\") { count: metricCount }";
    std::fs::write(rest.join("team.graphql"), format!("{mark}{operation}")).unwrap();
    std::fs::write(documents.join("counted.graphql"), format!("{mark}{{ metricCount }}")).unwrap();
    std::fs::write(documents.join("manifest.json"), format!("{mark}{{\"other\": \"query {{ sessionCount }}\"}}"))
        .unwrap();
    let change = |settings: &mut metrograph::config::Settings| {
        settings.rest_dir = Some(rest.clone());
        settings.graphql.documents.documents_dir = Some(documents.clone());
    };
    let Some(app) = TestApp::with(Engine::Sqlite, change).await else { return };
    assert_eq!(app.get("/api/team/counted").await.expect(200), json!({ "count": 0 }));
    for (id, field) in [("counted", "metricCount"), ("other", "sessionCount")] {
        let answer = app.post("/graphql", &json!({ "documentId": id })).await.expect(200);
        assert_eq!(answer, json!({ "data": { field: 0 } }));
    }
    let mut socket = Socket::initialized(&app).await;
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ metricCount }" } });
    socket.send(Message::text(format!("{mark}{subscribe}"))).await;
    assert_eq!(socket.receive().await["payload"], json!({ "data": { "metricCount": 0 } }));
    app.finish().await;
}

#[test]
fn sockets_send_a_keep_alive_every_15_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    let mut stream = server.connect();
    let handshake = "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    stream.write_all(handshake.as_bytes()).unwrap();
    let mut byte = [0];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    // A client's text frame is masked, here with zeros.
    let init = br#"{"type":"connection_init"}"#;
    let frame = [&[0x81, 0x80 | u8::try_from(init.len()).unwrap(), 0, 0, 0, 0][..], init].concat();
    stream.write_all(&frame).unwrap();
    let mut acknowledged = [0; 2];
    stream.read_exact(&mut acknowledged).unwrap();
    let mut text = vec![0; acknowledged[1].into()];
    stream.read_exact(&mut text).unwrap();
    let begun = std::time::Instant::now();
    let mut ping = [0; 2];
    stream.read_exact(&mut ping).unwrap();
    assert_eq!(ping, [0x89, 0], "a ping");
    // Common proxies give up after 30.
    assert!(begun.elapsed() < std::time::Duration::from_secs(25), "{:?}", begun.elapsed());
    server.stop();
}
