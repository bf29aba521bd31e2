//! GraphQL over HTTP, after the specification of that name (draft of 2025): POST with JSON, GET for queries, the status by the media
//! type asked for.

use std::sync::Arc;

use async_graphql::{
    Response as Answer, ServerError, Value, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, OperationType},
};
use axum::{
    Extension,
    body::Bytes,
    extract::{RawQuery, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{Ways, assets, live, rate::Client};
use crate::{
    error::{Code, Error},
    graphql::{Operation, with_code, write_answer, write_value},
};

/// The media types of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// The specification's own: the status tells whether the request could be run.
    GraphqlResponse,
    /// The old one: 200 for every well-formed request.
    Json,
    /// Server-sent events, for subscriptions.
    EventStream,
}

impl Media {
    fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json | Self::EventStream => "application/json; charset=utf-8",
        }
    }

    /// The best of what `Accept` lists; JSON where nothing is said.
    fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        let mut asked = false;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default().to_ascii_lowercase();
                asked |= !name.is_empty();
                let media = match name.as_str() {
                    "application/graphql-response+json" => Self::GraphqlResponse,
                    "text/event-stream" => Self::EventStream,
                    "application/json" | "application/*" | "*/*" => Self::Json,
                    _ => continue,
                };
                let quality =
                    parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
                if quality > 0.0 && best.is_none_or(|(so_far, _)| quality > so_far) {
                    best = Some((quality, media));
                }
            }
        }
        if asked { best.map(|(_, media)| media) } else { Some(Self::Json) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Variables>,
}

/// Whether anything was run: otherwise there is no `data` to speak of.
fn was_run(answer: &Answer) -> bool {
    answer.errors.is_empty() || answer.data != Value::Null || answer.errors.iter().any(|error| !error.path.is_empty())
}

/// An answer as it is written.
pub(super) fn body(answer: &Answer) -> Vec<u8> {
    let mut json = vec![b'{'];
    if was_run(answer) {
        json.extend_from_slice(b"\"data\":");
        write_answer(&answer.data, &mut json);
    }
    if !answer.errors.is_empty() {
        json.extend_from_slice(if json.len() > 1 { b",\"errors\":" } else { b"\"errors\":" });
        write_value(&answer.errors, &mut json);
    }
    json.push(b'}');
    json
}

fn write(media: Media, status: StatusCode, answer: &Answer) -> Response {
    let status = match media {
        Media::GraphqlResponse if status == StatusCode::OK && !was_run(answer) => StatusCode::BAD_REQUEST,
        _ => status,
    };
    (status, [(header::CONTENT_TYPE, media.name())], body(answer)).into_response()
}

/// A request that is not well-formed.
fn refuse(media: Media, code: Code, message: &str) -> Response {
    let answer = Answer::from_errors(vec![with_code(ServerError::new(message, None), code)]);
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = write(media, status, &answer);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A refusal from before the request was read.
pub(super) fn refused(headers: &HeaderMap, error: &Error) -> Response {
    refuse(Media::negotiate(headers).unwrap_or(Media::Json), error.code, &error.message)
}

fn not_acceptable() -> Response {
    let message = "Accept: answers come as application/graphql-response+json, application/json or text/event-stream";
    refuse(Media::Json, Code::NotAcceptable, message)
}

/// A query or a mutation.
pub(super) async fn post(
    State(ways): State<Ways>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(media) = Media::negotiate(&headers) else { return not_acceptable() };
    // A form on another site can send neither this type nor ask for permission to: this is what keeps mutations ours.
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return refuse(media, Code::UnsupportedMediaType, "Content-Type: send the request as application/json");
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return refuse(media, Code::TooLarge, "the body is over the limit (--max-body): send it in parts");
        }
        Err(_) => return refuse(media, Code::ParseFailed, "the body could not be read"),
    };
    match serde_json::from_slice(&body) {
        Ok(body) => run(&ways, &client, media, body, true).await,
        Err(error) => refuse(media, Code::ParseFailed, &format!("the body is no GraphQL request: {error}")),
    }
}

/// A query; or, for a browser that just looks, GraphiQL.
pub(super) async fn get(
    State(ways): State<Ways>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let mut body = Body { query: None, operation_name: None, variables: None };
    let mut variables = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "query" => body.query = Some(value.into_owned()),
            "operationName" => body.operation_name = Some(value.into_owned()),
            "variables" => variables = Some(value.into_owned()),
            _ => {}
        }
    }
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if body.query.is_none() && wants_page {
        return assets::page("graphiql.html");
    }
    let Some(media) = Media::negotiate(&headers) else { return not_acceptable() };
    if let Some(text) = variables.filter(|text| !text.is_empty()) {
        match serde_json::from_str(&text) {
            Ok(read) => body.variables = Some(read),
            Err(error) => return refuse(media, Code::ParseFailed, &format!("variables: no JSON object: {error}")),
        }
    }
    run(&ways, &client, media, body, false).await
}

async fn run(ways: &Ways, client: &Client, media: Media, body: Body, may_mutate: bool) -> Response {
    let Body { query, operation_name, variables } = body;
    let Some(query) = query else {
        return refuse(media, Code::ParseFailed, "query: it is required: the text of a GraphQL document");
    };
    let document = ways.graph.parse(&query);
    let name = operation_name.filter(|name| !name.is_empty());
    let is_mutation =
        document.as_ref().is_ok_and(|document| is_a(OperationType::Mutation, document.parsed(), name.as_deref()));
    // What is to be stored does not count.
    if !is_mutation && let Err(too_fast) = client.admit() {
        let error = too_fast.error();
        return too_fast.stamp(refuse(media, error.code, &error.message));
    }
    let document = match document {
        Ok(document) => document,
        Err(error) => return write(media, StatusCode::OK, &Answer::from_errors(vec![error])),
    };
    if !may_mutate && is_mutation {
        let mut response = refuse(media, Code::MethodNotAllowed, "a mutation is sent with POST");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let operation = Operation { document, name, variables: variables.unwrap_or_default(), omitted: Arc::default() };
    if media == Media::EventStream {
        return match ways.fence.subscriptions.open() {
            Ok(subscribed) => live::events(ways, operation, subscribed),
            Err(error) => refuse(media, error.code, &error.message),
        };
    }
    let answer = ways.graph.execute(operation).await;
    let mut response = write(media, StatusCode::OK, &answer);
    response.headers_mut().insert(HeaderName::from_static("vary"), HeaderValue::from_static("accept"));
    response
}

/// Whether the operation that is to run is of this kind; without a name, whether any is.
pub(super) fn is_a(kind: OperationType, document: &ExecutableDocument, name: Option<&str>) -> bool {
    match &document.operations {
        DocumentOperations::Single(operation) => operation.node.ty == kind,
        DocumentOperations::Multiple(operations) => match name {
            Some(name) => operations.get(name).is_some_and(|operation| operation.node.ty == kind),
            None => operations.values().any(|operation| operation.node.ty == kind),
        },
    }
}
