//! Server-sent events, after graphql-sse's distinct connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).

use std::{convert::Infallible, time::Duration};

use async_graphql::Response as Answer;
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::{sync::watch, time::timeout};

use super::{Ways, graphql::body};
use crate::graphql::Operation;

/// The longest silence: proxies take a connection that says nothing for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Says nothing.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// Browsers pass over an event that has no data at all.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

/// Waits for the word that the server stops.
pub(super) async fn end(mut ended: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say either.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// The answers of an operation, for as long as its caller may have them: a token may be revoked meanwhile.
pub(super) fn answers(ways: &Ways, operation: Operation) -> BoxStream<'static, Answer> {
    let refused = ways.access.clone().until_refused(operation.caller.clone());
    ways.graph.subscribe(operation).take_until(Box::pin(refused)).boxed()
}

/// Answers as `next` events, then `complete`. Where the server stops there is no `complete`: the operation has not ended, and clients
/// connect again.
pub(super) fn events(ways: &Ways, answers: BoxStream<'static, Answer>) -> Response {
    let events = answers.map(|answer| next(&answer)).chain(stream::iter([COMPLETE])).boxed();
    let events = stream::unfold(events, async |mut events| {
        let event = timeout(KEEP_ALIVE, events.next()).await;
        Some((event.unwrap_or(Some(COMMENT))?, events))
    });
    let events = events.take_until(Box::pin(end(ways.ended.clone()))).map(Ok::<_, Infallible>);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // Without this, nginx keeps events back until there are many.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// An answer, which is JSON in one line.
fn next(answer: &Answer) -> Bytes {
    [b"event: next\ndata: ", body(answer).as_slice(), b"\n\n"].concat().into()
}
