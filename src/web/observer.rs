//! What is observed of each request from outside: a line in the log once it has ended, and the server's figures.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    response::Response,
};
use hyper::body::{Frame, SizeHint};

use crate::{
    http::facts::{Refused, RequestFacts},
    telemetry::{RequestSpan, Traces},
    web::{
        figures::Figures,
        request_id::{X_REQUEST_ID, request_id},
    },
};

/// The header in which proxies note whom they forward for.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the log has for a status where the client was gone before the response, as other servers write it.
const CLIENT_GONE: u16 = 499;

/// Observes the requests of a server.
#[derive(Clone)]
pub(crate) struct Observer {
    figures: Figures,
    traces: Option<Traces>,
}

impl Observer {
    pub(crate) fn new(figures: Figures, traces: Option<Traces>) -> Self {
        Self { figures, traces }
    }

    /// Begins to observe `request`, which `peer` has sent. What is learnt of it meanwhile goes into its extensions.
    pub(crate) fn begin<B>(&self, request: &mut Request<B>, peer: SocketAddr) -> Observed {
        let facts = RequestFacts::default();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let span = self.traces.as_ref().map(|traces| traces.begin(method.as_str(), &path, peer, request.headers()));
        let observed = Observed(Arc::new(Inner {
            figures: self.figures.clone(),
            began: Instant::now(),
            method,
            path,
            peer,
            forwarded_for: forwarded_for(request.headers()),
            id: request_id(request.headers()),
            facts: facts.clone(),
            status: AtomicU16::new(CLIENT_GONE),
            bytes: AtomicU64::new(0),
            refused: Mutex::default(),
            span: span.map(Mutex::new),
        }));
        request.extensions_mut().insert(facts);
        request.extensions_mut().insert(observed.clone());
        observed
    }
}

/// Returns whom the nearest proxy says it forwards for. Anybody may say so: the log has it next to the address.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(X_FORWARDED_FOR).iter().next_back()?.to_str().ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

/// A request that is being answered. It has ended when the last copy is dropped.
#[derive(Clone)]
pub(crate) struct Observed(Arc<Inner>);

struct Inner {
    figures: Figures,
    began: Instant,
    method: Method,
    path: String,
    peer: SocketAddr,
    forwarded_for: Option<IpAddr>,
    id: HeaderValue,
    facts: RequestFacts,
    /// [`CLIENT_GONE`] without a response.
    status: AtomicU16,
    /// Bytes of the body that were handed over for sending.
    bytes: AtomicU64,
    refused: Mutex<Option<Refused>>,
    span: Option<Mutex<RequestSpan>>,
}

impl Observed {
    /// Notes the response and adds the request's id to it. The request ends with its body.
    pub(crate) fn answered(self, mut response: Response) -> Response {
        let inner = &self.0;
        inner.status.store(response.status().as_u16(), Ordering::Relaxed);
        *inner.refused.lock().unwrap_or_else(PoisonError::into_inner) = response.extensions_mut().remove();
        response.headers_mut().insert(X_REQUEST_ID, inner.id.clone());
        response.map(|body| Body::new(ObservedBody { body, observed: self }))
    }

    /// Counts bytes that were sent outside the body of a response: over a WebSocket.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Self { figures, began, method, path, peer, forwarded_for, id, facts, status, bytes, refused, span } = self;
        let (time, status) = (began.elapsed(), *status.get_mut());
        let refused = refused.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let operation = facts.operation();
        let group = operation.map_or_else(|| group_of(path, status), |performed| &performed.group);
        let is_stream = operation.is_some_and(|performed| performed.is_stream) || status == 101;
        figures.answered(group, status, time, is_stream);
        let name = operation.map(|performed| performed.name.as_deref().unwrap_or(&performed.group));
        let id = id.to_str().unwrap_or_default();
        let trace = span.as_mut().map(|span| {
            let span = span.get_mut().unwrap_or_else(PoisonError::into_inner);
            let refused = refused.as_ref().map(|refused| (refused.code.as_str(), refused.reason.as_str()));
            span.end(method.as_str(), name.unwrap_or(group), status, id, refused);
            span.trace_id()
        });
        tracing::info!(
            target: "metrograph::request",
            %method,
            path = path.as_str(),
            operation = name,
            status,
            ms = (time.as_secs_f64() * 1e6).round() / 1e3,
            bytes = *bytes.get_mut(),
            client = %peer,
            forwarded_for = forwarded_for.map(tracing::field::display),
            token = facts.token(),
            id,
            trace,
            code = refused.as_ref().map(|refused| refused.code.as_str()),
            reason = refused.as_ref().map(|refused| refused.reason.as_str()),
            "request"
        );
    }
}

/// Returns what a request without an operation asked for: one of few names.
fn group_of(path: &str, status: u16) -> &'static str {
    let path = path.trim_end_matches('/');
    match path {
        "" | "/index.html" | "/graphiql" | "/favicon.svg" => "page",
        "/metrics" | "/-/metrics" if status != 405 => "monitoring",
        _ if path.starts_with("/health") => "health",
        _ if path.starts_with("/assets/") => "page",
        _ if path.starts_with("/graphql") => "graphql",
        _ => "other",
    }
}

/// The body of a response, which keeps its request in observation.
struct ObservedBody {
    body: Body,
    observed: Observed,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.observed.add_bytes(data.len());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
