//! Streams of answers over HTTP: server-sent events, after graphql-sse's distinct connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>), and parts, after Apollo's multipart protocol
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).

use std::convert::Infallible;

use async_graphql::Response as Answer;
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::time::timeout;

use crate::{
    graphql::write_value,
    web::{
        graphql::{response::body, status::is_denied, stream::end},
        limits::KEEP_ALIVE_INTERVAL,
        state::AppState,
    },
};

/// Says nothing.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// Browsers pass over an event that has no data at all.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");
/// Before a part and after it.
const DELIMITER: Bytes = Bytes::from_static(b"\r\n--graphql");
/// Makes the delimiter before it the last one.
const LAST_DELIMITER: Bytes = Bytes::from_static(b"--\r\n");

/// Answers as `next` events, then `complete`. Where the server stops there is no `complete`: the operation has not ended, and clients
/// connect again.
pub(crate) fn events(state: &AppState, answers: BoxStream<'static, Answer>) -> Response {
    // At once, since there are proxies that keep the head of an answer back until something follows it.
    let events = stream::iter([COMMENT]).chain(answers.map(|answer| next(&answer))).chain(stream::iter([COMPLETE]));
    streamed(state, "text/event-stream", events, COMMENT)
}

/// Answers as parts. Clients take a part for whole once they have read the delimiter behind it, so this is sent with the part; the
/// last one, as `complete`, where the operation has ended.
pub(crate) fn parts(state: &AppState, answers: BoxStream<'static, Answer>) -> Response {
    let answers = stream::iter([DELIMITER]).chain(answers.map(|answer| part(&payload(&answer))));
    let parts = answers.chain(stream::iter([LAST_DELIMITER]));
    streamed(state, "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0", parts, part(b"{}"))
}

/// Pieces as they come; in between, what says nothing.
fn streamed(
    state: &AppState,
    media: &'static str,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
    nothing: Bytes,
) -> Response {
    let pieces = stream::unfold((pieces.boxed(), nothing), async |(mut pieces, nothing)| {
        let piece = timeout(KEEP_ALIVE_INTERVAL, pieces.next()).await;
        Some((piece.unwrap_or_else(|_| Some(nothing.clone()))?, (pieces, nothing)))
    });
    let pieces = pieces.take_until(Box::pin(end(state.ended.clone()))).map(Ok::<_, Infallible>);
    let headers = [
        (header::CONTENT_TYPE, media),
        // A proxy that compresses would keep pieces back, too.
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // Without this, nginx keeps pieces back until there are many.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// An answer, which is JSON in one line.
fn next(answer: &Answer) -> Bytes {
    [b"event: next\ndata: ", body(answer).as_slice(), b"\n\n"].concat().into()
}

/// A part that begins behind a delimiter, with the delimiter behind it.
fn part(json: &[u8]) -> Bytes {
    [b"\r\nContent-Type: application/json\r\n\r\n", json, &DELIMITER].concat().into()
}

/// What a part holds: an answer, or why no more come.
fn payload(answer: &Answer) -> Vec<u8> {
    if !is_denied(answer) {
        return [b"{\"payload\":", body(answer).as_slice(), b"}"].concat();
    }
    let mut json = b"{\"payload\":null,\"errors\":".to_vec();
    write_value(&answer.errors, &mut json);
    json.push(b'}');
    json
}
