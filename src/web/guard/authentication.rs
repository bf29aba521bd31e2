//! Who sends a request.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use crate::access::Access;

/// Hands the caller on with the request. Nobody is refused here: what a caller may do depends on what is asked.
pub(crate) async fn identify(State(access): State<Access>, mut request: Request, next: Next) -> Response {
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
