//! What stands before every request: where it comes from, how many there are, and how long it may take.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{graphql, hosts::Hosts, origin::Origins, rate::Rates};
use crate::{
    access::Caller,
    config::Settings,
    error::{Code, Error},
};

/// What stands before every request.
#[derive(Clone)]
pub(super) struct Fence {
    pub origins: Origins,
    pub subscriptions: Subscriptions,
    pub max_body: usize,
    pub request_timeout: Duration,
    hosts: Hosts,
    rates: Rates,
}

impl Fence {
    pub(super) fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        Self {
            origins: Origins::new(&settings.exposure.cors_origin),
            subscriptions: Subscriptions::new(limits.max_subscriptions.get()),
            max_body: limits.max_body,
            request_timeout: limits.request_timeout,
            hosts: Hosts::new(settings),
            rates: Rates::new(limits.rate_limit),
        }
    }

    /// What is said of a request that took too long.
    pub(super) fn too_late(&self) -> Error {
        let message = format!(
            "the request was given up after {} ms (--request-timeout): ask for less at a time; what it was to store may be \
             stored all the same",
            self.request_timeout.as_millis()
        );
        Error::new(Code::Timeout, message)
    }
}

/// Lets in what is asked from where it may be asked, as often as it may be. What is stored does not count, what is refused does. GraphQL
/// counts each of its operations by itself, since only the document tells which of them store something.
pub(super) async fn guard(State(fence): State<Fence>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(error) = fence.hosts.check(&parts).and_then(|()| fence.origins.check(&parts)) {
        return refused(is_graphql(parts.uri.path()), &parts.headers, error);
    }
    let client = fence.rates.client(&parts);
    let (is_graphql, stores) = (is_graphql(parts.uri.path()), parts.method == Method::POST);
    let may_enter = parts.extensions.get::<Caller>().is_none_or(|caller| caller.enter().is_ok());
    if may_enter && is_encoded(&parts.headers) {
        let message = "Content-Encoding: send the body as it is, not compressed";
        let error = client.admit().err().unwrap_or_else(|| Error::new(Code::UnsupportedMediaType, message));
        return refused(is_graphql, &parts.headers, error);
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
pub(super) async fn in_time(State(fence): State<Fence>, request: Request, next: Next) -> Response {
    let is_graphql = is_graphql(request.uri().path());
    let accept = request.headers().get_all(header::ACCEPT).iter().filter(|_| is_graphql).cloned();
    let headers: HeaderMap = accept.map(|value| (header::ACCEPT, value)).collect();
    let answer = tokio::time::timeout(fence.request_timeout, next.run(request)).await;
    answer.unwrap_or_else(|_| refused(is_graphql, &headers, fence.too_late()))
}

/// Whether GraphQL is asked, not REST or a page.
pub(super) fn is_graphql(path: &str) -> bool {
    let behind = path.trim_start_matches('/').strip_prefix("graphql");
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
}

/// A refusal in the form of what was asked: GraphQL's, or REST's.
pub(super) fn refused(is_graphql: bool, headers: &HeaderMap, error: Error) -> Response {
    if is_graphql { graphql::refused(headers, error) } else { error.into_response() }
}

/// Subscriptions that may be open, whatever carries them.
#[derive(Debug, Clone)]
pub(super) struct Subscriptions {
    most: u32,
    free: Arc<Semaphore>,
}

/// One open subscription. It ends with this.
#[derive(Debug)]
pub(super) struct Subscribed(#[allow(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Subscriptions {
    fn new(most: u32) -> Self {
        Self { most, free: Arc::new(Semaphore::new(most as usize)) }
    }

    /// One more.
    ///
    /// # Errors
    /// [`Code::TooManySubscriptions`].
    pub(super) fn open(&self) -> Result<Subscribed, Error> {
        Arc::clone(&self.free).try_acquire_owned().map(Subscribed).map_err(|_| {
            let message =
                format!("{} subscriptions are open already (--max-subscriptions): try again later", self.most);
            Error::new(Code::TooManySubscriptions, message)
        })
    }
}
