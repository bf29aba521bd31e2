//! Streams of answers: server-sent events, after graphql-sse's distinct connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>), and parts, after Apollo's multipart protocol
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).

use std::{convert::Infallible, task::Poll, time::Duration};

use async_graphql::{Response as Answer, parser::types::OperationType};
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{
    Stream, StreamExt as _, ready,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Ways,
    fence::Subscribed,
    graphql::{Wanted, body, is_denied, run, with_cost},
};
use crate::{
    error::Error,
    graphql::{refusal, write_value},
};

/// The longest silence: proxies take a connection that says nothing for dead, many of them after 30 seconds.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Says nothing.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// Browsers pass over an event that has no data at all.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");
/// Before a part and after it.
const DELIMITER: Bytes = Bytes::from_static(b"\r\n--graphql");
/// Makes the delimiter before it the last one.
const LAST_DELIMITER: Bytes = Bytes::from_static(b"--\r\n");

/// Waits for the word that the server stops.
pub(super) async fn end(mut ended: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say either.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// The answers of an operation, for as long as its caller may have them, and the place among subscriptions that it takes until it
/// ends: a token may be revoked meanwhile. What is no subscription is answered in the time of a request.
///
/// # Errors
/// As many subscriptions are open as may be.
pub(super) fn answers(ways: &Ways, wanted: Wanted) -> Result<(BoxStream<'static, Answer>, Option<Subscribed>), Error> {
    let ways = ways.clone();
    let (limit, too_late) = (ways.fence.request_timeout, ways.fence.too_late());
    if wanted.operation.kind() != Some(OperationType::Subscription) {
        let answer = async move { timeout(limit, run(&ways, wanted)).await.unwrap_or_else(|_| refusal(too_late)) };
        return Ok((made_apart(stream::once(answer).boxed()), None));
    }
    let place = ways.fence.subscriptions.open()?;
    let refused = ways.access.clone().until_refused(wanted.operation.caller.clone());
    let answers = stream::once(async move {
        let mut cost = wanted.cost(&ways).await;
        let answers = ways.graph.subscribe(wanted.operation, limit, too_late);
        answers.map(move |answer| with_cost(answer, cost.take()))
    });
    let mut answers = made_apart(answers.flatten().boxed()).take_until(Box::pin(refused));
    let answers = stream::poll_fn(move |context| {
        let answer = ready!(answers.poll_next_unpin(context));
        // Told once, when nothing else comes any more.
        Poll::Ready(answer.or_else(|| answers.take_result().map(refusal)))
    });
    Ok((answers.boxed(), Some(place)))
}

/// The same answers, made in a task of its own, one ahead. Answering takes what others wait for, too: their turn, or a connection of
/// the database. Whoever is slow to take an answer in must not hold these meanwhile.
fn made_apart(mut answers: BoxStream<'static, Answer>) -> BoxStream<'static, Answer> {
    let (tell, told) = mpsc::channel(1);
    let making = tokio::spawn(async move {
        let telling = async {
            while let Ok(place) = tell.reserve().await {
                let Some(answer) = answers.next().await else { break };
                place.send(answer);
            }
        };
        tokio::select! {
            () = telling => {}
            // Nobody listens any more.
            () = tell.closed() => {}
        }
    });
    stream::unfold((told, Some(making)), async |(mut told, making)| match told.recv().await {
        Some(answer) => Some((answer, (told, making))),
        // It panicked.
        None => making?.await.err().map(|_| (refusal(Error::defect()), (told, None))),
    })
    .boxed()
}

/// Answers as `next` events, then `complete`. Where the server stops there is no `complete`: the operation has not ended, and clients
/// connect again.
pub(super) fn events(ways: &Ways, answers: BoxStream<'static, Answer>) -> Response {
    // At once, since there are proxies that keep the head of an answer back until something follows it.
    let events = stream::iter([COMMENT]).chain(answers.map(|answer| next(&answer))).chain(stream::iter([COMPLETE]));
    streamed(ways, "text/event-stream", events, COMMENT)
}

/// Answers as parts. Clients take a part for whole once they have read the delimiter behind it, so this is sent with the part; the
/// last one, as `complete`, where the operation has ended.
pub(super) fn parts(ways: &Ways, answers: BoxStream<'static, Answer>) -> Response {
    let answers = stream::iter([DELIMITER]).chain(answers.map(|answer| part(&payload(&answer))));
    let parts = answers.chain(stream::iter([LAST_DELIMITER]));
    streamed(ways, "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0", parts, part(b"{}"))
}

/// Pieces as they come; in between, what says nothing.
fn streamed(
    ways: &Ways,
    media: &'static str,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
    nothing: Bytes,
) -> Response {
    let pieces = stream::unfold((pieces.boxed(), nothing), async |(mut pieces, nothing)| {
        let piece = timeout(KEEP_ALIVE, pieces.next()).await;
        Some((piece.unwrap_or_else(|_| Some(nothing.clone()))?, (pieces, nothing)))
    });
    let pieces = pieces.take_until(Box::pin(end(ways.ended.clone()))).map(Ok::<_, Infallible>);
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
