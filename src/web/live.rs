//! Subscriptions: as server-sent events, and over a WebSocket that speaks graphql-transport-ws.

use std::{convert::Infallible, sync::Arc};

use async_graphql::{
    Data, Executor, Request, Response as Answer,
    http::{WebSocket as Protocol, WebSocketProtocols, WsMessage},
};
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use super::{Ways, graphql::Written};
use crate::graphql::{Graph, Operation};

/// The one sub-protocol that is spoken.
const PROTOCOL: &str = "graphql-transport-ws";

async fn end(mut ended: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say either.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// The answers of an operation as `next` events, then `complete` (graphql-sse, distinct connections mode).
pub(super) fn events(ways: &Ways, operation: Operation) -> Response {
    let answers = ways.graph.subscribe(operation).take_until(Box::pin(end(ways.ended.clone())));
    let next = answers.map(|answer| Event::default().event("next").json_data(Written::from(&answer)));
    let complete = stream::iter([Ok(Event::default().event("complete").data(""))]);
    let events = next.chain(complete).filter_map(async |event| event.ok().map(Ok::<_, Infallible>));
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// Any number of operations over one connection.
pub(super) async fn socket(State(ways): State<Ways>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols([PROTOCOL]).on_upgrade(|socket| speak(socket, ways))
}

async fn speak(mut socket: WebSocket, ways: Ways) {
    if socket.protocol().is_none_or(|protocol| protocol != PROTOCOL) {
        let reason = format!("the sub-protocol is {PROTOCOL}");
        let _ = socket.send(Message::Close(Some(CloseFrame { code: 4406, reason: reason.into() }))).await;
        return;
    }
    let (mut sink, messages) = socket.split();
    let texts = messages
        .take_while(|message| {
            std::future::ready(matches!(message, Ok(message) if !matches!(message, Message::Close(_))))
        })
        .filter_map(async |message| match message {
            Ok(Message::Text(text)) => Some(text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => Some(bytes.to_vec()),
            _ => None,
        })
        .boxed();
    let ended = Box::pin(end(ways.ended.clone()));
    let mut answers = Protocol::new(Runner(ways.graph), texts, WebSocketProtocols::GraphQLWS).take_until(ended);
    while let Some(answer) = answers.next().await {
        let message = match answer {
            WsMessage::Text(text) => Message::Text(text.into()),
            WsMessage::Close(code, reason) => {
                Message::Close(Some(CloseFrame { code: close_code(code), reason: reason.into() }))
            }
        };
        if sink.send(message).await.is_err() {
            return;
        }
    }
    let _ = sink.close().await;
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
struct Runner(Graph);

impl Runner {
    fn operation(&self, request: Request) -> Result<Operation, Box<Answer>> {
        let document = self.0.parse(&request.query).map_err(|error| Box::new(Answer::from_errors(vec![error])))?;
        Ok(Operation { document, name: request.operation_name, variables: request.variables })
    }
}

impl Executor for Runner {
    async fn execute(&self, request: Request) -> Answer {
        match self.operation(request) {
            Ok(operation) => self.0.execute(operation).await,
            Err(refused) => *refused,
        }
    }

    fn execute_stream(&self, request: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Answer> {
        match self.operation(request) {
            Ok(operation) => self.0.subscribe(operation),
            Err(refused) => stream::iter([*refused]).boxed(),
        }
    }
}
