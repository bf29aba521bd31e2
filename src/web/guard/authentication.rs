//! Authentication: turns the `Authorization` header into a [`crate::access::Caller`].

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use crate::{access::Access, http::facts::RequestFacts};

/// Adds the caller to the request. Never rejects: which scopes are needed depends on the operation.
pub(crate) async fn identify(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let caller = access.caller_of(credentials(headers)).await;
    if let (Some(facts), Some(name)) = (request.extensions().get::<RequestFacts>(), caller.token_name()) {
        facts.note_token(name);
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Returns the value of the `Authorization` header. A repeated or non-ASCII one counts as invalid credentials.
fn credentials(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let first = given.next()?;
    Some(if given.next().is_none() { first.to_str().unwrap_or_default() } else { "" })
}
