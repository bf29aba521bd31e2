//! GraphQL over HTTP, after the specification of that name (draft of 2025): POST with JSON, one request or a batch; GET for queries,
//! which caches may keep; the status by the media type asked for.

use std::iter;

use async_graphql::Response as Answer;
use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};

use crate::{
    access::Caller,
    error::Code,
    graphql::{Operation, check_values, crossed, refusal},
    http::{
        media_type::MediaType,
        options::{asks_what_may_be_sent, what_may_be_sent},
    },
    web::{
        graphql::{
            execute::{Wanted, Who, prepare, run},
            media::{Accepted, Media, wants_page},
            refusal::{advise, counted, malformed, no_document, not_acceptable, told},
            request::{self, Request, Sent},
            response::{batch_body, body, respond, respond_to_get},
            sse::{events, parts},
            status::Outcome,
            stream::answers,
        },
        guard::rate_limit::Client,
        limits::{MAX_BATCH_ERRORS, MAX_CONCURRENT_IN_BATCH},
        pages,
        state::AppState,
    },
};

/// What may be sent.
const ALLOWED: &str = "GET, HEAD, POST";

/// Queries and mutations.
pub(crate) async fn post(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(accepted) = Accepted::of(&headers) else { return counted(&client, Media::Json, not_acceptable()) };
    let media = accepted.for_one();
    let who = Who { caller, client };
    match read(&who.caller, media, &headers, body, state.settings.limits.max_batch) {
        Ok(Sent::One(request)) if request.names_a_document() => one(&state, who, accepted, request).await,
        Ok(Sent::One(_)) => counted(&who.client, media, no_document(media)),
        Ok(sent) => match of_batch(&state, media, sent) {
            Ok(requests) => batch(&state, &who, media, requests).await,
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
    let media_type = MediaType::of_body(headers);
    if !media_type.is_json() || !media_type.is_utf8() {
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
pub(crate) async fn get(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let read = request::read_parameters(uri.query().unwrap_or_default());
    if wants_page(&headers) && read.as_ref().is_ok_and(|request| !request.names_a_document()) {
        let mut page = pages::page("graphiql.html", &uri, state.access.mode());
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
    let wanted = match prepare(&state, Who { caller, client: client.clone() }, request) {
        Ok(wanted) => wanted,
        Err(answer) if media == Media::EventStream => return no_stream(&state, media, *answer),
        Err(answer) => return cached(&state, &headers, media, &answer),
    };
    if wanted.operation.may_store() {
        let mut response = malformed(media, Code::MethodNotAllowed, "a mutation is sent with POST");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return if wanted.uncounted.is_some() { counted(&client, media, response) } else { response };
    }
    let carrier = accepted.for_operation(wanted.operation.kind());
    if carrier.is_stream() {
        return stream_of(&state, media, carrier, wanted);
    }
    let answer = run(&state, wanted).await;
    cached(&state, &headers, media, &answer)
}

/// Whatever is neither GET nor POST.
pub(crate) async fn other_method(method: Method, Extension(client): Extension<Client>, headers: HeaderMap) -> Response {
    if asks_what_may_be_sent(&method) {
        return ([(header::ALLOW, ALLOWED)], what_may_be_sent()).into_response();
    }
    let media = Accepted::of(&headers).map_or(Media::Json, Accepted::for_one);
    let message = "a query is sent with GET or POST, a mutation with POST";
    let mut response = malformed(media, Code::MethodNotAllowed, message);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    counted(&client, media, response)
}

/// What does not run is told in an event, as graphql-sse has it; what may not run, by the status.
fn no_stream(state: &AppState, media: Media, answer: Answer) -> Response {
    match Outcome::of(&answer) {
        Outcome::Denied(_) => told(media, &answer),
        _ => events(state, stream::iter([answer]).boxed()),
    }
}

/// The answers of an operation in a stream. It has said 200 before the first of them, so whoever may not is told before.
fn stream_of(state: &AppState, media: Media, carrier: Media, wanted: Wanted) -> Response {
    let Operation { caller, document, name, .. } = &wanted.operation;
    let answers = match state.graph.admit(caller, document, name.as_deref()) {
        Ok(()) => answers(state, wanted),
        Err(error) => Err(error),
    };
    match answers {
        Ok((answers, place)) => {
            let held = answers.map(move |answer| {
                let _held = &place;
                answer
            });
            let streamed = if carrier == Media::Multipart { parts } else { events };
            streamed(state, held.boxed())
        }
        Err(error) => told(media, &refusal(error)),
    }
}

fn cached(state: &AppState, headers: &HeaderMap, media: Media, answer: &Answer) -> Response {
    if Outcome::of(answer) != Outcome::Complete {
        let mut response = told(media, answer);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    respond_to_get(headers, state.settings.cache_seconds, media, body(answer))
}

async fn one(state: &AppState, who: Who, accepted: Accepted, request: Request) -> Response {
    let media = accepted.for_one();
    let answer = match prepare(state, who, request) {
        Ok(wanted) => match accepted.for_operation(wanted.operation.kind()) {
            carrier if carrier.is_stream() => return stream_of(state, media, carrier, wanted),
            _ => run(state, wanted).await,
        },
        Err(answer) if media == Media::EventStream => return no_stream(state, media, *answer),
        Err(answer) => *answer,
    };
    told(media, &answer)
}

/// The requests of a batch, where it may be answered.
fn of_batch(state: &AppState, media: Media, sent: Sent) -> Result<Vec<Request>, Box<Response>> {
    let most = state.settings.limits.max_batch;
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
            let answers: Vec<_> = iter::repeat_with(answer).take(count.min(MAX_BATCH_ERRORS)).collect();
            Err(Box::new(respond(media, Outcome::Invalid, batch_body(&answers))))
        }
        Sent::One(request) => Ok(vec![request]),
    }
}

/// Requests that know nothing of each other, some of them at the same time. Each has its own answer, whatever becomes of the others;
/// where none may be answered, the status says so.
async fn batch(state: &AppState, who: &Who, media: Media, requests: Vec<Request>) -> Response {
    let answers = requests.into_iter().map(async |request| match prepare(state, who.clone(), request) {
        Ok(wanted) => run(state, wanted).await,
        Err(answer) => *answer,
    });
    let answers: Vec<Answer> = stream::iter(answers).buffered(MAX_CONCURRENT_IN_BATCH).collect().await;
    // A document that is not known is no reason to say so of the batch: clients send its text then.
    let is_denied = |answer| matches!(Outcome::of(answer), Outcome::Denied(code) if code.status() != 404);
    let denied = answers.first().filter(|_| answers.iter().all(is_denied));
    let mut response = respond(media, denied.map_or(Outcome::Complete, Outcome::of), batch_body(&answers));
    if let Some(denied) = denied {
        advise(response.headers_mut(), denied);
    }
    response
}
