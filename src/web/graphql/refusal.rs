//! Requests that are not run, and what they are answered with.

use async_graphql::{Response as Answer, Value};
use axum::{http::HeaderMap, response::Response};

use crate::{
    error::{Code, Error},
    graphql::refusal,
    http,
    web::{
        graphql::{
            media::{Accepted, Media},
            response::{body, respond},
            status::Outcome,
        },
        guard::rate_limit::Client,
    },
};

/// What is said of a request that does not say what to run.
pub(crate) const NO_DOCUMENT: &str = "query: it is required: the text of a GraphQL document, or documentId: its id";

/// An answer as it is sent. Whoever may not is told how to come back.
pub(crate) fn told(media: Media, answer: &Answer) -> Response {
    let mut response = respond(media, Outcome::of(answer), body(answer));
    advise(response.headers_mut(), answer);
    response
}

/// A refusal from before the request was read.
pub(crate) fn refused(headers: &HeaderMap, error: Error) -> Response {
    told(Accepted::of(headers).map_or(Media::Json, Accepted::for_one), &refusal(error))
}

/// A request that is not well-formed.
pub(crate) fn malformed(media: Media, code: Code, message: impl Into<String>) -> Response {
    respond(media, Outcome::Malformed(code), body(&refusal(Error::new(code, message))))
}

pub(crate) fn not_acceptable() -> Response {
    let message = "Accept: answers come as application/graphql-response+json or application/json, and subscriptions as \
                   text/event-stream or multipart/mixed;subscriptionSpec=1.0";
    malformed(Media::Json, Code::NotAcceptable, message)
}

pub(crate) fn no_document(media: Media) -> Response {
    malformed(media, Code::ParseFailed, NO_DOCUMENT)
}

/// Answers a request that does not come to be run: it counts like one that does.
pub(crate) fn counted(client: &Client, media: Media, refused: Response) -> Response {
    client.admit().map_or_else(|error| told(media, &refusal(error)), |()| refused)
}

/// Tells whoever got a GraphQL answer that is a refusal how to come back.
pub(crate) fn advise(headers: &mut HeaderMap, answer: &Answer) {
    let Some(extensions) = answer.errors.first().and_then(|error| error.extensions.as_ref()) else { return };
    let text = |name| match extensions.get(name) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let retry_after = match extensions.get("retryAfter") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        _ => None,
    };
    if let Some(code) = text("code").and_then(Code::parse) {
        http::advise(headers, code, text("scope"), retry_after);
    }
}
