//! The fixed limits of HTTP. Those that an operator can set are in [`crate::config::HttpLimits`].

use std::time::Duration;

// Connections

/// Connections over `--max-connections` that are answered at the same time; others are closed without an answer.
pub(crate) const MAX_REFUSED_CONNECTIONS: usize = 64;
/// How long a connection over `--max-connections` has to send its request.
pub(crate) const REFUSED_CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after `accept` failed, such as with `EMFILE`.
pub(crate) const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Between two lines in the log on failures of `accept`.
pub(crate) const ACCEPT_LOG_INTERVAL: Duration = Duration::from_mins(1);
/// Streams that one client of HTTP/2 may have open.
pub(crate) const MAX_HTTP2_STREAMS: u32 = 128;
/// How often a silent client of HTTP/2 is sent a PING.
pub(crate) const HTTP2_KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long an idle client of HTTP/2 has to end its connection after GOAWAY.
pub(crate) const HTTP2_GOAWAY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection that is new when the server stops has to send its first request.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(500);
/// Bytes that a client may take in and still be idle: acknowledgements of the protocol itself.
pub(crate) const MAX_IDLE_BYTES: u64 = 1024;
/// Bytes of an unread body that are discarded so that a connection can be used again.
pub(crate) const MAX_DISCARDED_BYTES: usize = 1024 * 1024;
/// How long that may take.
pub(crate) const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the bytes of a client that still sends are discarded after the last response, so that it comes to read it: unread
/// bytes make the system reset the connection.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes that are discarded meanwhile, at most.
pub(crate) const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;

// Requests

/// Smaller responses are not compressed: there is little to gain.
pub(crate) const MIN_COMPRESSED_BYTES: u16 = 1_024;
/// Clients in the cache of rate limiters, which takes some megabytes. A client that is evicted starts afresh.
pub(crate) const RATE_LIMIT_CAPACITY: usize = 50_000;
/// How long browsers may reuse the response to a CORS preflight.
pub(crate) const CORS_MAX_AGE: Duration = Duration::from_mins(10);
/// How long the database may take to answer a health check.
pub(crate) const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the result of a health check is reused: supervisors, proxies and people may ask at the same time.
pub(crate) const HEALTH_MAX_AGE: Duration = Duration::from_secs(1);

// GraphQL

/// Requests of a batch that run at the same time.
pub(crate) const MAX_CONCURRENT_IN_BATCH: usize = 4;
/// Requests over `--max-batch` that get an error each. No client sends more that would read them.
pub(crate) const MAX_BATCH_ERRORS: usize = 1_000;
/// Longest silence of a stream or WebSocket: many proxies close a connection after 30 silent seconds.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a WebSocket may take to send `connection_init`: as in graphql-ws, the protocol's reference implementation.
pub(crate) const CONNECTION_INIT_TIMEOUT: Duration = Duration::from_secs(3);
/// Operations that one WebSocket runs at the same time: a page that needs more has forgotten to end some.
pub(crate) const MAX_SOCKET_OPERATIONS: usize = 100;
/// Messages that are written to a WebSocket before the next one is read.
pub(crate) const MAX_MESSAGES_PER_FLUSH: usize = 64;
/// Read and write buffer of a WebSocket in bytes: most messages are short, and there may be thousands of sockets.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 * 1024;
/// Pings that a WebSocket may leave unanswered before it is closed.
pub(crate) const MAX_UNANSWERED_PINGS: u32 = 2;
/// How long a client has to answer a close frame.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
