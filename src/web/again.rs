//! What is looked for once more where nothing is served at a path as it was written, and what a server says of itself (`OPTIONS`).

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri::PathAndQuery},
    response::{IntoResponse as _, Response},
};
use tower::ServiceExt as _;

use crate::{
    error::{Code, Error},
    rest::Paths,
};

/// What is known by other spellings of its path, too.
pub(super) fn spelled_otherwise(served: Router, paths: &Paths) -> Router {
    let (tidy, open) = (paths.clone(), paths.clone());
    let exact = served.clone().fallback(nothing);
    let with_slashes = served.clone().fallback(async move |request: Request<Body>| {
        let path = open.with_encoded_slashes(request.uri().path());
        again(exact, request, path).await
    });
    let otherwise = with_slashes.clone();
    served.fallback(async move |request: Request<Body>| {
        let path = tidy.without_empty_segments(request.uri().path());
        // Without empty segments or not, slashes may be those of names.
        let path = path.unwrap_or_else(|| request.uri().path().to_owned());
        again(otherwise, request, Some(path)).await
    })
}

/// Answers a request as if it had asked for `path`.
async fn again(router: Router, mut request: Request<Body>, path: Option<String>) -> Response {
    let spelled = path.and_then(|path| {
        let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(path + &query).ok()?);
        Uri::from_parts(parts).ok()
    });
    let Some(spelled) = spelled else { return nothing(request).await };
    *request.uri_mut() = spelled;
    // The router can't fail.
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}

/// Nothing is there, unless the server itself is asked for.
async fn nothing(request: Request<Body>) -> Response {
    if asks_what_may_be_sent(request.method()) && request.uri().path() == "*" {
        return ([(header::ALLOW, "GET, HEAD, POST")], what_may_be_sent()).into_response();
    }
    Error::new(Code::NotFound, "nothing is served at this path").into_response()
}

/// The answer to `OPTIONS`: the router says in `Allow` what is served.
pub(super) fn what_may_be_sent() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Something is there, but not for this method.
pub(super) async fn other_method(method: Method) -> Response {
    if asks_what_may_be_sent(&method) {
        return what_may_be_sent();
    }
    Error::new(Code::MethodNotAllowed, "this path is served, but not with this method").into_response()
}

/// `OPTIONS` is always there.
pub(super) fn allow_options<B>(mut response: Response<B>) -> Response<B> {
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
pub(super) fn tell_apart<B>(mut request: Request<B>) -> Request<B> {
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
pub(super) fn asks_what_may_be_sent(method: &Method) -> bool {
    *method == Method::OPTIONS || method.as_str().as_bytes() == ASKED_FOR_ITSELF
}
