//! Subscriptions: as server-sent events, and over a WebSocket that speaks graphql-transport-ws.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_graphql::{
    Data, Executor, Request, Response as Answer, ServerError,
    http::{WebSocket as Protocol, WebSocketProtocols, WsMessage},
    parser::types::OperationType,
};
use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{
    SinkExt as _, StreamExt as _, future,
    stream::{self, BoxStream, SplitSink, SplitStream},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Ways,
    fence::{Fence, Subscribed},
    graphql::{body, is_a},
    rate::Client,
};
use crate::{
    error::Error,
    graphql::{Graph, Operation, with_code},
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
pub(super) fn events(ways: &Ways, operation: Operation, subscribed: Subscribed) -> Response {
    let answers = answers(&ways.fence, &ways.graph, operation, subscribed);
    let answers = answers.take_until(Box::pin(end(ways.ended.clone())));
    let next = answers.map(|answer| Event::default().event("next").data(String::from_utf8_lossy(&body(&answer))));
    let complete = stream::iter([Event::default().event("complete").data("")]);
    Sse::new(next.chain(complete).map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default()).into_response()
}

/// The answers to an operation, which has a place among the open subscriptions until they end. What is none must be answered in the
/// time of a request.
fn answers(fence: &Fence, graph: &Graph, operation: Operation, subscribed: Subscribed) -> BoxStream<'static, Answer> {
    let lasts = is_a(OperationType::Subscription, operation.document.parsed(), operation.name.as_deref());
    let mut answers = graph.subscribe(operation);
    if !lasts {
        let (limit, too_late) = (fence.request_timeout, refusal(fence.too_late()));
        let answer = async move { timeout(limit, answers.next()).await.unwrap_or(Some(too_late)) };
        answers = stream::once(answer).filter_map(future::ready).boxed();
    }
    let held = answers.map(move |answer| {
        let _held = &subscribed;
        answer
    });
    held.boxed()
}

fn refusal(error: Error) -> Answer {
    Answer::from_errors(vec![with_code(ServerError::new(error.message, None), error.code)])
}

/// Any number of operations over one connection. Browsers let pages of any site open sockets to any other, and tell which it is: the
/// fence lets in our own and those that were named.
pub(super) async fn socket(
    State(ways): State<Ways>,
    Extension(client): Extension<Client>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    let upgrade =
        upgrade.map_err(|_| Error::bad_input(format!("a WebSocket that speaks {PROTOCOL} is opened here")))?;
    let upgrade = upgrade.max_message_size(ways.fence.max_body).protocols([PROTOCOL]);
    Ok(upgrade.on_upgrade(|socket| speak(socket, ways, client)))
}

async fn speak(socket: WebSocket, ways: Ways, client: Client) {
    let speaks = socket.protocol().is_some_and(|protocol| protocol == PROTOCOL);
    let (mut sink, mut messages) = socket.split();
    let last = if speaks {
        converse(&mut sink, &mut messages, ways, client).await
    } else {
        Some(CloseFrame { code: 4406, reason: format!("the sub-protocol is {PROTOCOL}").into() })
    };
    if sink.send(Message::Close(last)).await.is_ok() {
        // Whoever closes first hears the other out: otherwise the last words may be lost on the way.
        let heard_out = async { while let Some(Ok(_)) = messages.next().await {} };
        let _ = timeout(LAST_WORDS, heard_out).await;
    }
}

/// Answers until one side has enough; gives what the server closes with.
async fn converse(
    sink: &mut SplitSink<WebSocket, Message>,
    messages: &mut SplitStream<WebSocket>,
    ways: Ways,
    client: Client,
) -> Option<CloseFrame> {
    let (heard, mut unread) = mpsc::channel(HEARD);
    let texts = stream::poll_fn(move |cx| unread.poll_recv(cx));
    let ended = Box::pin(end(ways.ended));
    let runner = Runner { graph: ways.graph, client, fence: ways.fence };
    let mut answers = Protocol::new(runner, texts, WebSocketProtocols::GraphQLWS).take_until(ended);
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
    client: Client,
    fence: Fence,
}

impl Runner {
    fn operation(&self, request: Request) -> Result<(Operation, Subscribed), Box<Answer>> {
        let refuse = |error| Box::new(refusal(error));
        let document = self.graph.parse(&request.query);
        let name = request.operation_name;
        // What is to be stored does not count.
        if !document.as_ref().is_ok_and(|document| is_a(OperationType::Mutation, document.parsed(), name.as_deref())) {
            self.client.admit().map_err(|too_fast| refuse(too_fast.error()))?;
        }
        let document = document.map_err(|error| Box::new(Answer::from_errors(vec![error])))?;
        let subscribed = self.fence.subscriptions.open().map_err(refuse)?;
        Ok((Operation { document, name, variables: request.variables, omitted: Arc::default() }, subscribed))
    }
}

impl Executor for Runner {
    async fn execute(&self, request: Request) -> Answer {
        match self.operation(request) {
            // The protocol writes answers by itself.
            Ok((operation, subscribed)) => {
                answers(&self.fence, &self.graph, operation, subscribed).next().await.unwrap_or_default()
            }
            Err(refused) => *refused,
        }
    }

    fn execute_stream(&self, request: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Answer> {
        match self.operation(request) {
            Ok((operation, subscribed)) => answers(&self.fence, &self.graph, operation, subscribed),
            Err(refused) => stream::iter([*refused]).boxed(),
        }
    }
}
