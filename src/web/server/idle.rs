//! What a connection is busy with: requests that came, until all of their answers are taken in or given up.

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

/// Counts what is under way on a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Underway {
    requests: watch::Sender<usize>,
    /// Bytes that the client has taken in so far.
    taken: Arc<AtomicU64>,
}

/// Something that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(watch::Sender<usize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Underway {
    /// One more.
    pub(crate) fn begin(&self) -> Held {
        self.requests.send_modify(|count| *count += 1);
        Held(self.requests.clone())
    }

    /// The client has taken in more bytes.
    pub(crate) fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Waits until for so long nothing was under way. An answer may be complete here while the client has yet to take it in.
    pub(crate) async fn idle(&self, time: Duration) {
        let mut requests = self.requests.subscribe();
        loop {
            // There is a sender: this one.
            let _ = requests.wait_for(|count| *count == 0).await;
            let before = self.taken.load(Ordering::Relaxed);
            let is_quiet = timeout(time, requests.changed()).await.is_err();
            if is_quiet && self.taken.load(Ordering::Relaxed) - before <= MAX_IDLE_BYTES {
                return;
            }
        }
    }
}

impl Held {
    /// Holds on until the answer's body is made or given up.
    pub(crate) fn until_made(self, response: Response) -> Response {
        response.map(|body| Body::new(HeldBody { body, _held: self }))
    }
}

struct HeldBody {
    body: Body,
    _held: Held,
}

impl HttpBody for HeldBody {
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
