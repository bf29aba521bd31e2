//! Servers with access control, tokens, and every kind of request to them.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Request, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use metrograph::{
    commands::{self, Output, TokenError},
    config::{self, AccessMode, Command},
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};
use tower::ServiceExt as _;

use crate::support::{Reply, TestApp, builders::rest::metric};

/// The kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    Query,
    Subscription,
    Get,
    SocketQuery,
    Mutation,
    Post,
    SocketMutation,
}

pub const READING: [RequestKind; 4] =
    [RequestKind::Query, RequestKind::Subscription, RequestKind::Get, RequestKind::SocketQuery];
pub const WRITING: [RequestKind; 3] = [RequestKind::Mutation, RequestKind::Post, RequestKind::SocketMutation];

pub const QUERY: &str = "{ metricCount }";
pub const MUTATION: &str = r#"mutation { announceSession(input: {hash: "s", runDate: "2026-01-05T03:00:00", tags: {}}) { session { hash } } }"#;
pub const SUBSCRIPTION: &str = "subscription { metricRecorded { itemName } }";

/// Returns the value of an `Authorization` header with a bearer token.
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Returns the value of an `Authorization` header with a user and a token as the password.
pub fn basic(user: &str, token: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{token}")))
}

impl TestApp {
    /// Starts another server on the same database, with access control.
    pub async fn guarded(&self, mode: AccessMode) -> Self {
        self.second_server_with(|settings| settings.access.mode = mode).await
    }

    /// Runs `metrograph token` with these arguments.
    pub async fn tokens(&self, arguments: &[&str]) -> Result<Output, TokenError> {
        let line = ["metrograph", "token"].iter().chain(arguments);
        let (command, _) = config::from(line.copied()).unwrap();
        let Command::Token(command) = command else { panic!("{command:?}") };
        commands::manage_tokens(&command, &self.settings().database_url, &self.settings().storage).await
    }

    /// Creates a token named after its scope.
    pub async fn token(&self, scope: &str) -> String {
        self.tokens(&["create", "--name", scope, "--scope", scope]).await.unwrap().result.trim_end().to_owned()
    }

    /// Sends a GraphQL document by POST.
    pub async fn ask_as(&self, credentials: Option<&str>, query: &str) -> Reply {
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        self.send_as(credentials, request.body(json!({ "query": query }).to_string().into()).unwrap()).await
    }

    /// Sends a GET request.
    pub async fn get_as(&self, credentials: Option<&str>, path: &str) -> Reply {
        self.send_as(credentials, Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Sends any request with this `Authorization` header.
    pub async fn send_as(&self, credentials: Option<&str>, mut request: Request<Body>) -> Reply {
        if let Some(credentials) = credentials {
            let value = HeaderValue::from_bytes(credentials.as_bytes()).unwrap();
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        self.send(request).await
    }

    /// Returns the status of the response to one request; 200 if everything is as it should be.
    pub async fn status_of(&self, kind: RequestKind, credentials: Option<&str>) -> u16 {
        let reply = match kind {
            RequestKind::Query => self.ask_as(credentials, QUERY).await,
            RequestKind::Mutation => self.ask_as(credentials, MUTATION).await,
            RequestKind::Get => self.get_as(credentials, "/api/v1/metrics/count").await,
            RequestKind::Post => {
                let request = Request::post("/api/v1/metrics/").header(header::CONTENT_TYPE, "application/json");
                let body = metric(json!({})).to_string();
                self.send_as(credentials, request.body(body.into()).unwrap()).await
            }
            RequestKind::Subscription => return self.status_of_stream(credentials).await,
            RequestKind::SocketQuery => return self.status_of_socket(credentials, QUERY).await,
            RequestKind::SocketMutation => return self.status_of_socket(credentials, MUTATION).await,
        };
        match reply.status.as_u16() {
            200 | 201 => 200,
            status => status,
        }
    }

    /// Reads only the head: an accepted stream does not end.
    async fn status_of_stream(&self, credentials: Option<&str>) -> u16 {
        let request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream");
        let mut request = request.body(Body::from(json!({ "query": SUBSCRIPTION }).to_string())).unwrap();
        if let Some(credentials) = credentials {
            request.headers_mut().insert(header::AUTHORIZATION, credentials.parse().unwrap());
        }
        self.router().oneshot(request).await.unwrap().status().as_u16()
    }

    /// Returns the status of the upgrade, or of the operation's result.
    async fn status_of_socket(&self, credentials: Option<&str>, query: &str) -> u16 {
        match Socket::open(self, credentials).await {
            Ok(socket) => match socket.initialized(json!({})).await {
                Ok(mut socket) => status_in(&socket.answer(query).await),
                // The server closes before the first message if the caller has no access at all.
                Err(code) => {
                    assert_eq!(code, 4403);
                    401
                }
            },
            Err(status) => status,
        }
    }
}

/// Returns the status that REST would have for a payload from a socket.
pub fn status_in(payload: &Value) -> u16 {
    let errors = payload.get("errors").unwrap_or(payload);
    match errors[0]["extensions"]["code"].as_str() {
        None => 200,
        Some("UNAUTHENTICATED") => 401,
        Some("FORBIDDEN") => 403,
        Some(code) => panic!("{code}"),
    }
}

impl Reply {
    /// Asserts that the caller is refused, in the form of the protocol, with the scheme and scope to use.
    pub fn refuses_caller(&self, status: u16, scope: &str) {
        let answer = self.expect(status);
        let challenges: Vec<_> = self.headers.get_all(header::WWW_AUTHENTICATE).iter().collect();
        let lacking = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        let (code, expected) = match status {
            401 => ("UNAUTHENTICATED", vec![r#"Basic realm="metrograph""#, r#"Bearer realm="metrograph""#]),
            _ => ("FORBIDDEN", vec![lacking.as_str()]),
        };
        assert_eq!(challenges, expected, "{answer}");
        let members: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        if members == ["errors"] {
            assert_eq!(answer["errors"][0]["extensions"]["code"], code);
            assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
        } else {
            assert_eq!(members, ["message"]);
        }
    }
}

/// A client of graphql-transport-ws.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens a socket, or returns the status of the refusal.
    pub async fn open(app: &TestApp, credentials: Option<&str>) -> Result<Self, u16> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app.router()).into_future());
        let mut request = format!("ws://{address}/graphql/ws").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        if let Some(credentials) = credentials {
            request.headers_mut().insert("authorization", credentials.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends `connection_init` with this payload, or returns the code that the server closes with.
    pub async fn initialized(mut self, payload: Value) -> Result<Self, u16> {
        self.send_json(json!({ "type": "connection_init", "payload": payload })).await;
        let answer = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await;
        match answer.expect("an answer comes").unwrap().unwrap() {
            Message::Close(Some(frame)) => Err(frame.code.into()),
            answer => {
                assert!(answer.to_text().unwrap().contains("connection_ack"), "{answer}");
                Ok(self)
            }
        }
    }

    /// Returns the first response to an operation.
    pub async fn answer(&mut self, query: &str) -> Value {
        self.subscribe(query).await;
        self.receive().await["payload"].take()
    }

    /// Sends an operation without waiting for a response.
    pub async fn subscribe(&mut self, query: &str) {
        self.send_json(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } })).await;
    }

    async fn send_json(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Returns the close code, skipping other messages.
    pub async fn closed(&mut self) -> u16 {
        let closing = async {
            loop {
                if let Message::Close(Some(frame)) = self.0.next().await.unwrap().unwrap() {
                    return frame.code.into();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), closing).await.expect("the server closes")
    }

    /// Receives the next message.
    async fn receive(&mut self) -> Value {
        let message = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await;
        serde_json::from_str(message.expect("an answer comes").unwrap().unwrap().to_text().unwrap()).unwrap()
    }
}
