//! Who sends a request, and how whoever may not is told.

use async_graphql::{Response as Answer, Value};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use crate::{
    access::Access,
    error::{self, Code},
};

/// Hands the caller on with the request. Nobody is refused here: what a caller may do depends on what is asked.
pub(super) async fn identify(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let caller = access.caller_of(credentials(headers)).await;
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The value of the `Authorization` header. Two of them, or one that is no text, are credentials that nobody has.
fn credentials(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let first = given.next()?;
    Some(if given.next().is_none() { first.to_str().unwrap_or_default() } else { "" })
}

/// Tells whoever got a GraphQL answer that is a refusal how to come back.
pub(super) fn advise(headers: &mut HeaderMap, answer: &Answer) {
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
        error::advise(headers, code, text("scope"), retry_after);
    }
}
