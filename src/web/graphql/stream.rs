//! The responses of an operation as a stream, for every transport.

use std::task::Poll;

use async_graphql::{Response as GraphqlResponse, parser::types::OperationType};
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
        graphql::execute::{PreparedOperation, run, with_cost},
        guard::subscriptions::SubscriptionPermit,
        state::AppState,
    },
};

/// Waits until the server stops.
pub(crate) async fn server_stopped(mut ended: watch::Receiver<bool>) {
    // A dropped sender stops the stream, too.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Returns the responses of an operation, and the permit that a subscription holds until it ends. The stream ends when
/// the caller's token is revoked. Queries and mutations have the timeout of a request.
///
/// # Errors
/// [`crate::error::Code::TooManySubscriptions`].
pub(crate) fn answers(
    state: &AppState,
    prepared: PreparedOperation,
) -> Result<(BoxStream<'static, GraphqlResponse>, Option<SubscriptionPermit>), Error> {
    let state = state.clone();
    let (limit, timeout_error) = (state.request_timeout.0, state.request_timeout.exceeded());
    if prepared.operation.kind() != Some(OperationType::Subscription) {
        let answer =
            async move { timeout(limit, run(&state, prepared)).await.unwrap_or_else(|_| refusal(timeout_error)) };
        return Ok((compute_ahead(stream::once(answer).boxed()), None));
    }
    let permit = state.subscriptions.open()?;
    let revoked = state.access.clone().until_refused(prepared.operation.caller.clone());
    let answers = stream::once(async move {
        let mut cost = prepared.cost(&state).await;
        let answers = state.graph.subscribe(prepared.operation, limit, timeout_error);
        answers.map(move |answer| with_cost(answer, cost.take()))
    });
    let mut answers = compute_ahead(answers.flatten().boxed()).take_until(Box::pin(revoked));
    let answers = stream::poll_fn(move |context| {
        let answer = ready!(answers.poll_next_unpin(context));
        // Reported once, after the last response.
        Poll::Ready(answer.or_else(|| answers.take_result().map(refusal)))
    });
    Ok((answers.boxed(), Some(permit)))
}

/// Computes the responses in a task of their own, one ahead. Computing one holds resources that others wait for, such
/// as a database connection; a slow client must not keep them.
fn compute_ahead(mut answers: BoxStream<'static, GraphqlResponse>) -> BoxStream<'static, GraphqlResponse> {
    let (sender, receiver) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        let sending = async {
            while let Ok(permit) = sender.reserve().await {
                let Some(answer) = answers.next().await else { break };
                permit.send(answer);
            }
        };
        tokio::select! {
            () = sending => {}
            // The receiver was dropped.
            () = sender.closed() => {}
        }
    });
    stream::unfold((receiver, Some(task)), async |(mut receiver, task)| match receiver.recv().await {
        Some(answer) => Some((answer, (receiver, task))),
        // The task panicked.
        None => task?.await.err().map(|_| (refusal(Error::defect()), (receiver, None))),
    })
    .boxed()
}
