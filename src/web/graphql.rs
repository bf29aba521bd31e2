//! GraphQL over HTTP, after the specification of that name (draft of 2025): POST with JSON, one request or a batch; GET for queries,
//! which caches may keep; the status by the media type asked for.

mod answer;
mod media;
mod request;
mod status;

use std::sync::Arc;

use async_graphql::{Response as Answer, ServerError, parser::types::OperationType};
use axum::{
    Extension,
    body::Bytes,
    extract::{RawQuery, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::{StreamExt as _, stream};

use self::{
    answer::{batch_body, respond, respond_to_get},
    media::Media,
    request::Sent,
    status::Outcome,
};
use super::{Ways, access, assets, live, rate::Client};
use crate::{
    access::Caller,
    error::{Code, Error},
    graphql::{Operation, crossed, refusal},
};
pub(super) use answer::body;
pub(super) use request::Request;
pub(super) use status::was_run;

/// Requests of a batch that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// What is said of a request that does not say what to run.
pub(super) const NO_DOCUMENT: &str = "query: it is required: the text of a GraphQL document, or documentId: its id";

/// An answer as it is sent. Whoever may not is told how to come back.
fn told(media: Media, answer: &Answer) -> Response {
    let mut response = respond(media, Outcome::of(answer), body(answer));
    access::advise(response.headers_mut(), answer);
    response
}

/// A refusal from before the request was read.
pub(super) fn refused(headers: &HeaderMap, error: Error) -> Response {
    told(Media::negotiate(headers).unwrap_or(Media::Json), &refusal(error))
}

/// Counts a request of `client`. What only stores does not count; a mutation whose payload leads on to more does.
fn admit(ways: &Ways, client: &Client, operation: &Operation) -> Result<(), Error> {
    let only_stores = operation.kind() == Some(OperationType::Mutation) && !ways.graph.reads(operation);
    if only_stores { Ok(()) } else { client.admit() }
}

/// A request that is not well-formed.
fn malformed(media: Media, code: Code, message: impl Into<String>) -> Response {
    respond(media, Outcome::Malformed(code), body(&refusal(Error::new(code, message))))
}

fn not_acceptable() -> Response {
    let message = "Accept: answers come as application/graphql-response+json, application/json or text/event-stream";
    malformed(Media::Json, Code::NotAcceptable, message)
}

fn no_document(media: Media) -> Response {
    malformed(media, Code::ParseFailed, NO_DOCUMENT)
}

/// Queries and mutations.
pub(super) async fn post(
    State(ways): State<Ways>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(media) = Media::negotiate(&headers) else { return not_acceptable() };
    if let Err(error) = caller.enter() {
        return told(media, &refusal(error));
    }
    // A form on another site can send neither this type nor ask for permission to: this is what keeps mutations ours.
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return malformed(media, Code::UnsupportedMediaType, "Content-Type: send the request as application/json");
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return malformed(media, Code::TooLarge, "the body is over the limit (--max-body): send it in parts");
        }
        Err(_) => return malformed(media, Code::ParseFailed, "the body could not be read"),
    };
    match request::read(&body) {
        Ok(Sent::One(request)) => one(&ways, Who { caller, client }, media, request).await,
        Ok(Sent::Batch(requests)) => batch(&ways, &Who { caller, client }, media, requests).await,
        Err(reason) => malformed(media, Code::ParseFailed, format!("the body is no GraphQL request: {reason}")),
    }
}

/// A query; or, for a browser that just looks, GraphiQL.
pub(super) async fn get(
    State(ways): State<Ways>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let read = request::read_parameters(&query.unwrap_or_default());
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") && read.as_ref().is_ok_and(|request| !request.names_a_document()) {
        return assets::page("graphiql.html");
    }
    let Some(media) = Media::negotiate(&headers) else { return not_acceptable() };
    if let Err(error) = caller.enter() {
        return told(media, &refusal(error));
    }
    let request = match read {
        Ok(request) => request,
        Err(reason) => return malformed(media, Code::ParseFailed, reason),
    };
    if !request.names_a_document() {
        return no_document(media);
    }
    let wanted = match prepare(&ways, Who { caller, client }, request) {
        Ok(wanted) => wanted,
        Err(answer) if media == Media::EventStream => return no_stream(&ways, media, *answer),
        Err(answer) => return cached(&ways, &headers, media, &answer),
    };
    if wanted.operation.may_store() {
        let mut response = malformed(media, Code::MethodNotAllowed, "a mutation is sent with POST");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if media == Media::EventStream {
        return stream_of(&ways, media, wanted);
    }
    let answer = run(&ways, wanted).await;
    cached(&ways, &headers, media, &answer)
}

/// What does not run is told in an event, as graphql-sse has it; what may not run, by the status.
fn no_stream(ways: &Ways, media: Media, answer: Answer) -> Response {
    match Outcome::of(&answer) {
        Outcome::Denied(_) => told(media, &answer),
        _ => live::events(ways, stream::iter([answer]).boxed()),
    }
}

/// The events of an operation. A stream has said 200 before its first event, so whoever may not is told before.
fn stream_of(ways: &Ways, media: Media, wanted: Wanted) -> Response {
    let Operation { caller, document, name, .. } = &wanted.operation;
    let answers = match ways.graph.admit(caller, document, name.as_deref()) {
        Ok(()) => live::answers(ways, wanted),
        Err(error) => Err(error),
    };
    match answers {
        Ok(answers) => live::events(ways, answers),
        Err(error) => told(media, &refusal(error)),
    }
}

fn cached(ways: &Ways, headers: &HeaderMap, media: Media, answer: &Answer) -> Response {
    if Outcome::of(answer) != Outcome::Complete {
        let mut response = told(media, answer);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    respond_to_get(headers, ways.settings.cache_seconds, media, body(answer))
}

async fn one(ways: &Ways, who: Who, media: Media, request: Request) -> Response {
    if !request.names_a_document() {
        return no_document(media);
    }
    let answer = match prepare(ways, who, request) {
        Ok(wanted) if media == Media::EventStream => return stream_of(ways, media, wanted),
        Ok(wanted) => run(ways, wanted).await,
        Err(answer) if media == Media::EventStream => return no_stream(ways, media, *answer),
        Err(answer) => *answer,
    };
    told(media, &answer)
}

/// Requests that know nothing of each other, some of them at the same time. Each has its own answer, whatever becomes of the others.
async fn batch(ways: &Ways, who: &Who, media: Media, requests: Vec<Request>) -> Response {
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
    let answers = requests.into_iter().map(async |request| match prepare(ways, who.clone(), request) {
        Ok(wanted) if wanted.operation.kind() == Some(OperationType::Subscription) => {
            refusal(Error::bad_input("a subscription can't be part of a batch: send it by itself"))
        }
        Ok(wanted) => run(ways, wanted).await,
        Err(answer) => *answer,
    });
    let answers: Vec<Answer> = stream::iter(answers).buffered(SIDE_BY_SIDE).collect().await;
    respond(media, Outcome::Complete, batch_body(&answers))
}

/// Who asks: what they may do, and whose requests are counted.
#[derive(Clone)]
pub(super) struct Who {
    pub caller: Caller,
    pub client: Client,
}

/// What is to be run, and whether its cost is to be told with the one answer.
pub(super) struct Wanted {
    pub operation: Operation,
    cost: bool,
}

/// Finds the document of a request, and counts it.
pub(super) fn prepare(ways: &Ways, Who { caller, client }: Who, request: Request) -> Result<Wanted, Box<Answer>> {
    let Request { query, document_id, operation_name, variables, extensions } = request;
    let document = ways.graph.document(query.as_deref(), document_id.as_deref(), extensions.hash.as_deref());
    let document = document.map_err(|error: ServerError| {
        // Looking for it counts as well.
        let refused = client.admit().err().map(refusal);
        Box::new(refused.unwrap_or_else(|| Answer::from_errors(vec![error])))
    })?;
    let name = operation_name.filter(|name| !name.is_empty());
    let operation = Operation { document, name, variables, omitted: Arc::default(), caller };
    admit(ways, &client, &operation).map_err(|error| Box::new(refusal(error)))?;
    Ok(Wanted { operation, cost: extensions.cost })
}

pub(super) async fn run(ways: &Ways, Wanted { operation, cost }: Wanted) -> Answer {
    let cost = if cost { ways.graph.cost(&operation).await } else { None };
    let answer = ways.graph.execute(operation).await;
    match cost {
        Some(cost) => answer.extension("cost", cost.into()),
        None => answer,
    }
}
