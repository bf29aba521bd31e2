//! Any number of operations over one WebSocket, with the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>) or its predecessor.

use std::{collections::HashMap, pin::pin, sync::Arc};

use async_graphql::Response as GraphqlResponse;
use axum::{
    Extension,
    body::Bytes,
    extract::{
        self, FromRequestParts as _, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    stream::{self, AbortHandle, Abortable, BoxStream, SelectAll},
};
use tokio::time::{Instant, interval_at, sleep, timeout};

use crate::{
    access::Caller,
    error::{Code, Error},
    graphql::refusal,
    http::facts::RequestFacts,
    web::{
        graphql::{
            close_code::{CloseCode, close, close_with},
            execute::{Requester, prepare},
            protocol::{ClientMessage, NAMES, Protocol},
            refusal::NO_DOCUMENT,
            request::{Object, Request},
            status::was_run,
            stream::{answers, server_stopped},
        },
        guard::{rate_limit::Client, subscriptions::SubscriptionPermit},
        limits::{
            CLOSE_TIMEOUT, CONNECTION_INIT_TIMEOUT, KEEP_ALIVE_INTERVAL, MAX_MESSAGES_PER_FLUSH, MAX_SOCKET_OPERATIONS,
            MAX_UNANSWERED_PINGS, SOCKET_BUFFER_BYTES,
        },
        observer::Observed,
        state::AppState,
    },
};

/// Close reason without a token.
const TOKEN_NEEDED: &str =
    r#"this requires a token: send connection_init with the payload {"authorization": "Bearer TOKEN"}"#;
/// Close reason with invalid credentials.
const INVALID_TOKEN: &str =
    r#"payload.authorization of connection_init: no token that is taken: send "Bearer TOKEN" with another one"#;
/// Close reason after the token was revoked or expired.
const REVOKED: &str = "the token is no longer taken";

/// Opens a WebSocket if the request is a handshake; passes on every other request.
pub(crate) async fn upgrade_or_pass(State(state): State<AppState>, request: extract::Request, next: Next) -> Response {
    let headers = request.headers();
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // What remains of a handshake if a proxy removes `Upgrade`.
    let was_handshake =
        headers.contains_key(header::SEC_WEBSOCKET_KEY) || headers.contains_key(header::SEC_WEBSOCKET_VERSION);
    if request.method() != Method::GET || !(upgrade.eq_ignore_ascii_case("websocket") || was_handshake) {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let caller = Extension::from_request_parts(&mut parts, &()).await;
    let client = Extension::from_request_parts(&mut parts, &()).await;
    let facts = parts.extensions.get().cloned().map(Extension);
    let observed = parts.extensions.get().cloned().map(Extension);
    let (caller, client) = match (caller, client) {
        (Ok(caller), Ok(client)) => (caller, client),
        (Err(rejection), _) | (_, Err(rejection)) => return rejection.into_response(),
    };
    open(State(state), caller, client, facts, observed, upgrade).await.into_response()
}

/// Opens a WebSocket. Browsers let pages of any site open sockets to any server; the CSRF guard has rejected those of
/// other origins.
pub(crate) async fn open(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    facts: Option<Extension<RequestFacts>>,
    observed: Option<Extension<Observed>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    // Credentials may still follow in `connection_init`.
    caller.verify()?;
    client.check_rate()?;
    let supported = NAMES.join(" or ");
    let upgrade = upgrade.map_err(|rejection| handshake_error(&rejection, &supported))?;
    let upgrade = upgrade.protocols(NAMES).read_buffer_size(SOCKET_BUFFER_BYTES).write_buffer_size(SOCKET_BUFFER_BYTES);
    let protocol = upgrade.selected_protocol().and_then(|name| name.to_str().ok()).and_then(Protocol::named);
    // Checked before the upgrade: an open socket could only be closed with a code.
    let protocol = protocol.ok_or_else(|| {
        Error::bad_input(format!("Sec-WebSocket-Protocol: offer {supported}, which this server supports"))
    })?;
    let upgrade = upgrade.max_message_size(state.max_body).max_frame_size(state.max_body);
    let facts = facts.map(|Extension(facts)| facts).unwrap_or_default();
    let connection = SocketConnection::new(state, protocol, Requester { caller, client, facts });
    let observed = observed.map(|Extension(observed)| observed);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, connection, observed)))
}

/// Returns the error of a failed handshake.
fn handshake_error(rejection: &WebSocketUpgradeRejection, supported: &str) -> Error {
    use WebSocketUpgradeRejection::{
        ConnectionNotUpgradable, InvalidConnectionHeader, InvalidUpgradeHeader, InvalidWebSocketVersionHeader,
        WebSocketKeyHeaderMissing,
    };
    match rejection {
        InvalidConnectionHeader(_) | InvalidUpgradeHeader(_) => Error::new(
            Code::UpgradeRequired,
            "Upgrade: a WebSocket is opened here with the headers Connection: Upgrade and Upgrade: websocket; a proxy in between \
             has to pass them on",
        ),
        InvalidWebSocketVersionHeader(_) => {
            Error::new(Code::UpgradeRequired, "Sec-WebSocket-Version: 13 is spoken here")
        }
        ConnectionNotUpgradable(_) => Error::bad_input(
            "a WebSocket is opened with HTTP/1.1 here; a proxy in between has to speak it, too (nginx: proxy_http_version 1.1)",
        ),
        WebSocketKeyHeaderMissing(_) => {
            Error::bad_input("Sec-WebSocket-Key: it is required where a WebSocket is opened")
        }
        _ => Error::bad_input(format!("a WebSocket that speaks {supported} is opened here")),
    }
}

/// Serves a socket, whose request ends with it.
async fn serve(mut socket: WebSocket, connection: SocketConnection, observed: Option<Observed>) {
    let protocol = connection.protocol;
    let last = connection.run(&mut socket, observed.as_ref()).await;
    let is_too_big = last.as_ref().is_some_and(|frame| CloseCode::MessageTooBig.is_of(frame));
    let closing = async {
        if let Some(reason) = last.as_ref().and_then(|frame| protocol.refused(frame)) {
            let _ = socket.send(reason).await;
        }
        // If the client closed first, reading on sends the close frame that answers it.
        let _ = socket.send(Message::Close(last)).await;
        // Reading on until the client closes: otherwise the last messages may be lost.
        while let Some(Ok(_)) = socket.next().await {}
        // After an oversized message the rest of the stream cannot be parsed.
        if is_too_big {
            sleep(CLOSE_TIMEOUT).await;
        }
    };
    let _ = timeout(CLOSE_TIMEOUT, closing).await;
}

fn bytes_of(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

/// Rejects callers that may do nothing here.
fn check_caller(caller: &Caller) -> Result<(), CloseFrame> {
    caller.verify().map_err(|error| match error.code {
        Code::Unauthenticated => close(CloseCode::Forbidden, INVALID_TOKEN),
        _ => close(CloseCode::Forbidden, &error.message),
    })?;
    caller.enter().map_err(|_| close(CloseCode::Forbidden, TOKEN_NEEDED))
}

/// Returns the close frame for a message over the limit; other errors end the connection without one.
fn too_big(error: axum::Error) -> Option<CloseFrame> {
    let error = error.into_inner().downcast::<tungstenite::Error>().ok()?;
    let is_too_big = matches!(*error, tungstenite::Error::Capacity(_));
    is_too_big.then(|| close(CloseCode::MessageTooBig, "the message is over the limit (--max-body): send it in parts"))
}

/// The id of an operation, and its next response or its end.
type Event = (Arc<str>, Option<GraphqlResponse>);

/// A running operation. Dropping it stops the operation and releases its permit.
struct Running {
    ending: AbortHandle,
    _permit: Option<SubscriptionPermit>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ending.abort();
    }
}

/// The state of a connection.
struct SocketConnection {
    state: AppState,
    protocol: Protocol,
    /// The caller of the handshake, or of `connection_init`.
    requester: Requester,
    is_initialised: bool,
    running: HashMap<Arc<str>, Running>,
    events: SelectAll<BoxStream<'static, Event>>,
}

impl SocketConnection {
    fn new(state: AppState, protocol: Protocol, requester: Requester) -> Self {
        Self { state, protocol, requester, is_initialised: false, running: HashMap::new(), events: SelectAll::new() }
    }

    /// Serves the socket until either side closes. Returns the close frame to send.
    async fn run(mut self, socket: &mut WebSocket, observed: Option<&Observed>) -> Option<CloseFrame> {
        let mut stopped = pin!(server_stopped(self.state.stopping.clone()));
        let mut init_timeout = pin!(sleep(CONNECTION_INIT_TIMEOUT));
        let mut keep_alive = interval_at(Instant::now() + KEEP_ALIVE_INTERVAL, KEEP_ALIVE_INTERVAL);
        let mut unanswered_pings = 0;
        let refused = |connection: &Self| {
            Box::pin(connection.state.access.clone().until_refused(connection.requester.caller.clone()))
        };
        let mut revoked = refused(&self);
        loop {
            let messages = tokio::select! {
                () = &mut stopped => return Some(close(CloseCode::GoingAway, "the server stops")),
                _ = &mut revoked => return Some(close(CloseCode::Forbidden, REVOKED)),
                () = &mut init_timeout, if !self.is_initialised => {
                    return Some(close(CloseCode::ConnectionInitialisationTimeout, "Connection initialisation timeout"));
                }
                _ = keep_alive.tick() => {
                    unanswered_pings += 1;
                    if unanswered_pings > MAX_UNANSWERED_PINGS {
                        return None;
                    }
                    [Message::Ping(Bytes::new())].into_iter().chain(self.protocol.alive()).collect()
                }
                message = socket.next() => {
                    unanswered_pings = 0;
                    let message = match message {
                        Some(Ok(Message::Text(text))) => text.into(),
                        Some(Ok(Message::Binary(bytes))) => bytes,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Err(error)) => return too_big(error),
                        Some(Ok(Message::Close(_))) | None => return None,
                    };
                    let was_initialised = self.is_initialised;
                    match self.on_message(&message).await {
                        Ok(answer) => {
                            if !was_initialised {
                                revoked = refused(&self);
                            }
                            answer
                        }
                        Err(frame) => return Some(frame),
                    }
                }
                Some(event) = self.events.next() => self.messages_of(event),
            };
            let written = async {
                for message in messages {
                    if let Some(observed) = observed {
                        observed.add_bytes(bytes_of(&message));
                    }
                    socket.feed(message).await?;
                }
                socket.flush().await
            };
            tokio::select! {
                // A client that does not read is disconnected.
                outcome = written => outcome.ok()?,
                () = &mut stopped => return Some(close(CloseCode::GoingAway, "the server stops")),
                _ = &mut revoked => return Some(close(CloseCode::Forbidden, REVOKED)),
            }
            // The client reads, so it is alive.
            unanswered_pings = 0;
        }
    }

    /// Returns the immediate response to a message, or the frame to close with.
    async fn on_message(&mut self, message: &[u8]) -> Result<Vec<Message>, CloseFrame> {
        let message = self.protocol.read(message).map_err(|error| {
            let short = format!("Invalid message: {} has no such message of a client", self.protocol.name());
            close_with(CloseCode::BadRequest, &format!("Invalid message: {error}"), &short)
        })?;
        match message {
            ClientMessage::ConnectionInit { .. } if self.is_initialised => {
                Err(close(CloseCode::TooManyInitialisationRequests, "Too many initialisation requests"))
            }
            ClientMessage::ConnectionInit { payload } => {
                let payload = payload.and_then(|Object(members)| members).unwrap_or_default();
                let mut given = payload.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
                if let Some((_, credentials)) = given.next() {
                    // Ambiguous credentials count as invalid.
                    let credentials = credentials.as_str().filter(|_| given.next().is_none()).unwrap_or_default();
                    let caller = self.state.access.caller_of(Some(credentials)).await;
                    if let Some(name) = caller.token_name() {
                        self.requester.facts.note_token(name);
                    }
                    let Requester { client, facts, .. } = &self.requester;
                    let (client, facts) = (client.clone().with_token_of(&caller), facts.clone());
                    self.requester = Requester { caller, client, facts };
                }
                check_caller(&self.requester.caller)?;
                self.is_initialised = true;
                Ok(self.protocol.acknowledged())
            }
            ClientMessage::Ping { payload } => Ok(vec![Protocol::pong(payload.and_then(|Object(members)| members))]),
            ClientMessage::Pong {} => Ok(Vec::new()),
            ClientMessage::Complete { id } => {
                let was_running = self.running.remove(id.as_str()).is_some();
                let is_sent = was_running && self.protocol.confirms_ends();
                Ok(Vec::from_iter(is_sent.then(|| self.protocol.complete(&id))))
            }
            ClientMessage::Terminate => Err(close(CloseCode::Normal, "")),
            ClientMessage::Subscribe { .. } if !self.is_initialised => {
                Err(close(CloseCode::Unauthorized, "Unauthorized"))
            }
            ClientMessage::Subscribe { id, .. } if id.is_empty() => {
                Err(close(CloseCode::BadRequest, "Invalid message: id: it is empty"))
            }
            ClientMessage::Subscribe { payload, .. } if !payload.names_a_document() => {
                Err(close(CloseCode::BadRequest, &format!("Invalid message: payload.{NO_DOCUMENT}")))
            }
            ClientMessage::Subscribe { id, .. } if self.running.contains_key(id.as_str()) => {
                let reason = format!("Subscriber for {id} already exists");
                Err(close_with(CloseCode::SubscriberAlreadyExists, &reason, "Subscriber for this id already exists"))
            }
            ClientMessage::Subscribe { id, .. } if self.running.len() == MAX_SOCKET_OPERATIONS => {
                let reason =
                    format!("a connection runs at most {MAX_SOCKET_OPERATIONS} operations at a time: end one first");
                let refused = refusal(Error::new(Code::TooManyOperations, reason));
                Ok(vec![self.protocol.error(&id, &refused.errors)])
            }
            ClientMessage::Subscribe { id, payload } => {
                self.begin(id.into(), payload);
                Ok(Vec::new())
            }
        }
    }

    fn begin(&mut self, id: Arc<str>, request: Request) {
        let answers = prepare(&self.state, self.requester.clone(), request)
            .and_then(|prepared| answers(&self.state, prepared).map_err(|error| Box::new(refusal(error))));
        let (answers, permit) = answers.unwrap_or_else(|refused| (stream::iter([*refused]).boxed(), None));
        let (ending, registration) = AbortHandle::new_pair();
        self.running.insert(Arc::clone(&id), Running { ending, _permit: permit });
        let events = answers.map(Some).chain(stream::iter([None])).map(move |answer| (Arc::clone(&id), answer));
        self.events.push(Abortable::new(events, registration).boxed());
    }

    /// Returns the messages for an event, and for others that are ready.
    fn messages_of(&mut self, event: Event) -> Vec<Message> {
        let mut messages = Vec::from_iter(self.message_of(event));
        while messages.len() < MAX_MESSAGES_PER_FLUSH {
            let Some(Some(event)) = self.events.next().now_or_never() else { break };
            messages.extend(self.message_of(event));
        }
        messages
    }

    fn message_of(&mut self, (id, answer): Event) -> Option<Message> {
        match answer {
            Some(answer) if was_run(&answer) => Some(self.protocol.next(&id, &answer)),
            Some(answer) => {
                // The operation never ran: this is its end.
                self.running.remove(&id)?;
                Some(self.protocol.error(&id, &answer.errors))
            }
            None => {
                self.running.remove(&id)?;
                Some(self.protocol.complete(&id))
            }
        }
    }
}
