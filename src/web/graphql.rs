//! GraphQL over HTTP, after the specification of that name (draft of 2025): POST with JSON, one request or a batch; GET for queries,
//! which caches may keep; the status by the media type asked for.

mod answer;
mod media;
mod request;
mod status;

use std::{iter, sync::Arc};

use async_graphql::{Response as Answer, parser::types::OperationType};
use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};

use self::{
    answer::{batch_body, respond, respond_to_get},
    media::{Accepted, Media},
    request::Sent,
    status::{Outcome, may_have_stored},
};
use super::{Ways, access, again, assets, live, rate::Client};
use crate::{
    access::Caller,
    error::{Code, Error},
    graphql::{Cost, Operation, check_values, crossed, refusal},
};
pub(super) use answer::body;
pub(super) use request::{Object, Request};
pub(super) use status::{is_denied, was_run};

/// Requests of a batch that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// Requests of a batch that are told one by one that they are too many. More come from nobody who reads that.
const MOST_REFUSED: usize = 1_000;

/// What may be sent.
const ALLOWED: &str = "GET, HEAD, POST";

/// What is said of a request that does not say what to run.
pub(super) const NO_DOCUMENT: &str = "query: it is required: the text of a GraphQL document, or documentId: its id";

/// What is said of a subscription that what was asked for can't carry.
const NO_STREAM: &str = "a subscription is sent by itself: over a WebSocket to this address (graphql-transport-ws), or with Accept: \
    text/event-stream or multipart/mixed;subscriptionSpec=1.0";

/// An answer as it is sent. Whoever may not is told how to come back.
fn told(media: Media, answer: &Answer) -> Response {
    let mut response = respond(media, Outcome::of(answer), body(answer));
    access::advise(response.headers_mut(), answer);
    response
}

/// A refusal from before the request was read.
pub(super) fn refused(headers: &HeaderMap, error: Error) -> Response {
    told(Accepted::of(headers).map_or(Media::Json, Accepted::for_one), &refusal(error))
}

/// A request that is not well-formed.
fn malformed(media: Media, code: Code, message: impl Into<String>) -> Response {
    respond(media, Outcome::Malformed(code), body(&refusal(Error::new(code, message))))
}

fn not_acceptable() -> Response {
    let message = "Accept: answers come as application/graphql-response+json or application/json, and subscriptions as \
                   text/event-stream or multipart/mixed;subscriptionSpec=1.0";
    malformed(Media::Json, Code::NotAcceptable, message)
}

fn no_document(media: Media) -> Response {
    malformed(media, Code::ParseFailed, NO_DOCUMENT)
}

/// Answers a request that does not come to be run: it counts like one that does.
fn counted(client: &Client, media: Media, refused: Response) -> Response {
    client.admit().map_or_else(|error| told(media, &refusal(error)), |()| refused)
}

/// Queries and mutations.
pub(super) async fn post(
    State(ways): State<Ways>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(accepted) = Accepted::of(&headers) else { return counted(&client, Media::Json, not_acceptable()) };
    let media = accepted.for_one();
    let who = Who { caller, client };
    match read(&who.caller, media, &headers, body, ways.settings.limits.max_batch) {
        Ok(Sent::One(request)) if request.names_a_document() => one(&ways, who, accepted, request).await,
        Ok(Sent::One(_)) => counted(&who.client, media, no_document(media)),
        Ok(sent) => match of_batch(&ways, media, sent) {
            Ok(requests) => batch(&ways, &who, media, requests).await,
            Err(refused) => counted(&who.client, media, *refused),
        },
        Err(refused) => counted(&who.client, media, *refused),
    }
}

/// What came in the body, for a caller who may send something.
fn read(
    caller: &Caller,
    media: Media,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    most: usize,
) -> Result<Sent, Box<Response>> {
    caller.enter().map_err(|error| Box::new(told(media, &refusal(error))))?;
    let malformed = |code, message: String| Box::new(malformed(media, code, message));
    // A form on another site can send neither this type nor ask for permission to: this is what keeps mutations ours.
    if !media::is_json(headers) {
        let message = "Content-Type: send the request as application/json, in UTF-8";
        return Err(malformed(Code::UnsupportedMediaType, message.to_owned()));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            malformed(Code::TooLarge, "the body is over the limit (--max-body): send it in parts".to_owned())
        }
        _ => malformed(Code::ParseFailed, "the body could not be read".to_owned()),
    })?;
    check_values(&body).map_err(|error| malformed(error.code, error.message))?;
    let sent = request::read(&body, most);
    sent.map_err(|reason| malformed(Code::ParseFailed, format!("the body is no GraphQL request: {reason}")))
}

/// A query; or, for a browser that just looks, GraphiQL.
pub(super) async fn get(
    State(ways): State<Ways>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let read = request::read_parameters(uri.query().unwrap_or_default());
    if media::wants_page(&headers) && read.as_ref().is_ok_and(|request| !request.names_a_document()) {
        let mut page = assets::page("graphiql.html", &uri, ways.access.mode());
        page.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
        return page;
    }
    let Some(accepted) = Accepted::of(&headers) else { return counted(&client, Media::Json, not_acceptable()) };
    let media = accepted.for_one();
    if let Err(error) = caller.enter() {
        return counted(&client, media, told(media, &refusal(error)));
    }
    let request = match read {
        Ok(request) if request.names_a_document() => request,
        Ok(_) => return counted(&client, media, no_document(media)),
        Err(reason) => return counted(&client, media, malformed(media, Code::ParseFailed, reason)),
    };
    let wanted = match prepare(&ways, Who { caller, client: client.clone() }, request) {
        Ok(wanted) => wanted,
        Err(answer) if media == Media::EventStream => return no_stream(&ways, media, *answer),
        Err(answer) => return cached(&ways, &headers, media, &answer),
    };
    if wanted.operation.may_store() {
        let mut response = malformed(media, Code::MethodNotAllowed, "a mutation is sent with POST");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return if wanted.uncounted.is_some() { counted(&client, media, response) } else { response };
    }
    let carrier = accepted.for_operation(wanted.operation.kind());
    if carrier.is_stream() {
        return stream_of(&ways, media, carrier, wanted);
    }
    let answer = run(&ways, wanted).await;
    cached(&ways, &headers, media, &answer)
}

/// Whatever is neither GET nor POST.
pub(super) async fn other_method(method: Method, Extension(client): Extension<Client>, headers: HeaderMap) -> Response {
    if again::asks_what_may_be_sent(&method) {
        return ([(header::ALLOW, ALLOWED)], again::what_may_be_sent()).into_response();
    }
    let media = Accepted::of(&headers).map_or(Media::Json, Accepted::for_one);
    let message = "a query is sent with GET or POST, a mutation with POST";
    let mut response = malformed(media, Code::MethodNotAllowed, message);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    counted(&client, media, response)
}

/// What does not run is told in an event, as graphql-sse has it; what may not run, by the status.
fn no_stream(ways: &Ways, media: Media, answer: Answer) -> Response {
    match Outcome::of(&answer) {
        Outcome::Denied(_) => told(media, &answer),
        _ => live::events(ways, stream::iter([answer]).boxed()),
    }
}

/// The answers of an operation in a stream. It has said 200 before the first of them, so whoever may not is told before.
fn stream_of(ways: &Ways, media: Media, carrier: Media, wanted: Wanted) -> Response {
    let Operation { caller, document, name, .. } = &wanted.operation;
    let answers = match ways.graph.admit(caller, document, name.as_deref()) {
        Ok(()) => live::answers(ways, wanted),
        Err(error) => Err(error),
    };
    match answers {
        Ok((answers, place)) => {
            let held = answers.map(move |answer| {
                let _held = &place;
                answer
            });
            let streamed = if carrier == Media::Multipart { live::parts } else { live::events };
            streamed(ways, held.boxed())
        }
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

async fn one(ways: &Ways, who: Who, accepted: Accepted, request: Request) -> Response {
    let media = accepted.for_one();
    let answer = match prepare(ways, who, request) {
        Ok(wanted) => match accepted.for_operation(wanted.operation.kind()) {
            carrier if carrier.is_stream() => return stream_of(ways, media, carrier, wanted),
            _ => run(ways, wanted).await,
        },
        Err(answer) if media == Media::EventStream => return no_stream(ways, media, *answer),
        Err(answer) => *answer,
    };
    told(media, &answer)
}

/// The requests of a batch, where it may be answered.
fn of_batch(ways: &Ways, media: Media, sent: Sent) -> Result<Vec<Request>, Box<Response>> {
    let most = ways.settings.limits.max_batch;
    let malformed = |code, message| Err(Box::new(malformed(media, code, message)));
    match sent {
        _ if media.is_stream() => {
            malformed(Code::NotAcceptable, "Accept: a batch is answered as JSON, not as a stream")
        }
        Sent::Batch(requests) if requests.is_empty() => {
            malformed(Code::ParseFailed, "the batch is empty: it holds 1 request at least")
        }
        Sent::Batch(requests) => Ok(requests),
        Sent::TooMany(count) => {
            let asked = format!("more than {most} requests were sent together");
            let answer = || Answer::from_errors(vec![crossed("max-batch", &asked, most, "send them in parts")]);
            let answers: Vec<_> = iter::repeat_with(answer).take(count.min(MOST_REFUSED)).collect();
            Err(Box::new(respond(media, Outcome::Invalid, batch_body(&answers))))
        }
        Sent::One(request) => Ok(vec![request]),
    }
}

/// Requests that know nothing of each other, some of them at the same time. Each has its own answer, whatever becomes of the others;
/// where none may be answered, the status says so.
async fn batch(ways: &Ways, who: &Who, media: Media, requests: Vec<Request>) -> Response {
    let answers = requests.into_iter().map(async |request| match prepare(ways, who.clone(), request) {
        Ok(wanted) => run(ways, wanted).await,
        Err(answer) => *answer,
    });
    let answers: Vec<Answer> = stream::iter(answers).buffered(SIDE_BY_SIDE).collect().await;
    // A document that is not known is no reason to say so of the batch: clients send its text then.
    let is_denied = |answer| matches!(Outcome::of(answer), Outcome::Denied(code) if code.status() != 404);
    let denied = answers.first().filter(|_| answers.iter().all(is_denied));
    let mut response = respond(media, denied.map_or(Outcome::Complete, Outcome::of), batch_body(&answers));
    if let Some(denied) = denied {
        access::advise(response.headers_mut(), denied);
    }
    response
}

/// Who asks: what they may do, and whose requests are counted.
#[derive(Clone)]
pub(super) struct Who {
    pub caller: Caller,
    pub client: Client,
}

/// What is to be run.
pub(super) struct Wanted {
    pub operation: Operation,
    /// Whether its cost is to be told, with the first answer.
    cost: bool,
    /// Whose request it is, where it does not count once it has stored something: that of a mutation that only stores.
    uncounted: Option<Client>,
}

/// Finds the document of a request, and counts it. What only stores does not count; a mutation whose payload leads on to more does.
pub(super) fn prepare(ways: &Ways, Who { caller, client }: Who, request: Request) -> Result<Wanted, Box<Answer>> {
    let Request { query, document_id, operation_name, variables, extensions } = request;
    let document = ways.graph.document(&caller, query.as_deref(), document_id.as_deref(), extensions.hash.as_deref());
    let document = document.map_err(|errors| {
        // Looking for it counts as well.
        let refused = client.admit().err().map(refusal);
        Box::new(refused.unwrap_or_else(|| Answer::from_errors(errors)))
    })?;
    let name = operation_name.filter(|name| !name.is_empty());
    let operation = Operation { document, name, variables, omitted: Arc::default(), caller };
    let only_stores = operation.kind() == Some(OperationType::Mutation) && !ways.graph.reads(&operation);
    if !only_stores {
        client.admit().map_err(|error| Box::new(refusal(error)))?;
    }
    Ok(Wanted { operation, cost: extensions.cost, uncounted: only_stores.then_some(client) })
}

/// Runs what gives one answer.
pub(super) async fn run(ways: &Ways, wanted: Wanted) -> Answer {
    if wanted.operation.kind() == Some(OperationType::Subscription) {
        let Operation { caller, document, name, .. } = &wanted.operation;
        let refused = ways.graph.admit(caller, document, name.as_deref()).err();
        return refusal(refused.unwrap_or_else(|| Error::new(Code::ValidationFailed, NO_STREAM)));
    }
    let cost = wanted.cost(ways).await;
    let Wanted { operation, uncounted, .. } = wanted;
    let answer = ways.graph.execute(operation).await;
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
    pub(super) async fn cost(&self, ways: &Ways) -> Option<Cost> {
        let Operation { document, name, caller, .. } = &self.operation;
        if !self.cost || ways.graph.admit(caller, document, name.as_deref()).is_err() {
            return None;
        }
        ways.graph.cost(&self.operation).await
    }
}

/// The answer, with what it costs.
pub(super) fn with_cost(answer: Answer, cost: Option<Cost>) -> Answer {
    match cost {
        Some(cost) => answer.extension("cost", cost.into()),
        None => answer,
    }
}
