//! Server-sent events, after graphql-sse's distinct connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).

use std::{convert::Infallible, time::Duration};

use async_graphql::{Response as Answer, parser::types::OperationType};
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{
    StreamExt as _, future,
    stream::{self, BoxStream},
};
use tokio::{sync::watch, time::timeout};

use super::{Ways, graphql::body};
use crate::{
    error::Error,
    graphql::{Operation, refusal},
};

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
/// What is no subscription is answered in the time of a request.
///
/// # Errors
/// As many subscriptions are open as may be.
pub(super) fn answers(ways: &Ways, operation: Operation) -> Result<BoxStream<'static, Answer>, Error> {
    let refused = ways.access.clone().until_refused(operation.caller.clone());
    if operation.kind() == Some(OperationType::Subscription) {
        let subscribed = ways.fence.subscriptions.open()?;
        let answers = ways.graph.subscribe(operation).take_until(Box::pin(refused));
        let held = answers.map(move |answer| {
            let _held = &subscribed;
            answer
        });
        return Ok(held.boxed());
    }
    let mut answers = ways.graph.subscribe(operation);
    let (limit, too_late) = (ways.fence.request_timeout, refusal(ways.fence.too_late()));
    let answer = async move { timeout(limit, answers.next()).await.unwrap_or(Some(too_late)) };
    Ok(stream::once(answer).filter_map(future::ready).boxed())
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
