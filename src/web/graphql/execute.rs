//! Finds the document of a request, counts the request, and runs it.

use std::sync::Arc;

use async_graphql::{Response as Answer, parser::types::OperationType};

use crate::{
    access::Caller,
    error::{Code, Error},
    graphql::{Cost, Operation, refusal},
    web::{
        graphql::{request::Request, status::may_have_stored},
        guard::rate_limit::Client,
        state::AppState,
    },
};

/// What is said of a subscription that what was asked for can't carry.
const NO_STREAM: &str = "a subscription is sent by itself: over a WebSocket to this address (graphql-transport-ws), or with Accept: \
    text/event-stream or multipart/mixed;subscriptionSpec=1.0";

/// Who asks: what they may do, and whose requests are counted.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) caller: Caller,
    pub(crate) client: Client,
}

/// What is to be run.
pub(crate) struct Wanted {
    pub(crate) operation: Operation,
    /// Whether its cost is to be told, with the first answer.
    cost: bool,
    /// Whose request it is, where it does not count once it has stored something: that of a mutation that only stores.
    pub(crate) uncounted: Option<Client>,
}

/// Finds the document of a request, and counts it. What only stores does not count; a mutation whose payload leads on to more does.
pub(crate) fn prepare(state: &AppState, Who { caller, client }: Who, request: Request) -> Result<Wanted, Box<Answer>> {
    let Request { query, document_id, operation_name, variables, extensions } = request;
    let document = state.graph.document(&caller, query.as_deref(), document_id.as_deref(), extensions.hash.as_deref());
    let document = document.map_err(|errors| {
        // Looking for it counts as well.
        let refused = client.admit().err().map(refusal);
        Box::new(refused.unwrap_or_else(|| Answer::from_errors(errors)))
    })?;
    let name = operation_name.filter(|name| !name.is_empty());
    let operation = Operation { document, name, variables, omitted: Arc::default(), caller };
    let only_stores = operation.kind() == Some(OperationType::Mutation) && !state.graph.reads(&operation);
    if !only_stores {
        client.admit().map_err(|error| Box::new(refusal(error)))?;
    }
    Ok(Wanted { operation, cost: extensions.cost, uncounted: only_stores.then_some(client) })
}

/// Runs what gives one answer.
pub(crate) async fn run(state: &AppState, wanted: Wanted) -> Answer {
    if wanted.operation.kind() == Some(OperationType::Subscription) {
        let Operation { caller, document, name, .. } = &wanted.operation;
        let refused = state.graph.admit(caller, document, name.as_deref()).err();
        return refusal(refused.unwrap_or_else(|| Error::new(Code::ValidationFailed, NO_STREAM)));
    }
    let cost = wanted.cost(state).await;
    let Wanted { operation, uncounted, .. } = wanted;
    let answer = state.graph.execute(operation).await;
    if let Some(client) = uncounted
        && !may_have_stored(&answer)
        && let Err(error) = client.admit()
    {
        return refusal(error);
    }
    with_cost(answer, cost)
}

impl Wanted {
    /// What it costs, for whoever asks and may run it.
    pub(crate) async fn cost(&self, state: &AppState) -> Option<Cost> {
        let Operation { document, name, caller, .. } = &self.operation;
        if !self.cost || state.graph.admit(caller, document, name.as_deref()).is_err() {
            return None;
        }
        state.graph.cost(&self.operation).await
    }
}

/// The answer, with what it costs.
pub(crate) fn with_cost(answer: Answer, cost: Option<Cost>) -> Answer {
    match cost {
        Some(cost) => answer.extension("cost", cost.into()),
        None => answer,
    }
}
