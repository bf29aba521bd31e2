//! `OPTIONS`: what may be sent to a path. A browser's preflight of CORS is another question, with the same method.

use axum::{
    http::{HeaderValue, Method, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};

/// The answer to `OPTIONS`: the router says in `Allow` what is served.
pub(crate) fn what_may_be_sent() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// `OPTIONS` is always there.
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

/// `OPTIONS` by itself: the layer that answers pages of other sites takes any `OPTIONS` for the question whether they may ask.
const ASKED_FOR_ITSELF: &[u8] = b"OPTIONS-ITSELF";

/// Tells an `OPTIONS` that asks what may be sent from one that asks whether a page may send it.
pub(crate) fn tell_apart<B>(mut request: Request<B>) -> Request<B> {
    let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS
        && !is_preflight
        && let Ok(itself) = Method::from_bytes(ASKED_FOR_ITSELF)
    {
        *request.method_mut() = itself;
    }
    request
}

/// Whether it is asked what may be sent.
pub(crate) fn asks_what_may_be_sent(method: &Method) -> bool {
    *method == Method::OPTIONS || method.as_str().as_bytes() == ASKED_FOR_ITSELF
}
