//! What became of a request, and the one function that gives it an HTTP status ("Status Codes" of GraphQL over HTTP).

use async_graphql::{Response as Answer, ServerError, Value};
use axum::http::StatusCode;

use crate::{error::Code, web::graphql::media::Media};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran, and every field gave its value.
    Complete,
    /// It ran, and some fields failed, or all.
    Partial,
    /// It did not run: its document is no GraphQL.
    Unparsed,
    /// It did not run: its document does not fit the schema, its variables do not fit the document, or it asks for too much.
    Invalid,
    /// It did not run for another reason, which the code tells.
    Denied(Code),
    /// It was no GraphQL request at all.
    Malformed(Code),
}

impl Outcome {
    /// What became of a request that got this answer.
    pub(crate) fn of(answer: &Answer) -> Self {
        match answer.errors.first() {
            None => Self::Complete,
            Some(_) if was_run(answer) => Self::Partial,
            Some(error) => Self::of_refusal(code(error)),
        }
    }

    /// What became of a well-formed request that was not run.
    fn of_refusal(code: Code) -> Self {
        match code {
            Code::ParseFailed => Self::Unparsed,
            code if code.status() == StatusCode::BAD_REQUEST.as_u16() => Self::Invalid,
            code => Self::Denied(code),
        }
    }
}

/// Whether anything was run: otherwise there is no `data` to speak of.
pub(crate) fn was_run(answer: &Answer) -> bool {
    answer.errors.is_empty() || answer.data != Value::Null || answer.errors.iter().any(|error| !error.path.is_empty())
}

/// Whether it is no answer to what was asked, but tells why there is none.
pub(crate) fn is_denied(answer: &Answer) -> bool {
    matches!(Outcome::of(answer), Outcome::Denied(_))
}

/// Whether a mutation has come to store something. What it may have left out is told by payloads that are not there.
pub(crate) fn may_have_stored(answer: &Answer) -> bool {
    let has_payload = match &answer.data {
        Value::Object(members) => members.values().any(|value| matches!(value, Value::Object(_))),
        _ => false,
    };
    was_run(answer) && (has_payload || !answer.errors.is_empty())
}

fn code(error: &ServerError) -> Code {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    match code {
        Some(Value::String(text)) => Code::parse(text).unwrap_or(Code::Internal),
        _ => Code::Internal,
    }
}

/// A request that ran and had errors. The specification's draft speaks of 294.
const PARTIAL: u16 = 200;
/// A request whose document, variables or size are refused. The specification's draft speaks of 422.
const INVALID: u16 = 400;

/// The status of an answer in this media type.
pub(crate) fn status(outcome: Outcome, media: Media) -> StatusCode {
    // With the specification's own media type, and with the old one, where clients take any other status than 200 for one that a
    // proxy gave; only who may not enter, or comes at a bad time, is told so in either.
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
