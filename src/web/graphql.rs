//! GraphQL over HTTP, after the specification of that name (draft of 2025): POST with JSON, one request or a batch; GET for queries,
//! which caches may keep; the status by the media type asked for.

mod answer;
mod media;
mod request;
mod status;

use std::sync::Arc;

use async_graphql::{
    Response as Answer, ServerError,
    parser::types::{DocumentOperations, ExecutableDocument, OperationType},
};
use axum::{
    body::Bytes,
    extract::{RawQuery, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::{StreamExt as _, stream};

use self::{
    answer::{batch_body, respond, respond_to_get},
    media::Media,
    request::{Request, Sent},
    status::Outcome,
};
use super::{Ways, assets, live};
use crate::{
    error::{Code, Error},
    graphql::{Operation, as_server_error, crossed},
};
pub(super) use answer::body;

/// Requests of a batch that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// An answer to a request that was not run.
fn refused(error: Error) -> Answer {
    Answer::from_errors(vec![as_server_error(error)])
}

/// A request that is not well-formed.
fn malformed(media: Media, code: Code, message: impl Into<String>) -> Response {
    respond(media, Outcome::Malformed(code), body(&refused(Error::new(code, message))))
}

fn not_acceptable() -> Response {
    let message = "Accept: answers come as application/graphql-response+json, application/json or text/event-stream";
    malformed(Media::Json, Code::NotAcceptable, message)
}

fn no_document(media: Media) -> Response {
    malformed(media, Code::ParseFailed, "query: it is required: the text of a GraphQL document, or documentId: its id")
}

/// Queries and mutations.
pub(super) async fn post(
    State(ways): State<Ways>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(media) = Media::negotiate(&headers) else { return not_acceptable() };
    // A form on another site can send neither this type nor ask for permission to: this is what keeps mutations ours.
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return malformed(media, Code::UnsupportedMediaType, "Content-Type: send the request as application/json");
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return malformed(media, Code::TooLarge, "the body is over the limit: send it in parts");
        }
        Err(_) => return malformed(media, Code::ParseFailed, "the body could not be read"),
    };
    match request::read(&body) {
        Ok(Sent::One(request)) => one(&ways, media, request).await,
        Ok(Sent::Batch(requests)) => batch(&ways, media, requests).await,
        Err(reason) => malformed(media, Code::ParseFailed, format!("the body is no GraphQL request: {reason}")),
    }
}

/// A query; or, for a browser that just looks, GraphiQL.
pub(super) async fn get(State(ways): State<Ways>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let read = request::read_parameters(&query.unwrap_or_default());
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") && read.as_ref().is_ok_and(|request| !request.names_a_document()) {
        return assets::page("graphiql.html");
    }
    let Some(media) = Media::negotiate(&headers) else { return not_acceptable() };
    let request = match read {
        Ok(request) => request,
        Err(reason) => return malformed(media, Code::ParseFailed, reason),
    };
    if !request.names_a_document() {
        return no_document(media);
    }
    let wanted = match prepare(&ways, request) {
        Ok(wanted) => wanted,
        Err(answer) => return cached(&ways, &headers, media, &answer),
    };
    if is_of(OperationType::Mutation, &wanted.operation) {
        let mut response = malformed(media, Code::MethodNotAllowed, "a mutation is sent with POST");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if media == Media::EventStream {
        return live::events(&ways, wanted.operation);
    }
    let answer = run(&ways, wanted).await;
    cached(&ways, &headers, media, &answer)
}

fn cached(ways: &Ways, headers: &HeaderMap, media: Media, answer: &Answer) -> Response {
    respond_to_get(headers, ways.settings.cache_seconds, media, Outcome::of(answer), body(answer))
}

async fn one(ways: &Ways, media: Media, request: Request) -> Response {
    if !request.names_a_document() {
        return no_document(media);
    }
    let answer = match prepare(ways, request) {
        Ok(wanted) if media == Media::EventStream => return live::events(ways, wanted.operation),
        Ok(wanted) => run(ways, wanted).await,
        Err(answer) => *answer,
    };
    respond(media, Outcome::of(&answer), body(&answer))
}

/// Requests that know nothing of each other, some of them at the same time. Each has its own answer, whatever becomes of the others.
async fn batch(ways: &Ways, media: Media, requests: Vec<Request>) -> Response {
    let most = ways.settings.limits.max_batch;
    if media == Media::EventStream {
        return malformed(media, Code::NotAcceptable, "Accept: a batch is answered as JSON, not as events");
    }
    if requests.is_empty() {
        return malformed(media, Code::ParseFailed, "the batch is empty: it holds 1 request at least");
    }
    if requests.len() > most {
        let asked = format!("{} requests were sent together", requests.len());
        let answer = Answer::from_errors(vec![crossed("max-batch", &asked, most, "send them in parts")]);
        return respond(media, Outcome::Malformed(Code::LimitExceeded), body(&answer));
    }
    let answers = requests.into_iter().map(async |request| match prepare(ways, request) {
        Ok(wanted) if is_of(OperationType::Subscription, &wanted.operation) => {
            refused(Error::bad_input("a subscription can't be part of a batch: send it by itself"))
        }
        Ok(wanted) => run(ways, wanted).await,
        Err(answer) => *answer,
    });
    let answers: Vec<Answer> = stream::iter(answers).buffered(SIDE_BY_SIDE).collect().await;
    respond(media, Outcome::Complete, batch_body(&answers))
}

/// What is to be run, and whether its cost is to be told.
struct Wanted {
    operation: Operation,
    cost: bool,
}

/// Finds the document of a request.
fn prepare(ways: &Ways, request: Request) -> Result<Wanted, Box<Answer>> {
    let Request { query, document_id, operation_name, variables, extensions } = request;
    let document = ways.graph.document(query.as_deref(), document_id.as_deref(), extensions.hash.as_deref());
    let document = document.map_err(|error: ServerError| Box::new(Answer::from_errors(vec![error])))?;
    let name = operation_name.filter(|name| !name.is_empty());
    let operation = Operation { document, name, variables, omitted: Arc::default() };
    Ok(Wanted { operation, cost: extensions.cost })
}

async fn run(ways: &Ways, Wanted { operation, cost }: Wanted) -> Answer {
    let cost = if cost { ways.graph.cost(&operation).await } else { None };
    let answer = ways.graph.execute(operation).await;
    match cost {
        Some(cost) => answer.extension("cost", cost.into()),
        None => answer,
    }
}

/// Whether what is to be run is of this type; any operation of the document, where it is not said which.
fn is_of(wanted: OperationType, Operation { document, name, .. }: &Operation) -> bool {
    let parsed: &ExecutableDocument = document.parsed();
    match (&parsed.operations, name.as_deref()) {
        (DocumentOperations::Single(operation), _) => operation.node.ty == wanted,
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).is_some_and(|operation| operation.node.ty == wanted)
        }
        (DocumentOperations::Multiple(operations), None) => {
            operations.values().any(|operation| operation.node.ty == wanted)
        }
    }
}
