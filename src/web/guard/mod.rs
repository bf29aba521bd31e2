//! Guards: middleware that checks a request before its handler runs, and limits the time that it may take.

pub(crate) mod authentication;
pub(crate) mod csrf;
pub(crate) mod hosts;
pub(crate) mod paths;
pub(crate) mod rate_limit;
pub(crate) mod security_headers;
pub(crate) mod subscriptions;

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{
    access::Caller,
    config::Settings,
    error::{Code, Error},
    web::guard::{csrf::AllowedOrigins, hosts::Hosts, paths::is_graphql, rate_limit::RateLimiters},
};

/// Builds the response of `/graphql` to a rejected request with these headers.
pub(crate) type GraphqlRefusal = fn(&HeaderMap, Error) -> Response;

/// The checks before every request.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) origins: AllowedOrigins,
    request_timeout: RequestTimeout,
    hosts: Hosts,
    rate_limiters: RateLimiters,
    graphql_refusal: GraphqlRefusal,
}

impl Guard {
    pub(crate) fn new(settings: &Settings, graphql_refusal: GraphqlRefusal) -> Self {
        let limits = &settings.limits;
        Self {
            origins: AllowedOrigins::new(&settings.exposure.cors_origin),
            request_timeout: RequestTimeout(limits.request_timeout),
            hosts: Hosts::new(settings),
            rate_limiters: RateLimiters::new(limits.rate_limit),
            graphql_refusal,
        }
    }

    /// Builds the response to a rejected request: as GraphQL for `/graphql`, as REST for everything else.
    fn refused(&self, is_graphql: bool, headers: &HeaderMap, error: Error) -> Response {
        if is_graphql { (self.graphql_refusal)(headers, error) } else { error.into_response() }
    }
}

/// The value of `--request-timeout`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTimeout(pub(crate) Duration);

impl RequestTimeout {
    /// Returns the error for a request that took too long.
    pub(crate) fn exceeded(self) -> Error {
        let message = format!(
            "the request exceeded {} ms (--request-timeout): request less at a time; its writes may have been stored",
            self.0.as_millis()
        );
        Error::new(Code::Timeout, message)
    }
}

/// Checks host, origin, encoding and rate. Writes count against the rate limit only if they are rejected. `/graphql`
/// counts its operations itself, because only the document shows which of them write.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(error) = guard.hosts.check(&parts).and_then(|()| guard.origins.check(&parts)) {
        return guard.refused(is_graphql(parts.uri.path()), &parts.headers, error);
    }
    let client = guard.rate_limiters.client(&parts);
    let (is_graphql, stores) = (is_graphql(parts.uri.path()), parts.method == Method::POST);
    let may_enter = parts.extensions.get::<Caller>().is_none_or(|caller| caller.enter().is_ok());
    if may_enter && is_encoded(&parts.headers) {
        let message = "Content-Encoding: send the body as it is, not compressed";
        let error = client.check_rate().err().unwrap_or_else(|| Error::new(Code::UnsupportedMediaType, message));
        return guard.refused(is_graphql, &parts.headers, error);
    }
    if !is_graphql
        && !stores
        && let Err(error) = client.check_rate()
    {
        return error.into_response();
    }
    parts.extensions.insert(client.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    if !is_graphql
        && stores
        && response.status().is_client_error()
        && let Err(error) = client.check_rate()
    {
        return error.into_response();
    }
    response
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Cancels requests that take too long. Reads stop; writes that were handed over are still stored. Streams have
/// responded by then and are not affected.
pub(crate) async fn limit_time(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let is_graphql = is_graphql(request.uri().path());
    let accept = request.headers().get_all(header::ACCEPT).iter().filter(|_| is_graphql).cloned();
    let headers: HeaderMap = accept.map(|value| (header::ACCEPT, value)).collect();
    let answer = tokio::time::timeout(guard.request_timeout.0, next.run(request)).await;
    answer.unwrap_or_else(|_| guard.refused(is_graphql, &headers, guard.request_timeout.exceeded()))
}
