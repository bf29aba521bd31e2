//! Server-sent events, after graphql-sse's distinct connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).

use std::convert::Infallible;

use async_graphql::Response as Answer;
use axum::{
    http::HeaderName,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use super::{Ways, graphql::body};

/// Waits for the word that the server stops.
pub(super) async fn end(mut ended: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say either.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Answers as `next` events, then `complete`. Where the server stops there is no `complete`: the operation has not ended, and clients
/// connect again.
pub(super) fn events(ways: &Ways, answers: BoxStream<'static, Answer>) -> Response {
    let next = answers.map(|answer| Event::default().event("next").data(String::from_utf8_lossy(&body(&answer))));
    let complete = stream::iter([Event::default().event("complete").data("")]);
    let events = next.chain(complete).map(Ok::<_, Infallible>).take_until(Box::pin(end(ways.ended.clone())));
    // Without this, nginx keeps events back until there are many.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(events).keep_alive(KeepAlive::default())).into_response()
}
