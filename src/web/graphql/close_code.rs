//! The codes that a WebSocket is closed with: those of RFC 6455, section 7.4.1, and those of graphql-transport-ws.

use axum::extract::ws::CloseFrame;

/// Bytes of the reason in a close frame, at most (RFC 6455, section 5.5).
const MAX_REASON_BYTES: usize = 123;

/// Why a connection is closed. Those from 4400 on are called as in graphql-ws, the protocol's reference implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// The client is done.
    Normal = 1000,
    /// The server stops.
    GoingAway = 1001,
    /// A message over `--max-body`.
    MessageTooBig = 1009,
    /// A message that the protocol does not have.
    BadRequest = 4400,
    /// An operation before `connection_init`.
    Unauthorized = 4401,
    /// A token that is missing, invalid or revoked.
    Forbidden = 4403,
    /// No `connection_init` in time.
    ConnectionInitialisationTimeout = 4408,
    /// An operation with the id of one that runs.
    SubscriberAlreadyExists = 4409,
    /// A second `connection_init`.
    TooManyInitialisationRequests = 4429,
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code as Self
    }
}

impl CloseCode {
    /// Whether `frame` closes with this code.
    pub(crate) fn is_of(self, frame: &CloseFrame) -> bool {
        frame.code == u16::from(self)
    }
}

/// Returns a close frame.
pub(crate) fn close(code: CloseCode, reason: &str) -> CloseFrame {
    CloseFrame { code: code.into(), reason: reason.into() }
}

/// Returns a close frame whose reason repeats what a client sent, or `short` where that would be too long.
pub(crate) fn close_with(code: CloseCode, reason: &str, short: &str) -> CloseFrame {
    close(code, if reason.len() > MAX_REASON_BYTES { short } else { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_is_too_long_is_replaced() {
        for (length, expected) in [(MAX_REASON_BYTES, MAX_REASON_BYTES), (MAX_REASON_BYTES + 1, 5)] {
            let frame = close_with(CloseCode::BadRequest, &"x".repeat(length), "short");
            assert_eq!((frame.code, frame.reason.as_str().len()), (4400, expected));
        }
    }
}
