//! Clients of subscriptions: server-sent events and graphql-transport-ws.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tower::ServiceExt as _;

use super::TestApp;

/// Upper bound of every wait.
const TIMEOUT: Duration = Duration::from_secs(20);
/// After this time without a message, none is expected.
const QUIET_PERIOD: Duration = Duration::from_millis(400);

/// Waits until background work is likely to be done.
pub async fn settle() {
    tokio::time::sleep(QUIET_PERIOD).await;
}

/// A stream of server-sent events.
pub struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    /// Sends a request whose response is a stream of events.
    pub async fn ask(app: &TestApp, request: Request<Body>) -> Self {
        let response = app.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Posts an operation.
    pub async fn post(app: &TestApp, query: &str) -> Self {
        Self::post_request(app, &json!({ "query": query })).await
    }

    /// Posts a whole request, variables and all.
    pub async fn post_request(app: &TestApp, request: &Value) -> Self {
        let post = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream");
        Self::ask(app, post.body(Body::from(request.to_string())).unwrap()).await
    }

    /// Subscribes, and returns once the server listens.
    pub async fn of(app: &TestApp, query: &str) -> Self {
        let mut events = Self::post(app, query).await;
        events.assert_silent().await;
        events
    }

    /// Subscribes with a whole request, and returns once the server listens.
    pub async fn of_request(app: &TestApp, request: &Value) -> Self {
        let mut events = Self::post_request(app, request).await;
        events.assert_silent().await;
        events
    }

    /// Asserts that nothing arrives but comments.
    pub async fn assert_silent(&mut self) {
        let something = async {
            while self.text.replace(":\n\n", "").is_empty() {
                self.read().await;
            }
        };
        assert!(timeout(QUIET_PERIOD, something).await.is_err(), "nothing has happened: {}", self.text);
    }

    async fn read(&mut self) {
        let chunk = self.body.next().await.expect("the events go on").unwrap();
        self.text.push_str(std::str::from_utf8(&chunk).unwrap());
    }

    /// Returns the text of the next event, skipping comments.
    pub async fn event(&mut self) -> String {
        timeout(TIMEOUT, self.next_event()).await.expect("an event comes")
    }

    async fn next_event(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n").map(|(e, r)| (e.to_owned(), r.to_owned())) {
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                return event;
            }
            self.read().await;
        }
    }

    /// Returns the response in the next event.
    pub async fn next(&mut self) -> Value {
        let event = self.event().await;
        let data = event.strip_prefix("event: next\ndata: ").unwrap_or_else(|| panic!("no answer: {event}"));
        serde_json::from_str(data).unwrap()
    }

    /// Returns the only field of the next event's data.
    pub async fn field(&mut self) -> Value {
        let answer = self.next().await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].as_object().unwrap().values().next().unwrap().clone()
    }

    /// Reads to the end of the stream and returns the rest, without comments.
    pub async fn rest(mut self) -> String {
        let end = async {
            while let Some(chunk) = self.body.next().await {
                self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            }
        };
        timeout(TIMEOUT, end).await.expect("the events end");
        self.text.replace(":\n\n", "")
    }
}

/// Subscribes over a connection and reads only the head of the response.
pub async fn subscribe_and_read_nothing(app: &TestApp, query: &str) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app.router()).into_future());
    let body = json!({ "query": query }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(TIMEOUT, stream.read_u8()).await.expect("an answer comes").unwrap());
    }
    stream
}

/// A client of graphql-transport-ws.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn open(app: &TestApp, path: &str, protocol: Option<&'static str>) -> Self {
        Self(Self::connect(app, path, protocol).await.unwrap())
    }

    /// Returns the status and the text of a refused handshake.
    pub async fn refused(app: &TestApp, path: &str, protocol: Option<&'static str>) -> (u16, String) {
        match Self::connect(app, path, protocol).await {
            Err(tungstenite::Error::Http(response)) => {
                let text = response.body().as_deref().unwrap_or_default();
                (response.status().as_u16(), String::from_utf8_lossy(text).into_owned())
            }
            other => panic!("{protocol:?}: {other:?}"),
        }
    }

    async fn connect(
        app: &TestApp,
        path: &str,
        protocol: Option<&'static str>,
    ) -> tungstenite::Result<WebSocketStream<MaybeTlsStream<TcpStream>>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app.router()).into_future());
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        connect_async(request).await.map(|(stream, _)| stream)
    }

    /// Opens a socket that has not sent `connection_init` yet.
    pub async fn silent(app: &TestApp) -> Self {
        Self::open(app, "/graphql", Some("graphql-transport-ws")).await
    }

    /// Opens a socket with an acknowledged `connection_init`.
    pub async fn initialized(app: &TestApp) -> Self {
        let mut socket = Self::silent(app).await;
        socket.send_json(json!({ "type": "connection_init", "payload": { "any": "thing" } })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub async fn send_json(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send_json(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
    }

    /// Returns the payload of the first response to an operation.
    pub async fn ask(&mut self, id: &str, query: &str) -> Value {
        self.subscribe(id, query).await;
        loop {
            let mut answer = self.receive().await;
            if answer["id"] == id {
                return answer["payload"].take();
            }
        }
    }

    /// Subscribes, and returns once the server listens.
    pub async fn listen(&mut self, id: &str, query: &str) {
        self.subscribe(id, query).await;
        assert!(timeout(QUIET_PERIOD, self.0.next()).await.is_err(), "nothing has happened");
    }

    pub async fn frame(&mut self) -> Message {
        timeout(TIMEOUT, self.0.next()).await.expect("an answer comes").expect("the socket is open").unwrap()
    }

    pub async fn receive(&mut self) -> Value {
        let frame = self.frame().await;
        serde_json::from_str(frame.to_text().unwrap()).unwrap_or_else(|_| panic!("{frame:?} is no message"))
    }

    /// Returns the code and the reason of the server's close frame.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.frame().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other} is no close"),
        }
    }

    /// Closes the socket and returns the server's close frame.
    pub async fn leave(mut self) -> (u16, String) {
        let code = CloseCode::Normal;
        self.send(Message::Close(Some(CloseFrame { code, reason: "done".into() }))).await;
        self.closed().await
    }
}
