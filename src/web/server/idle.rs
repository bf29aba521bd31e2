//! Idle detection of HTTP/2 connections: a request is in flight until its response has been sent or cancelled.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use tokio::{sync::watch, time::timeout};

use crate::web::limits::MAX_IDLE_BYTES;

/// Counts the requests in flight on a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight {
    requests: watch::Sender<usize>,
    /// Bytes sent to the client so far.
    sent: Arc<AtomicU64>,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlightRequest(watch::Sender<usize>);

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl InFlight {
    /// Begins a request.
    pub(crate) fn begin(&self) -> InFlightRequest {
        self.requests.send_modify(|count| *count += 1);
        InFlightRequest(self.requests.clone())
    }

    /// Counts bytes that were sent to the client.
    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Waits until nothing has been in flight for `time`. A complete response may still be on its way to the client.
    pub(crate) async fn idle(&self, time: Duration) {
        let mut requests = self.requests.subscribe();
        loop {
            // `self` is a sender, so this cannot fail.
            let _ = requests.wait_for(|count| *count == 0).await;
            let before = self.sent.load(Ordering::Relaxed);
            let is_quiet = timeout(time, requests.changed()).await.is_err();
            if is_quiet && self.sent.load(Ordering::Relaxed) - before <= MAX_IDLE_BYTES {
                return;
            }
        }
    }
}

impl InFlightRequest {
    /// Keeps the request in flight until the body of its response is complete or dropped.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        response.map(|body| Body::new(InFlightBody { body, _request: self }))
    }
}

struct InFlightBody {
    body: Body,
    _request: InFlightRequest,
}

impl HttpBody for InFlightBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
