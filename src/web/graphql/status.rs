//! The outcome of a request, and its HTTP status ("Status Codes" in GraphQL over HTTP).

use async_graphql::{Response as GraphqlResponse, ServerError, Value};
use axum::http::StatusCode;

use crate::{error::Code, web::graphql::media::Media};

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Executed without errors.
    Complete,
    /// Executed, with errors in some or all fields.
    Partial,
    /// Not executed: the document has a syntax error.
    Unparsed,
    /// Not executed: the document is invalid, the variables do not match, or a limit is exceeded.
    Invalid,
    /// Not executed for another reason, given by the code.
    Denied(Code),
    /// No GraphQL request.
    Malformed(Code),
}

impl Outcome {
    /// Returns the outcome that a response reports.
    pub(crate) fn of(answer: &GraphqlResponse) -> Self {
        match answer.errors.first() {
            None => Self::Complete,
            Some(_) if was_run(answer) => Self::Partial,
            Some(error) => Self::of_refusal(code(error)),
        }
    }

    /// Returns the outcome of a well-formed request that was not executed.
    fn of_refusal(code: Code) -> Self {
        match code {
            Code::ParseFailed => Self::Unparsed,
            code if code.status() == StatusCode::BAD_REQUEST.as_u16() => Self::Invalid,
            code => Self::Denied(code),
        }
    }
}

/// Whether the request was executed: otherwise the response has no `data`.
pub(crate) fn was_run(answer: &GraphqlResponse) -> bool {
    answer.errors.is_empty() || answer.data != Value::Null || answer.errors.iter().any(|error| !error.path.is_empty())
}

/// Whether the request was denied rather than executed or invalid.
pub(crate) fn is_denied(answer: &GraphqlResponse) -> bool {
    matches!(Outcome::of(answer), Outcome::Denied(_))
}

/// Whether a mutation may have stored something. Payloads that are null stored nothing.
pub(crate) fn may_have_stored(answer: &GraphqlResponse) -> bool {
    let has_payload = match &answer.data {
        Value::Object(members) => members.values().any(|value| matches!(value, Value::Object(_))),
        _ => false,
    };
    was_run(answer) && (has_payload || !answer.errors.is_empty())
}

/// Returns the code of an error.
pub(crate) fn code(error: &ServerError) -> Code {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    match code {
        Some(Value::String(text)) => Code::parse(text).unwrap_or(Code::Internal),
        _ => Code::Internal,
    }
}

/// Executed with errors. The draft proposes 294.
const PARTIAL: u16 = 200;
/// Invalid documents, variables or sizes. The draft proposes 422.
const INVALID: u16 = 400;

/// Returns the status of a response in this media type.
pub(crate) fn status(outcome: Outcome, media: Media) -> StatusCode {
    // For the specification's media type, and for the legacy one, whose clients take any status but 200 for an error of
    // a proxy. Only denied requests have the same status in both.
    let (own, old) = match outcome {
        Outcome::Complete => (200, 200),
        Outcome::Partial => (PARTIAL, 200),
        Outcome::Unparsed => (400, 200),
        Outcome::Invalid => (INVALID, 200),
        Outcome::Denied(code) if code.status() == 404 => (404, 200),
        Outcome::Denied(code) | Outcome::Malformed(code) => (code.status(), code.status()),
    };
    let status = if media == Media::GraphqlResponse { own } else { old };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
