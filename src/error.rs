//! The errors of requests: one table of code, HTTP status and meaning. GraphQL responses carry the code in
//! `extensions.code`, REST responses the status.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the message of an error contains if something was deleted, or moved, while an answer was made: see also the errors of
/// `entity::history`.
pub(crate) const MEANWHILE: &str = "meanwhile: try again";
/// Minimum time between two log lines on the same database error.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// The error of a request, with a message for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The kind of error.
    pub code: Code,
    /// Names the field or argument, and the remedy.
    pub message: String,
    /// The scope that would suffice, for [`Code::Forbidden`].
    pub scope: Option<&'static str>,
    /// Seconds after which a retry may succeed, if known.
    pub retry_after: Option<u64>,
}

impl Error {
    /// Creates an error.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), scope: None, retry_after: None }
    }

    /// Creates the error for a token without the scope `scope`.
    pub(crate) fn lacks(scope: &'static str, message: impl Into<String>) -> Self {
        Self { scope: Some(scope), ..Self::new(Code::Forbidden, message) }
    }

    /// Creates the error for a row that is not there, though another one refers to it: it was deleted since that one was read.
    pub(crate) fn deleted_meanwhile() -> Self {
        Self::new(Code::DatabaseUnavailable, format!("metrics were deleted {MEANWHILE}"))
    }

    /// Creates the error for a panic. Only the log has details.
    pub(crate) fn defect() -> Self {
        Self::new(Code::Internal, "a defect of the server; see its log")
    }

    /// Creates the error for invalid input.
    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Code::BadUserInput, message)
    }
}

impl From<sea_orm::DbErr> for Error {
    /// Logs the reason. Clients get only messages that were written for them.
    fn from(error: sea_orm::DbErr) -> Self {
        if is_new(&error.to_string()) {
            tracing::error!(%error, "the database failed");
        }
        if let sea_orm::DbErr::Custom(message) = error {
            return Self::new(Code::DatabaseUnavailable, message);
        }
        Self::new(Code::DatabaseUnavailable, "the database did not answer; try again, or see the server's log")
    }
}

/// Whether to log this: the same error is logged once a second.
fn is_new(message: &str) -> bool {
    static LAST: Mutex<Option<(Instant, String)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = last.as_ref().is_none_or(|(at, before)| before != message || at.elapsed() >= LOG_INTERVAL);
    if is_new {
        *last = Some((Instant::now(), message.to_owned()));
    }
    is_new
}

macro_rules! codes {
    ($($(#[$meaning:meta])* $variant:ident $code:literal $status:literal,)*) => {
        /// The kinds of errors.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$meaning])* $variant,)* }

        impl Code {
            /// Returns the text for `extensions.code` of a GraphQL error.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Returns the HTTP status of a REST response.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Returns the kind with this text.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// A value that its field or argument does not accept.
    BadUserInput "BAD_USER_INPUT" 400,
    /// A syntax error in a document or in JSON.
    ParseFailed "GRAPHQL_PARSE_FAILED" 400,
    /// A document that does not match the schema.
    ValidationFailed "GRAPHQL_VALIDATION_FAILED" 400,
    /// A request over a limit.
    LimitExceeded "LIMIT_EXCEEDED" 400,
    /// No document with this hash: resend it with its text.
    PersistedQueryNotFound "PERSISTED_QUERY_NOT_FOUND" 404,
    /// Automatic persisted queries are off.
    PersistedQueryNotSupported "PERSISTED_QUERY_NOT_SUPPORTED" 400,
    /// No trusted document with this id.
    DocumentNotFound "DOCUMENT_NOT_FOUND" 404,
    /// Only trusted documents are accepted.
    DocumentNotTrusted "DOCUMENT_NOT_TRUSTED" 403,
    /// A missing or invalid token.
    Unauthenticated "UNAUTHENTICATED" 401,
    /// A token without the required scope, or a rejected origin or host.
    Forbidden "FORBIDDEN" 403,
    /// The server was started with `--read-only`.
    ReadOnly "READ_ONLY" 403,
    /// No such path, page or object.
    NotFound "NOT_FOUND" 404,
    /// The path exists, but not with this method.
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405,
    /// None of the accepted media types is available.
    NotAcceptable "NOT_ACCEPTABLE" 406,
    /// The same name is stored with other content.
    Conflict "CONFLICT" 409,
    /// A body over the limit.
    TooLarge "PAYLOAD_TOO_LARGE" 413,
    /// A body of an unsupported media type.
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" 415,
    /// A request to the WebSocket endpoint that is no handshake.
    UpgradeRequired "UPGRADE_REQUIRED" 426,
    /// A WebSocket with as many operations as it may run.
    TooManyOperations "TOO_MANY_OPERATIONS" 429,
    /// More requests than the rate limit allows.
    RateLimited "RATE_LIMITED" 429,
    /// A bug in the server.
    Internal "INTERNAL" 500,
    /// The write queue is full; a retry will succeed.
    Busy "BUSY" 503,
    /// The database did not respond.
    DatabaseUnavailable "DATABASE_UNAVAILABLE" 503,
    /// As many connections as allowed are open.
    TooManyConnections "TOO_MANY_CONNECTIONS" 503,
    /// As many subscriptions as allowed are open.
    TooManySubscriptions "TOO_MANY_SUBSCRIPTIONS" 503,
    /// The request took longer than the timeout.
    Timeout "TIMEOUT" 504,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
