//! Subscriptions: as server-sent events, and over a WebSocket that speaks graphql-transport-ws.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_graphql::{
    Data, Executor, Request, Response as Answer,
    http::{WebSocket as Protocol, WebSocketProtocols, WsMessage},
};
use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{self, BoxStream, SplitSink, SplitStream},
};
use tokio::sync::{mpsc, watch};

use super::{Ways, graphql::body};
use crate::{
    access::{Access, Caller},
    error::{Code, Error},
    graphql::{Graph, Operation},
};

/// The one sub-protocol that is spoken.
const PROTOCOL: &str = "graphql-transport-ws";
/// Messages that may wait to be understood.
const HEARD: usize = 64;
/// Bytes of the reason in a closing frame, at most.
const LONGEST_REASON: usize = 123;
/// How long a client may take to close after the server did.
const LAST_WORDS: Duration = Duration::from_secs(5);

async fn end(mut ended: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say either.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// The answers of an operation as `next` events, then `complete` (graphql-sse, distinct connections mode).
pub(super) fn events(ways: &Ways, operation: Operation) -> Response {
    let refused = ways.access.clone().until_refused(operation.caller.clone());
    let ended = end(ways.ended.clone());
    let answers = ways.graph.subscribe(operation).take_until(Box::pin(refused)).take_until(Box::pin(ended));
    let next = answers.map(|answer| Event::default().event("next").data(String::from_utf8_lossy(&body(&answer))));
    let complete = stream::iter([Event::default().event("complete").data("")]);
    Sse::new(next.chain(complete).map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default()).into_response()
}

/// Any number of operations over one connection. Browsers let pages of any site open sockets to any other, and tell which it is:
/// only our own may.
pub(super) async fn socket(
    State(ways): State<Ways>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    if is_from_elsewhere(&headers) {
        return Err(Error::new(Code::Forbidden, "Origin: pages of another site may not open a socket here"));
    }
    // Whoever sends none may still do so with the first message.
    caller.verify()?;
    let upgrade =
        upgrade.map_err(|_| Error::bad_input(format!("a WebSocket that speaks {PROTOCOL} is opened here")))?;
    Ok(upgrade.protocols([PROTOCOL]).on_upgrade(|socket| speak(socket, ways, caller)))
}

fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    origin.is_some_and(|origin| text(header::HOST).is_none_or(|host| !host.eq_ignore_ascii_case(origin)))
}

async fn speak(socket: WebSocket, ways: Ways, caller: Caller) {
    let speaks = socket.protocol().is_some_and(|protocol| protocol == PROTOCOL);
    let (mut sink, mut messages) = socket.split();
    let last = if speaks {
        converse(&mut sink, &mut messages, ways, caller).await
    } else {
        Some(CloseFrame { code: 4406, reason: format!("the sub-protocol is {PROTOCOL}").into() })
    };
    if sink.send(Message::Close(last)).await.is_ok() {
        // Whoever closes first hears the other out: otherwise the last words may be lost on the way.
        let heard_out = async { while let Some(Ok(_)) = messages.next().await {} };
        let _ = tokio::time::timeout(LAST_WORDS, heard_out).await;
    }
}

/// Answers until one side has enough; gives what the server closes with.
async fn converse(
    sink: &mut SplitSink<WebSocket, Message>,
    messages: &mut SplitStream<WebSocket>,
    ways: Ways,
    caller: Caller,
) -> Option<CloseFrame> {
    let (heard, mut unread) = mpsc::channel(HEARD);
    let texts = stream::poll_fn(move |cx| unread.poll_recv(cx));
    let ended = Box::pin(end(ways.ended));
    let introduced = Arc::new(OnceLock::new());
    let runner = Runner { graph: ways.graph, access: ways.access.clone(), caller, introduced: Arc::clone(&introduced) };
    let protocol = Protocol::new(runner, texts, WebSocketProtocols::GraphQLWS);
    let mut answers = protocol
        .on_connection_init(async move |payload: serde_json::Value| {
            if let Some(credentials) = payload.get("authorization") {
                let credentials = credentials.as_str().unwrap_or_default();
                // A connection is introduced once.
                let _ = introduced.set(ways.access.caller_of(Some(credentials)).await);
            }
            Ok(Data::default())
        })
        .take_until(ended);
    loop {
        let answer = tokio::select! {
            message = messages.next(), if heard.capacity() > 0 => {
                let text = match message {
                    Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                    Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                };
                // There is room, and the protocol listens as long as it answers.
                let _ = heard.try_send(text);
                continue;
            }
            answer = answers.next() => answer?,
        };
        match answer {
            WsMessage::Text(text) => sink.send(Message::Text(text.into())).await.ok()?,
            WsMessage::Close(code, mut reason) => {
                reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
                return Some(CloseFrame { code: close_code(code), reason: reason.into() });
            }
        }
    }
}

/// The codes that graphql-transport-ws demands, for those that the engine gives.
fn close_code(given: u16) -> u16 {
    match given {
        1002 => 4400,
        1011 => 4401,
        3008 => 4408,
        other => other,
    }
}

/// The graph, as the engine's protocol asks it.
#[derive(Clone)]
struct Runner {
    graph: Graph,
    access: Access,
    /// Who opened the socket.
    caller: Caller,
    /// Who the first message says they are, which counts more.
    introduced: Arc<OnceLock<Caller>>,
}

impl Runner {
    fn operation(&self, request: Request) -> Result<Operation, Box<Answer>> {
        let document = self.graph.parse(&request.query).map_err(|error| Box::new(Answer::from_errors(vec![error])))?;
        let Request { operation_name: name, variables, .. } = request;
        let caller = self.introduced.get().unwrap_or(&self.caller).clone();
        Ok(Operation { document, name, variables, omitted: Arc::default(), caller })
    }
}

impl Executor for Runner {
    async fn execute(&self, request: Request) -> Answer {
        match self.operation(request) {
            // The protocol writes answers by itself.
            Ok(operation) => self.graph.subscribe(operation).next().await.unwrap_or_default(),
            Err(refused) => *refused,
        }
    }

    fn execute_stream(&self, request: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Answer> {
        match self.operation(request) {
            Ok(operation) => {
                let refused = self.access.clone().until_refused(operation.caller.clone());
                self.graph.subscribe(operation).take_until(Box::pin(refused)).boxed()
            }
            Err(refused) => stream::iter([*refused]).boxed(),
        }
    }
}
