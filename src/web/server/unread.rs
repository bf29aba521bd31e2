//! Bodies that were not read to their end, as those of refused requests: what is left of one stands in front of the next request of its
//! connection.

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

/// What is left of a body once whoever was to read it has given it up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread(Arc<Mutex<Option<Left>>>);

#[derive(Debug)]
struct Left {
    body: Incoming,
    /// Whether the client waits to hear that it should send it.
    is_awaited: bool,
    /// Whether nobody knows where it ends.
    is_broken: bool,
}

impl Unread {
    /// The body, as it is handed on.
    pub(crate) fn watch(&self, body: Incoming, awaits_word: bool) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Watched {
            left: Some(Left { body, is_awaited: awaits_word, is_broken: false }),
            unread: self.clone(),
        })
    }

    /// Reads what was left, within bounds. Whether the connection can go on.
    pub(crate) async fn drain(&self) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Left { mut body, is_awaited, is_broken }) = left else { return true };
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
        !is_awaited && !is_broken && timeout(DISCARD_TIMEOUT, draining).await.unwrap_or(false)
    }
}

/// A body that is given back where it was not read to its end.
struct Watched {
    left: Option<Left>,
    unread: Unread,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(left) = &mut self.left else { return Poll::Ready(None) };
        left.is_awaited = false;
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

impl Drop for Watched {
    fn drop(&mut self) {
        let left = self.left.take().filter(|left| !left.body.is_end_stream());
        *self.unread.0.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}
