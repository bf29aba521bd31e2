//! Prepares and executes operations: document, rate limit, cost.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{Response as GraphqlResponse, parser::types::OperationType};

use crate::{
    access::Caller,
    error::{Code, Error},
    graphql::{Cost, Operation, refusal},
    http::facts::RequestFacts,
    web::{
        graphql::{request::Request, status::may_have_stored},
        guard::rate_limit::Client,
        state::AppState,
    },
};

/// The error for a subscription whose response cannot be a stream.
const NO_STREAM: &str = "a subscription is sent by itself: over a WebSocket to this address (graphql-transport-ws), or with Accept: \
    text/event-stream or multipart/mixed;subscriptionSpec=1.0";

/// Who sends a request: the caller with its scopes, and the client whose rate is limited.
#[derive(Clone)]
pub(crate) struct Requester {
    pub(crate) caller: Caller,
    pub(crate) client: Client,
    /// What is noted of the request.
    pub(crate) facts: RequestFacts,
}

/// An operation that is ready to be executed.
pub(crate) struct PreparedOperation {
    pub(crate) operation: Operation,
    /// Whether the first response reports the cost.
    cost: bool,
    /// The client to count if nothing was stored: set for mutations that only write.
    pub(crate) uncounted: Option<Client>,
}

/// Looks up the document of a request and counts the request, unless it only writes. A mutation whose payload selects
/// more data counts.
pub(crate) fn prepare(
    state: &AppState,
    Requester { caller, client, facts }: Requester,
    request: Request,
) -> Result<PreparedOperation, Box<GraphqlResponse>> {
    let Request { query, document_id, operation_name, variables, extensions } = request;
    let document = state.graph.document(&caller, query.as_deref(), document_id.as_deref(), extensions.hash.as_deref());
    let document = document.map_err(|errors| {
        // A failed lookup counts, too.
        let refused = client.check_rate().err().map(refusal);
        Box::new(refused.unwrap_or_else(|| GraphqlResponse::from_errors(errors)))
    })?;
    let name = operation_name.filter(|name| !name.is_empty());
    let operation = Operation { document, name, variables, omitted: Arc::default(), caller };
    note(&facts, &operation);
    let only_stores = operation.kind() == Some(OperationType::Mutation) && !state.graph.reads(&operation);
    if !only_stores {
        client.check_rate().map_err(|error| Box::new(refusal(error)))?;
    }
    Ok(PreparedOperation { operation, cost: extensions.cost, uncounted: only_stores.then_some(client) })
}

/// Notes the operation: those of the program and its operator have names of their own, of others the kind counts.
fn note(facts: &RequestFacts, operation: &Operation) {
    let (kind, name) = (operation.kind(), operation.own_name());
    let group = match kind {
        _ if operation.document.is_own() => name.map(|name| Cow::Owned(name.to_owned())),
        Some(OperationType::Query) => Some(Cow::Borrowed("query")),
        Some(OperationType::Mutation) => Some(Cow::Borrowed("mutation")),
        Some(OperationType::Subscription) => Some(Cow::Borrowed("subscription")),
        None => None,
    };
    facts.note_operation(group.unwrap_or("graphql".into()), name, kind == Some(OperationType::Subscription));
}

/// Executes an operation with a single response.
pub(crate) async fn run(state: &AppState, prepared: PreparedOperation) -> GraphqlResponse {
    if prepared.operation.kind() == Some(OperationType::Subscription) {
        let Operation { caller, document, name, .. } = &prepared.operation;
        let refused = state.graph.admit(caller, document, name.as_deref()).err();
        return refusal(refused.unwrap_or_else(|| Error::new(Code::ValidationFailed, NO_STREAM)));
    }
    let cost = prepared.cost(state).await;
    let PreparedOperation { operation, uncounted, .. } = prepared;
    let answer = state.graph.execute(operation).await;
    if let Some(client) = uncounted
        && !may_have_stored(&answer)
        && let Err(error) = client.check_rate()
    {
        return refusal(error);
    }
    with_cost(answer, cost)
}

impl PreparedOperation {
    /// Returns the cost if it is requested and the caller may execute the operation.
    pub(crate) async fn cost(&self, state: &AppState) -> Option<Cost> {
        let Operation { document, name, caller, .. } = &self.operation;
        if !self.cost || state.graph.admit(caller, document, name.as_deref()).is_err() {
            return None;
        }
        state.graph.cost(&self.operation).await
    }
}

/// Adds the cost to a response.
pub(crate) fn with_cost(answer: GraphqlResponse, cost: Option<Cost>) -> GraphqlResponse {
    match cost {
        Some(cost) => answer.extension("cost", cost.into()),
        None => answer,
    }
}
