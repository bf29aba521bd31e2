//! `OPTIONS`: lists the methods of a path. A CORS preflight is another question with the same method.

use axum::{
    http::{HeaderValue, Method, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};

/// Responds to `OPTIONS`. The router adds `Allow`.
pub(crate) fn respond_to_options() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Adds `OPTIONS` to `Allow`.
pub(crate) fn allow_options<B>(mut response: Response<B>) -> Response<B> {
    if let Some(allowed) = response.headers_mut().get_mut(header::ALLOW)
        && let Some(methods) = allowed.to_str().ok().filter(|methods| !methods.contains("OPTIONS"))
        && let Ok(all) = HeaderValue::from_str(&format!(
            "{}, OPTIONS",
            methods.split(',').map(str::trim).collect::<Vec<_>>().join(", ")
        ))
    {
        *allowed = all;
    }
    response
}

/// Replaces the method of `OPTIONS` that are no preflights: the CORS layer would answer them, too.
const PLAIN_OPTIONS: &[u8] = b"OPTIONS-ITSELF";

/// Distinguishes `OPTIONS` from CORS preflights.
pub(crate) fn mark_plain_options<B>(mut request: Request<B>) -> Request<B> {
    let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS
        && !is_preflight
        && let Ok(itself) = Method::from_bytes(PLAIN_OPTIONS)
    {
        *request.method_mut() = itself;
    }
    request
}

/// Whether this is `OPTIONS`, not a preflight.
pub(crate) fn is_options(method: &Method) -> bool {
    *method == Method::OPTIONS || method.as_str().as_bytes() == PLAIN_OPTIONS
}
