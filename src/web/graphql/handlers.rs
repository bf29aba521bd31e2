//! GraphQL over HTTP (draft of 2025): POST with JSON, one request or a batch; GET for queries, which caches may keep.
//! The status depends on the media type that is asked for.

use std::iter;

use async_graphql::Response as GraphqlResponse;
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
    graphql::{Operation, check_values, limit_exceeded, refusal},
    http::{
        facts::RequestFacts,
        media_type::MediaType,
        options::{is_options, respond_to_options},
    },
    web::{
        graphql::{
            execute::{PreparedOperation, Requester, prepare, run},
            media::{Accepted, Media, wants_page},
            refusal::{advise, malformed, no_document, not_acceptable, respond_counted, respond_with},
            request::{self, PostBody, Request},
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

/// Value of `Allow`.
const ALLOWED: &str = "GET, HEAD, POST";

/// Handles POST: queries, mutations, subscriptions as streams.
pub(crate) async fn post(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    facts: Option<Extension<RequestFacts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(accepted) = Accepted::of(&headers) else { return respond_counted(&client, Media::Json, not_acceptable()) };
    let media = accepted.for_one();
    let requester = Requester { caller, client, facts: facts.map(|Extension(facts)| facts).unwrap_or_default() };
    match read(&requester.caller, media, &headers, body, state.settings.limits.max_batch) {
        Ok(PostBody::One(request)) if request.names_a_document() => one(&state, requester, accepted, request).await,
        Ok(PostBody::One(_)) => respond_counted(&requester.client, media, no_document(media)),
        Ok(sent) => match of_batch(&state, media, sent) {
            Ok(requests) => batch(&state, &requester, media, requests).await,
            Err(refused) => respond_counted(&requester.client, media, *refused),
        },
        Err(refused) => respond_counted(&requester.client, media, *refused),
    }
}

/// Reads the body of a POST, if the caller may do anything at all.
fn read(
    caller: &Caller,
    media: Media,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    most: usize,
) -> Result<PostBody, Box<Response>> {
    caller.enter().map_err(|error| Box::new(respond_with(media, &refusal(error))))?;
    let malformed = |code, message: String| Box::new(malformed(media, code, message));
    // Forms of other sites can neither send this type nor a preflight: this protects mutations against CSRF.
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

/// Handles GET: queries, and GraphiQL for browsers that navigate here.
pub(crate) async fn get(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<Client>,
    facts: Option<Extension<RequestFacts>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let read = request::read_parameters(uri.query().unwrap_or_default());
    if wants_page(&headers) && read.as_ref().is_ok_and(|request| !request.names_a_document()) {
        let mut page = pages::page("graphiql.html", &uri, state.access.mode());
        page.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
        return page;
    }
    let Some(accepted) = Accepted::of(&headers) else { return respond_counted(&client, Media::Json, not_acceptable()) };
    let media = accepted.for_one();
    if let Err(error) = caller.enter() {
        return respond_counted(&client, media, respond_with(media, &refusal(error)));
    }
    let request = match read {
        Ok(request) if request.names_a_document() => request,
        Ok(_) => return respond_counted(&client, media, no_document(media)),
        Err(reason) => return respond_counted(&client, media, malformed(media, Code::ParseFailed, reason)),
    };
    let facts = facts.map(|Extension(facts)| facts).unwrap_or_default();
    let prepared = match prepare(&state, Requester { caller, client: client.clone(), facts }, request) {
        Ok(prepared) => prepared,
        Err(answer) if media == Media::EventStream => return no_stream(&state, media, *answer),
        Err(answer) => return cached(&state, &headers, media, &answer),
    };
    if prepared.operation.may_store() {
        let mut response = malformed(media, Code::MethodNotAllowed, "a mutation is sent with POST");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return if prepared.uncounted.is_some() { respond_counted(&client, media, response) } else { response };
    }
    let carrier = accepted.for_operation(prepared.operation.kind());
    if carrier.is_stream() {
        return stream_of(&state, media, carrier, prepared);
    }
    let answer = run(&state, prepared).await;
    cached(&state, &headers, media, &answer)
}

/// Handles every other method.
pub(crate) async fn other_method(method: Method, Extension(client): Extension<Client>, headers: HeaderMap) -> Response {
    if is_options(&method) {
        return ([(header::ALLOW, ALLOWED)], respond_to_options()).into_response();
    }
    let media = Accepted::of(&headers).map_or(Media::Json, Accepted::for_one);
    let message = "a query is sent with GET or POST, a mutation with POST";
    let mut response = malformed(media, Code::MethodNotAllowed, message);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    respond_counted(&client, media, response)
}

/// Reports an operation that cannot run: in an event, as graphql-sse does; by status, if the caller may not run it.
fn no_stream(state: &AppState, media: Media, answer: GraphqlResponse) -> Response {
    match Outcome::of(&answer) {
        Outcome::Denied(_) => respond_with(media, &answer),
        _ => events(state, stream::iter([answer]).boxed()),
    }
}

/// Responds with a stream. Its status is 200 before the first response, so authorisation is checked first.
fn stream_of(state: &AppState, media: Media, carrier: Media, prepared: PreparedOperation) -> Response {
    let Operation { caller, document, name, .. } = &prepared.operation;
    let answers = match state.graph.admit(caller, document, name.as_deref()) {
        Ok(()) => answers(state, prepared),
        Err(error) => Err(error),
    };
    match answers {
        Ok((answers, permit)) => {
            let held = answers.map(move |answer| {
                let _permit = &permit;
                answer
            });
            let streamed = if carrier == Media::Multipart { parts } else { events };
            streamed(state, held.boxed())
        }
        Err(error) => respond_with(media, &refusal(error)),
    }
}

fn cached(state: &AppState, headers: &HeaderMap, media: Media, answer: &GraphqlResponse) -> Response {
    if Outcome::of(answer) != Outcome::Complete {
        let mut response = respond_with(media, answer);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    respond_to_get(headers, state.settings.cache_seconds, media, body(answer))
}

async fn one(state: &AppState, requester: Requester, accepted: Accepted, request: Request) -> Response {
    let media = accepted.for_one();
    let answer = match prepare(state, requester, request) {
        Ok(prepared) => match accepted.for_operation(prepared.operation.kind()) {
            carrier if carrier.is_stream() => return stream_of(state, media, carrier, prepared),
            _ => run(state, prepared).await,
        },
        Err(answer) if media == Media::EventStream => return no_stream(state, media, *answer),
        Err(answer) => *answer,
    };
    respond_with(media, &answer)
}

/// Returns the requests of a batch, if it can be answered.
fn of_batch(state: &AppState, media: Media, sent: PostBody) -> Result<Vec<Request>, Box<Response>> {
    let most = state.settings.limits.max_batch;
    let malformed = |code, message| Err(Box::new(malformed(media, code, message)));
    match sent {
        _ if media.is_stream() => {
            malformed(Code::NotAcceptable, "Accept: a batch is answered as JSON, not as a stream")
        }
        PostBody::Batch(requests) if requests.is_empty() => {
            malformed(Code::ParseFailed, "the batch is empty: it holds 1 request at least")
        }
        PostBody::Batch(requests) => Ok(requests),
        PostBody::TooMany(count) => {
            let found = format!("more than {most} requests were sent together");
            let answer =
                || GraphqlResponse::from_errors(vec![limit_exceeded("max-batch", &found, most, "send them in parts")]);
            let answers: Vec<_> = iter::repeat_with(answer).take(count.min(MAX_BATCH_ERRORS)).collect();
            Err(Box::new(respond(media, Outcome::Invalid, batch_body(&answers))))
        }
        PostBody::One(request) => Ok(vec![request]),
    }
}

/// Executes the requests of a batch, some of them concurrently. Each has its own response; if all are denied, the
/// status reports it.
async fn batch(state: &AppState, requester: &Requester, media: Media, requests: Vec<Request>) -> Response {
    let answers = requests.into_iter().map(async |request| match prepare(state, requester.clone(), request) {
        Ok(prepared) => run(state, prepared).await,
        Err(answer) => *answer,
    });
    let answers: Vec<GraphqlResponse> = stream::iter(answers).buffered(MAX_CONCURRENT_IN_BATCH).collect().await;
    // Unknown persisted documents do not deny the batch: clients retry with the text.
    let is_denied = |answer| matches!(Outcome::of(answer), Outcome::Denied(code) if code.status() != 404);
    let denied = answers.first().filter(|_| answers.iter().all(is_denied));
    let mut response = respond(media, denied.map_or(Outcome::Complete, Outcome::of), batch_body(&answers));
    if let Some(denied) = denied {
        advise(response.headers_mut(), denied);
    }
    response
}
