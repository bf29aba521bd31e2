//! Responses to requests that are not executed.

use async_graphql::{Response as GraphqlResponse, Value};
use axum::{
    http::{Extensions, HeaderMap},
    response::Response,
};

use crate::{
    error::{Code, Error},
    graphql::refusal,
    http::{self, facts::Refused},
    web::{
        graphql::{
            media::{Accepted, Media},
            response::{body, respond},
            status::{Outcome, code},
        },
        guard::rate_limit::Client,
    },
};

/// The error for a request without a document.
pub(crate) const NO_DOCUMENT: &str = "query: it is required: the text of a GraphQL document, or documentId: its id";

/// Builds the HTTP response for a GraphQL response, with the headers that tell how to retry.
pub(crate) fn respond_with(media: Media, answer: &GraphqlResponse) -> Response {
    let mut response = respond(media, Outcome::of(answer), body(answer));
    advise(response.headers_mut(), answer);
    response.extensions_mut().extend(refused_by(answer));
    response
}

/// Returns why a request was refused, or the first of its errors, as an extension of its response.
fn refused_by(answer: &GraphqlResponse) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(error) = answer.errors.first() {
        extensions.insert(Refused::new(code(error), &error.message));
    }
    extensions
}

/// Builds the response to a request that was rejected before it was read.
pub(crate) fn refused(headers: &HeaderMap, error: Error) -> Response {
    respond_with(Accepted::of(headers).map_or(Media::Json, Accepted::for_one), &refusal(error))
}

/// Builds the response to a malformed request.
pub(crate) fn malformed(media: Media, code: Code, message: impl Into<String>) -> Response {
    let message = message.into();
    let refused = Refused::new(code, &message);
    let mut response = respond(media, Outcome::Malformed(code), body(&refusal(Error::new(code, message))));
    response.extensions_mut().insert(refused);
    response
}

pub(crate) fn not_acceptable() -> Response {
    let message = "Accept: answers come as application/graphql-response+json or application/json, and subscriptions as \
                   text/event-stream or multipart/mixed;subscriptionSpec=1.0";
    malformed(Media::Json, Code::NotAcceptable, message)
}

pub(crate) fn no_document(media: Media) -> Response {
    malformed(media, Code::ParseFailed, NO_DOCUMENT)
}

/// Counts a request that is not executed, then responds.
pub(crate) fn respond_counted(client: &Client, media: Media, refused: Response) -> Response {
    client.check_rate().map_or_else(|error| respond_with(media, &refusal(error)), |()| refused)
}

/// Adds the headers that tell how to retry, if the response is an error of that kind.
pub(crate) fn advise(headers: &mut HeaderMap, answer: &GraphqlResponse) {
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
