//! Subscriptions, as server-sent events and over a WebSocket.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};
use tower::ServiceExt as _;

use crate::support::{TestApp, on_both_engines};

/// Nothing that is waited for may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Events as they come.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    async fn of(app: &TestApp, query: &str) -> Self {
        let request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream");
        let request = request.body(Body::from(json!({ "query": query }).to_string())).unwrap();
        let response = app.router().oneshot(request).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut events = Self { body: response.into_body().into_data_stream(), text: String::new() };
        // Until the first poll nothing is listened for.
        assert!(timeout(Duration::from_millis(300), events.read()).await.is_err(), "nothing has happened yet");
        events
    }

    async fn read(&mut self) {
        let chunk = self.body.next().await.expect("the events go on").unwrap();
        self.text.push_str(std::str::from_utf8(&chunk).unwrap());
    }

    /// The next event's data.
    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n").map(|(e, r)| (e.to_owned(), r.to_owned())) {
                self.text = rest;
                if let Some(data) = event.strip_prefix("event: next\ndata: ") {
                    return serde_json::from_str(data).unwrap();
                }
                continue;
            }
            timeout(PATIENCE, self.read()).await.expect("an event comes");
        }
    }
}

/// A client of graphql-transport-ws.
struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    async fn open(app: &TestApp, protocol: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app.router()).into_future());
        let mut request = format!("ws://{address}/graphql/ws").into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        Self(connect_async(request).await.unwrap().0)
    }

    async fn introduced(app: &TestApp) -> Self {
        let mut socket = Self::open(app, Some("graphql-transport-ws")).await;
        socket.say(&json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        socket
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn frame(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.expect("an answer comes").expect("the socket is open").unwrap()
    }

    async fn hear(&mut self) -> Value {
        serde_json::from_str(self.frame().await.to_text().unwrap()).unwrap()
    }

    /// The code with which the server closes.
    async fn closed(&mut self) -> u16 {
        match self.frame().await {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other} is no close"),
        }
    }
}

fn subscribe(query: &str) -> Value {
    json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })
}

const RECORDED: &str =
    "subscription { metricRecorded(where: {component: {eq: \"io\"}}) { itemName session { hash } variant { name } } }";

on_both_engines! {
    async fn a_metric_is_heard_of_once_it_is_on_disk(app: &TestApp) {
        app.record(json!({ "component": "io", "item": "before" })).await;
        let mut events = Events::of(app, RECORDED).await;
        app.record(json!({ "component": "net", "item": "elsewhere" })).await;
        app.announce_as(json!({ "session_h": "s1" })).await;
        for number in 0..3 {
            app.record(json!({ "component": "io", "item": format!("t{number}"), "session_h": "s1" })).await;
            let metric = &events.next().await["data"]["metricRecorded"];
            assert_eq!(metric["itemName"], format!("t{number}"));
            assert_eq!(metric["session"]["hash"], "s1");
        }
    }

    async fn a_slow_listener_misses_nothing(app: &TestApp) {
        let mut events = Events::of(app, "subscription { metricRecorded { itemName } }").await;
        for number in 0..40 {
            app.record(json!({ "item": format!("t{number}") })).await;
        }
        for number in 0..40 {
            assert_eq!(events.next().await["data"]["metricRecorded"]["itemName"], format!("t{number}"));
        }
    }

    async fn a_session_is_heard_of_when_it_is_announced(app: &TestApp) {
        let mut events =
            Events::of(app, "subscription { sessionAnnounced(where: {scmRef: {startsWith: \"ab\"}}) { hash tags { name } } }").await;
        app.record(json!({ "session_h": "only named" })).await;
        app.announce_as(json!({ "session_h": "s1", "scm_ref": "cd" })).await;
        app.announce_as(json!({ "session_h": "s2", "scm_ref": "abc", "description": { "python": "3.12" } })).await;
        let session = &events.next().await["data"]["sessionAnnounced"];
        assert_eq!(*session, json!({ "hash": "s2", "tags": [{ "name": "python" }] }));
    }

    async fn a_subscription_over_plain_post_is_refused(app: &TestApp) {
        assert_eq!(app.graphql_error(RECORDED).await, "GRAPHQL_VALIDATION_FAILED");
    }

    async fn a_subscription_has_one_root_field(app: &TestApp) {
        let two = "subscription { a: metricRecorded { id } ...More } fragment More on Subscription { sessionAnnounced { id } }";
        let mut socket = Socket::introduced(app).await;
        socket.say(&subscribe(two)).await;
        assert_eq!(socket.hear().await["payload"]["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    }

    async fn a_page_of_another_site_opens_no_socket(app: &TestApp) {
        for (origin, status) in [("http://evil.example", 403), ("http://ours.example:8181", 400), ("null", 403)] {
            let request = Request::get("/graphql/ws").header(header::HOST, "ours.example:8181").header(header::ORIGIN, origin);
            let upgrade = request.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "websocket");
            let handshake = upgrade.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
            let reply = app.send(handshake.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status.as_u16(), status, "{origin}: {}", reply.text());
        }
    }

    async fn a_socket_carries_subscriptions_and_queries(app: &TestApp) {
        let mut socket = Socket::introduced(app).await;
        socket.say(&subscribe("{ metricCount }")).await;
        assert_eq!(socket.hear().await["payload"], json!({ "data": { "metricCount": 0 } }));
        assert_eq!(socket.hear().await["type"], "complete");
        socket.say(&subscribe("subscription { metricRecorded { itemName } }")).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        app.record(json!({ "item": "heard" })).await;
        let next = socket.hear().await;
        assert_eq!(next["payload"], json!({ "data": { "metricRecorded": { "itemName": "heard" } } }));
        socket.say(&json!({ "id": "1", "type": "complete" })).await;
        assert_eq!(socket.hear().await["type"], "complete");
        socket.say(&json!({ "type": "ping" })).await;
        assert_eq!(socket.hear().await["type"], "pong");
    }

    async fn a_socket_closes_with_the_codes_of_its_protocol(app: &TestApp) {
        assert_eq!(Socket::open(app, None).await.closed().await, 4406);
        let mut uninvited = Socket::open(app, Some("graphql-transport-ws")).await;
        uninvited.say(&subscribe("{ metricCount }")).await;
        assert_eq!(uninvited.closed().await, 4401);
        let mut garbled = Socket::introduced(app).await;
        garbled.say(&json!({ "type": "gibberish" })).await;
        assert_eq!(garbled.closed().await, 4400);
        let mut eager = Socket::introduced(app).await;
        eager.say(&json!({ "type": "connection_init" })).await;
        assert_eq!(eager.closed().await, 4429);
    }
}
