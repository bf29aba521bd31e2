//! Bodies that a handler did not read to the end, such as those of rejected requests. The rest of one must be discarded
//! before the next request of its connection.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::timeout;

use crate::web::limits::{DISCARD_TIMEOUT, MAX_DISCARDED_BYTES};

/// The rest of a body after its reader has dropped it.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnreadBody(Arc<Mutex<Option<Remainder>>>);

#[derive(Debug)]
struct Remainder {
    body: Incoming,
    /// Whether the client waits for `100 Continue` before it sends the body.
    expects_continue: bool,
    /// Whether reading failed, so that the end is unknown.
    is_broken: bool,
}

impl UnreadBody {
    /// Returns the body to hand to the handler.
    pub(crate) fn watch(&self, body: Incoming, expects_continue: bool) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(WatchedBody {
            left: Some(Remainder { body, expects_continue, is_broken: false }),
            unread: self.clone(),
        })
    }

    /// Discards the rest within limits. Returns whether the connection can be reused.
    pub(crate) async fn drain(&self) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Remainder { mut body, expects_continue, is_broken }) = left else { return true };
        let draining = async {
            let mut bytes = 0;
            while let Some(frame) = body.frame().await {
                bytes += frame.as_ref().map_or(MAX_DISCARDED_BYTES + 1, |frame| frame.data_ref().map_or(0, Bytes::len));
                if bytes > MAX_DISCARDED_BYTES {
                    return false;
                }
            }
            true
        };
        !expects_continue && !is_broken && timeout(DISCARD_TIMEOUT, draining).await.unwrap_or(false)
    }
}

/// A body that returns its rest when it is dropped.
struct WatchedBody {
    left: Option<Remainder>,
    unread: UnreadBody,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(left) = &mut self.left else { return Poll::Ready(None) };
        left.expects_continue = false;
        let frame = ready!(Pin::new(&mut left.body).poll_frame(context));
        match frame {
            None => self.left = None,
            Some(Ok(_)) => {}
            Some(Err(_)) => left.is_broken = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left.as_ref().is_none_or(|left| left.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.left.as_ref().map_or_else(|| SizeHint::with_exact(0), |left| left.body.size_hint())
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        let left = self.left.take().filter(|left| !left.body.is_end_stream());
        *self.unread.0.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}
