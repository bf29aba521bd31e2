//! What stands before every request: where it comes from, how many there are, and how long it may take.

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
    web::guard::{csrf::Origins, hosts::Hosts, paths::is_graphql, rate_limit::Rates},
};

/// How a refusal of `/graphql` is answered, to a request with these headers.
pub(crate) type GraphqlRefusal = fn(&HeaderMap, Error) -> Response;

/// What stands before every request.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) origins: Origins,
    request_timeout: RequestTimeout,
    hosts: Hosts,
    rates: Rates,
    graphql_refusal: GraphqlRefusal,
}

impl Guard {
    pub(crate) fn new(settings: &Settings, graphql_refusal: GraphqlRefusal) -> Self {
        let limits = &settings.limits;
        Self {
            origins: Origins::new(&settings.exposure.cors_origin),
            request_timeout: RequestTimeout(limits.request_timeout),
            hosts: Hosts::new(settings),
            rates: Rates::new(limits.rate_limit),
            graphql_refusal,
        }
    }

    /// A refusal in the form of what was asked: GraphQL's, or REST's.
    fn refused(&self, is_graphql: bool, headers: &HeaderMap, error: Error) -> Response {
        if is_graphql { (self.graphql_refusal)(headers, error) } else { error.into_response() }
    }
}

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTimeout(pub(crate) Duration);

impl RequestTimeout {
    /// What is said of a request that took too long.
    pub(crate) fn exceeded(self) -> Error {
        let message = format!(
            "the request was given up after {} ms (--request-timeout): ask for less at a time; what it was to store may be \
             stored all the same",
            self.0.as_millis()
        );
        Error::new(Code::Timeout, message)
    }
}

/// Lets in what is asked from where it may be asked, as often as it may be. What is stored does not count, what is refused does. GraphQL
/// counts each of its operations by itself, since only the document tells which of them store something.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(error) = guard.hosts.check(&parts).and_then(|()| guard.origins.check(&parts)) {
        return guard.refused(is_graphql(parts.uri.path()), &parts.headers, error);
    }
    let client = guard.rates.client(&parts);
    let (is_graphql, stores) = (is_graphql(parts.uri.path()), parts.method == Method::POST);
    let may_enter = parts.extensions.get::<Caller>().is_none_or(|caller| caller.enter().is_ok());
    if may_enter && is_encoded(&parts.headers) {
        let message = "Content-Encoding: send the body as it is, not compressed";
        let error = client.admit().err().unwrap_or_else(|| Error::new(Code::UnsupportedMediaType, message));
        return guard.refused(is_graphql, &parts.headers, error);
    }
    if !is_graphql
        && !stores
        && let Err(error) = client.admit()
    {
        return error.into_response();
    }
    parts.extensions.insert(client.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    if !is_graphql
        && stores
        && response.status().is_client_error()
        && let Err(error) = client.admit()
    {
        return error.into_response();
    }
    response
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Gives up what takes too long. Reads end with it; what was handed over to be stored is stored. Subscriptions have been answered
/// when they begin.
pub(crate) async fn in_time(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let is_graphql = is_graphql(request.uri().path());
    let accept = request.headers().get_all(header::ACCEPT).iter().filter(|_| is_graphql).cloned();
    let headers: HeaderMap = accept.map(|value| (header::ACCEPT, value)).collect();
    let answer = tokio::time::timeout(guard.request_timeout.0, next.run(request)).await;
    answer.unwrap_or_else(|_| guard.refused(is_graphql, &headers, guard.request_timeout.exceeded()))
}
