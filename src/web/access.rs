//! Who sends a request, and how whoever may not is told.

use async_graphql::{Response as Answer, Value};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use crate::{access::Access, error::Code};

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

/// Why a GraphQL answer is a refusal of its caller, if it is one: the code, and the scope that is lacking.
pub(super) fn refused(answer: &Answer) -> Option<(Code, Option<&str>)> {
    let extensions = answer.errors.first()?.extensions.as_ref()?;
    let text = |name| match extensions.get(name) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let code = text("code").and_then(Code::parse)?;
    matches!(code, Code::Unauthenticated | Code::Forbidden).then(|| (code, text("scope")))
}
