//! The answers of an operation as a stream, whatever carries it.

use std::task::Poll;

use async_graphql::{Response as Answer, parser::types::OperationType};
use futures_util::{
    StreamExt as _, ready,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    error::Error,
    graphql::refusal,
    web::{
        graphql::execute::{Wanted, run, with_cost},
        guard::subscriptions::Subscribed,
        state::AppState,
    },
};

/// Waits for the word that the server stops.
pub(crate) async fn end(mut ended: watch::Receiver<bool>) {
    // A sender that is gone has nothing more to say either.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// The answers of an operation, for as long as its caller may have them, and the place among subscriptions that it takes until it
/// ends: a token may be revoked meanwhile. What is no subscription is answered in the time of a request.
///
/// # Errors
/// As many subscriptions are open as may be.
pub(crate) fn answers(
    state: &AppState,
    wanted: Wanted,
) -> Result<(BoxStream<'static, Answer>, Option<Subscribed>), Error> {
    let state = state.clone();
    let (limit, too_late) = (state.request_timeout.0, state.request_timeout.exceeded());
    if wanted.operation.kind() != Some(OperationType::Subscription) {
        let answer = async move { timeout(limit, run(&state, wanted)).await.unwrap_or_else(|_| refusal(too_late)) };
        return Ok((made_apart(stream::once(answer).boxed()), None));
    }
    let place = state.subscriptions.open()?;
    let refused = state.access.clone().until_refused(wanted.operation.caller.clone());
    let answers = stream::once(async move {
        let mut cost = wanted.cost(&state).await;
        let answers = state.graph.subscribe(wanted.operation, limit, too_late);
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
