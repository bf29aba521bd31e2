//! Streams of responses over HTTP: server-sent events, as in the distinct connections mode of graphql-sse
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>), and multipart, as in Apollo's protocol
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).

use std::convert::Infallible;

use async_graphql::Response as GraphqlResponse;
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
        graphql::{response::body, status::is_denied, stream::server_stopped},
        limits::KEEP_ALIVE_INTERVAL,
        state::AppState,
    },
};

/// An empty comment, sent as keep-alive.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// Browsers ignore events without a data line.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");
/// Delimits parts.
const DELIMITER: Bytes = Bytes::from_static(b"\r\n--graphql");
/// Turns the preceding delimiter into the last one.
const LAST_DELIMITER: Bytes = Bytes::from_static(b"--\r\n");

/// Responds with `next` events, then `complete`. When the server stops, there is no `complete`, so that clients
/// reconnect.
pub(crate) fn events(state: &AppState, answers: BoxStream<'static, GraphqlResponse>) -> Response {
    // Sent at once: some proxies hold the head of a response back until a byte of the body follows.
    let events = stream::iter([COMMENT]).chain(answers.map(|answer| next(&answer))).chain(stream::iter([COMPLETE]));
    streamed(state, "text/event-stream", events, COMMENT)
}

/// Responds with parts. Clients process a part once they have read the delimiter after it, so both are sent together.
/// Like `complete`, the last delimiter marks the end of the operation.
pub(crate) fn parts(state: &AppState, answers: BoxStream<'static, GraphqlResponse>) -> Response {
    let answers = stream::iter([DELIMITER]).chain(answers.map(|answer| part(&payload(&answer))));
    let parts = answers.chain(stream::iter([LAST_DELIMITER]));
    streamed(state, "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0", parts, part(b"{}"))
}

/// Responds with `pieces`, and with `nothing` after every silent interval.
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
    let pieces = pieces.take_until(Box::pin(server_stopped(state.stopping.clone()))).map(Ok::<_, Infallible>);
    let headers = [
        (header::CONTENT_TYPE, media),
        // A proxy that compresses would hold pieces back.
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // Without this, nginx buffers the response.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Returns an event with a response, which is JSON on one line.
fn next(answer: &GraphqlResponse) -> Bytes {
    [b"event: next\ndata: ", body(answer).as_slice(), b"\n\n"].concat().into()
}

/// Returns a part with the delimiter after it; the one before was sent already.
fn part(json: &[u8]) -> Bytes {
    [b"\r\nContent-Type: application/json\r\n\r\n", json, &DELIMITER].concat().into()
}

/// Returns the payload of a part: a response, or the error that ends the stream.
fn payload(answer: &GraphqlResponse) -> Vec<u8> {
    if !is_denied(answer) {
        return [b"{\"payload\":", body(answer).as_slice(), b"}"].concat();
    }
    let mut json = b"{\"payload\":null,\"errors\":".to_vec();
    write_value(&answer.errors, &mut json);
    json.push(b'}');
    json
}
