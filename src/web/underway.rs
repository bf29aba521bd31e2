//! What a connection is busy with: requests that came, until all of their answers are written or given up.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use tokio::{sync::watch, time::timeout};

/// Counts what is under way on a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Underway(watch::Sender<usize>);

/// Something that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Held(watch::Sender<usize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Underway {
    /// One more.
    pub(super) fn begin(&self) -> Held {
        self.0.send_modify(|count| *count += 1);
        Held(self.0.clone())
    }

    /// Waits until for so long nothing was under way.
    pub(super) async fn idle(&self, time: Duration) {
        let mut counts = self.0.subscribe();
        loop {
            // There is a sender: this one.
            let _ = counts.wait_for(|count| *count == 0).await;
            if timeout(time, counts.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Held {
    /// Holds on until the answer's body is written or given up.
    pub(super) fn until_written(self, response: Response) -> Response {
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
