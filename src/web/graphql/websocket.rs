//! Any number of operations over one WebSocket, after the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>), or after the one before it.

use std::{collections::HashMap, pin::pin, sync::Arc};

use async_graphql::Response as Answer;
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
    web::{
        graphql::{
            close_code::{CloseCode, close, close_with},
            execute::{Who, prepare},
            protocol::{NAMES, Protocol, Said},
            refusal::NO_DOCUMENT,
            request::{Object, Request},
            status::was_run,
            stream::{answers, end},
        },
        guard::{rate_limit::Client, subscriptions::Subscribed},
        limits::{
            CLOSE_TIMEOUT, CONNECTION_INIT_TIMEOUT, KEEP_ALIVE_INTERVAL, MAX_MESSAGES_PER_FLUSH, MAX_SOCKET_OPERATIONS,
            MAX_UNANSWERED_PINGS, SOCKET_BUFFER_BYTES,
        },
        state::AppState,
    },
};

/// What a client is told that sent no token.
const TOKEN_NEEDED: &str =
    r#"this takes a token: send connection_init with the payload {"authorization": "Bearer TOKEN"}"#;
/// What a client is told whose credentials don't count.
const NOT_TAKEN: &str =
    r#"payload.authorization of connection_init: no token that is taken: send "Bearer TOKEN" with another one"#;
/// What a client is told whose token ended.
const REVOKED: &str = "the token is no longer taken";

/// Opens a socket where one is asked for; every other request goes on.
pub(crate) async fn open_or_go_on(State(state): State<AppState>, request: extract::Request, next: Next) -> Response {
    let headers = request.headers();
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // What a proxy leaves of a handshake still has these.
    let was_handshake =
        headers.contains_key(header::SEC_WEBSOCKET_KEY) || headers.contains_key(header::SEC_WEBSOCKET_VERSION);
    if request.method() != Method::GET || !(upgrade.eq_ignore_ascii_case("websocket") || was_handshake) {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let caller = Extension::from_request_parts(&mut parts, &()).await;
    let client = Extension::from_request_parts(&mut parts, &()).await;
    let (caller, client) = match (caller, client) {
        (Ok(caller), Ok(client)) => (caller, client),
        (Err(rejection), _) | (_, Err(rejection)) => return rejection.into_response(),
    };
    open(State(state), caller, client, upgrade).await.into_response()
}

/// Opens a socket. Browsers let pages of any site open sockets to any other, and tell which it is: the fence lets in our own and those
/// that were named.
pub(crate) async fn open(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    // Whoever sends no credentials may still do so with the first message.
    caller.verify()?;
    client.admit()?;
    let spoken = NAMES.join(" or ");
    let upgrade = upgrade.map_err(|rejection| no_handshake(&rejection, &spoken))?;
    let upgrade = upgrade.protocols(NAMES).read_buffer_size(SOCKET_BUFFER_BYTES).write_buffer_size(SOCKET_BUFFER_BYTES);
    let protocol = upgrade.selected_protocol().and_then(|name| name.to_str().ok()).and_then(Protocol::named);
    // Said while it can be: a socket that was opened can only be closed with a code.
    let protocol = protocol
        .ok_or_else(|| Error::bad_input(format!("Sec-WebSocket-Protocol: offer {spoken}, which are spoken here")))?;
    let upgrade = upgrade.max_message_size(state.max_body).max_frame_size(state.max_body);
    Ok(upgrade.on_upgrade(move |socket| speak(socket, Conversation::new(state, protocol, Who { caller, client }))))
}

/// What is wrong with a handshake.
fn no_handshake(rejection: &WebSocketUpgradeRejection, spoken: &str) -> Error {
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
        _ => Error::bad_input(format!("a WebSocket that speaks {spoken} is opened here")),
    }
}

async fn speak(mut socket: WebSocket, conversation: Conversation) {
    let protocol = conversation.protocol;
    let last = conversation.hold(&mut socket).await;
    let is_too_long = last.as_ref().is_some_and(|frame| CloseCode::MessageTooBig.is_of(frame));
    let farewell = async {
        if let Some(reason) = last.as_ref().and_then(|frame| protocol.refused(frame)) {
            let _ = socket.send(reason).await;
        }
        // A client that closed first gets its own word back, which reading on sends.
        let _ = socket.send(Message::Close(last)).await;
        // Whoever closes first hears the other out: otherwise the last words may be lost on the way.
        while let Some(Ok(_)) = socket.next().await {}
        // What came after a message that was not read to its end is none.
        if is_too_long {
            sleep(CLOSE_TIMEOUT).await;
        }
    };
    let _ = timeout(CLOSE_TIMEOUT, farewell).await;
}

/// Whoever may do nothing here need not stay.
fn let_in(caller: &Caller) -> Result<(), CloseFrame> {
    caller.verify().map_err(|error| match error.code {
        Code::Unauthenticated => close(CloseCode::Forbidden, NOT_TAKEN),
        _ => close(CloseCode::Forbidden, &error.message),
    })?;
    caller.enter().map_err(|_| close(CloseCode::Forbidden, TOKEN_NEEDED))
}

/// What a message that could not be read is answered with, where it was over the limit.
fn too_long(error: axum::Error) -> Option<CloseFrame> {
    let error = error.into_inner().downcast::<tungstenite::Error>().ok()?;
    let is_too_long = matches!(*error, tungstenite::Error::Capacity(_));
    is_too_long.then(|| close(CloseCode::MessageTooBig, "the message is over the limit (--max-body): send it in parts"))
}

/// An operation's id, and its next answer or its end.
type Event = (Arc<str>, Option<Answer>);

/// An operation that goes on. It is ended with this, and its place is free at once.
struct Running {
    ending: AbortHandle,
    _place: Option<Subscribed>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ending.abort();
    }
}

/// What has been said so far.
struct Conversation {
    state: AppState,
    protocol: Protocol,
    /// Who opened the socket, or who the first message says they are.
    who: Who,
    is_introduced: bool,
    running: HashMap<Arc<str>, Running>,
    events: SelectAll<BoxStream<'static, Event>>,
}

impl Conversation {
    fn new(state: AppState, protocol: Protocol, who: Who) -> Self {
        Self { state, protocol, who, is_introduced: false, running: HashMap::new(), events: SelectAll::new() }
    }

    /// Answers until one side has enough; gives what the server closes with.
    async fn hold(mut self, socket: &mut WebSocket) -> Option<CloseFrame> {
        let mut ended = pin!(end(self.state.ended.clone()));
        let mut overdue = pin!(sleep(CONNECTION_INIT_TIMEOUT));
        let mut sign_of_life = interval_at(Instant::now() + KEEP_ALIVE_INTERVAL, KEEP_ALIVE_INTERVAL);
        let mut silences = 0;
        let refused = |conversation: &Self| {
            Box::pin(conversation.state.access.clone().until_refused(conversation.who.caller.clone()))
        };
        let mut revoked = refused(&self);
        loop {
            let messages = tokio::select! {
                () = &mut ended => return Some(close(CloseCode::GoingAway, "the server stops")),
                _ = &mut revoked => return Some(close(CloseCode::Forbidden, REVOKED)),
                () = &mut overdue, if !self.is_introduced => {
                    return Some(close(CloseCode::ConnectionInitialisationTimeout, "Connection initialisation timeout"));
                }
                _ = sign_of_life.tick() => {
                    silences += 1;
                    if silences > MAX_UNANSWERED_PINGS {
                        return None;
                    }
                    [Message::Ping(Bytes::new())].into_iter().chain(self.protocol.alive()).collect()
                }
                message = socket.next() => {
                    silences = 0;
                    let said = match message {
                        Some(Ok(Message::Text(text))) => text.into(),
                        Some(Ok(Message::Binary(bytes))) => bytes,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Err(error)) => return too_long(error),
                        Some(Ok(Message::Close(_))) | None => return None,
                    };
                    let was_introduced = self.is_introduced;
                    match self.hear(&said).await {
                        Ok(answer) => {
                            if !was_introduced {
                                revoked = refused(&self);
                            }
                            answer
                        }
                        Err(frame) => return Some(frame),
                    }
                }
                Some(event) = self.events.next() => self.tell(event),
            };
            let written = async {
                for message in messages {
                    socket.feed(message).await?;
                }
                socket.flush().await
            };
            tokio::select! {
                // A client that takes nothing in loses its connection.
                outcome = written => outcome.ok()?,
                () = &mut ended => return Some(close(CloseCode::GoingAway, "the server stops")),
                _ = &mut revoked => return Some(close(CloseCode::Forbidden, REVOKED)),
            }
            // Whoever takes in is there.
            silences = 0;
        }
    }

    /// What a message is answered with at once, or what it costs the connection.
    async fn hear(&mut self, said: &[u8]) -> Result<Vec<Message>, CloseFrame> {
        let said = self.protocol.read(said).map_err(|error| {
            let short = format!("Invalid message: {} has no such message of a client", self.protocol.name());
            close_with(CloseCode::BadRequest, &format!("Invalid message: {error}"), &short)
        })?;
        match said {
            Said::ConnectionInit { .. } if self.is_introduced => {
                Err(close(CloseCode::TooManyInitialisationRequests, "Too many initialisation requests"))
            }
            Said::ConnectionInit { payload } => {
                let payload = payload.and_then(|Object(members)| members).unwrap_or_default();
                let mut given = payload.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
                if let Some((_, credentials)) = given.next() {
                    // Two of them are credentials that nobody has.
                    let credentials = credentials.as_str().filter(|_| given.next().is_none()).unwrap_or_default();
                    let caller = self.state.access.caller_of(Some(credentials)).await;
                    self.who = Who { client: self.who.client.clone().known_as(&caller), caller };
                }
                let_in(&self.who.caller)?;
                self.is_introduced = true;
                Ok(self.protocol.acknowledged())
            }
            Said::Ping { payload } => Ok(vec![Protocol::pong(payload.and_then(|Object(members)| members))]),
            Said::Pong {} => Ok(Vec::new()),
            Said::Complete { id } => {
                let was_running = self.running.remove(id.as_str()).is_some();
                let is_told = was_running && self.protocol.confirms_ends();
                Ok(Vec::from_iter(is_told.then(|| self.protocol.complete(&id))))
            }
            Said::Terminate => Err(close(CloseCode::Normal, "")),
            Said::Subscribe { .. } if !self.is_introduced => Err(close(CloseCode::Unauthorized, "Unauthorized")),
            Said::Subscribe { id, .. } if id.is_empty() => {
                Err(close(CloseCode::BadRequest, "Invalid message: id: it is empty"))
            }
            Said::Subscribe { payload, .. } if !payload.names_a_document() => {
                Err(close(CloseCode::BadRequest, &format!("Invalid message: payload.{NO_DOCUMENT}")))
            }
            Said::Subscribe { id, .. } if self.running.contains_key(id.as_str()) => {
                let reason = format!("Subscriber for {id} already exists");
                Err(close_with(CloseCode::SubscriberAlreadyExists, &reason, "Subscriber for this id already exists"))
            }
            Said::Subscribe { id, .. } if self.running.len() == MAX_SOCKET_OPERATIONS => {
                let reason =
                    format!("a connection runs at most {MAX_SOCKET_OPERATIONS} operations at a time: end one first");
                let refused = refusal(Error::new(Code::TooManyOperations, reason));
                Ok(vec![self.protocol.error(&id, &refused.errors)])
            }
            Said::Subscribe { id, payload } => {
                self.begin(id.into(), payload);
                Ok(Vec::new())
            }
        }
    }

    fn begin(&mut self, id: Arc<str>, asked: Request) {
        let answers = prepare(&self.state, self.who.clone(), asked)
            .and_then(|wanted| answers(&self.state, wanted).map_err(|error| Box::new(refusal(error))));
        let (answers, place) = answers.unwrap_or_else(|refused| (stream::iter([*refused]).boxed(), None));
        let (ending, registration) = AbortHandle::new_pair();
        self.running.insert(Arc::clone(&id), Running { ending, _place: place });
        let events = answers.map(Some).chain(stream::iter([None])).map(move |answer| (Arc::clone(&id), answer));
        self.events.push(Abortable::new(events, registration).boxed());
    }

    /// The messages of an event and of those that are there already.
    fn tell(&mut self, event: Event) -> Vec<Message> {
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
                // It never ran: this is its end.
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
