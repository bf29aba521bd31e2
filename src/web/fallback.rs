//! Fallbacks for paths that no route matches as written: other spellings, 404 and 405.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Uri, header, uri::PathAndQuery},
    response::{IntoResponse as _, Response},
};
use tower::ServiceExt as _;

use crate::{
    error::{Code, Error},
    http::options::{is_options, respond_to_options},
    rest::Paths,
};

/// Wraps `routes` so that other spellings of its paths are tried before 404.
pub(crate) fn with_other_spellings(routes: Router, paths: &Paths) -> Router {
    let open = paths.clone();
    let exact = routes.clone().fallback(nothing);
    let with_slashes = routes.clone().fallback(async move |request: Request<Body>| {
        let path = open.with_encoded_slashes(request.uri().path());
        again(exact, request, path).await
    });
    let otherwise = with_slashes.clone();
    let (projects, tidy) = (paths.clone(), paths.clone());
    let spelled = routes.clone().fallback(async move |request: Request<Body>| {
        let path = tidy.without_empty_segments(request.uri().path());
        // With or without empty segments: slashes may belong to a name.
        let path = path.unwrap_or_else(|| request.uri().path().to_owned());
        again(otherwise, request, Some(path)).await
    });
    routes.fallback(async move |mut request: Request<Body>| {
        let Some((project, path)) = projects.without_project(request.uri().path()) else {
            return spelled.oneshot(request).await.unwrap_or_else(|never| match never {});
        };
        request.extensions_mut().insert(project);
        again(spelled, request, Some(path)).await
    })
}

/// Routes a request as if it had been sent to `path`.
async fn again(router: Router, mut request: Request<Body>, path: Option<String>) -> Response {
    let spelled = path.and_then(|path| {
        let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(path + &query).ok()?);
        Uri::from_parts(parts).ok()
    });
    let Some(spelled) = spelled else { return nothing(request).await };
    *request.uri_mut() = spelled;
    // The router is infallible.
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}

/// Responds with 404, or to `OPTIONS *` for the server as a whole.
async fn nothing(request: Request<Body>) -> Response {
    if is_options(request.method()) && request.uri().path() == "*" {
        return ([(header::ALLOW, "GET, HEAD, POST")], respond_to_options()).into_response();
    }
    Error::new(Code::NotFound, "nothing is served at this path").into_response()
}

/// Responds with 405, or to `OPTIONS` for a path.
pub(crate) async fn other_method(method: Method) -> Response {
    if is_options(&method) {
        return respond_to_options();
    }
    Error::new(Code::MethodNotAllowed, "this path is served, but not with this method").into_response()
}
