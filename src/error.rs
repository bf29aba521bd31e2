//! Every way a request can fail: one enum, one table of code, HTTP status and text. GraphQL answers carry the code in
//! `extensions.code`; REST answers carry the status. Both read it here.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines in the log on one failure of the database.
const ONCE: Duration = Duration::from_secs(1);

/// What went wrong, in words for the one who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// Names the field or argument at fault and the remedy.
    pub message: String,
    /// The scope that would let it pass, for [`Code::Forbidden`].
    pub scope: Option<&'static str>,
    /// Seconds after which the same request may pass, where that is known.
    pub retry_after: Option<u64>,
}

impl Error {
    /// A failure of this kind.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), scope: None, retry_after: None }
    }

    /// A token that does not reach far enough: one of this scope would.
    pub(crate) fn lacks(scope: &'static str, message: impl Into<String>) -> Self {
        Self { scope: Some(scope), ..Self::new(Code::Forbidden, message) }
    }

    /// A panic, which only the log explains.
    pub(crate) fn defect() -> Self {
        Self::new(Code::Internal, "a defect of the server; see its log")
    }

    /// Input that can't be used as it is.
    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Code::BadUserInput, message)
    }
}

impl From<sea_orm::DbErr> for Error {
    /// The reason goes to the log; the one who asked can only try again, unless it was put into words for him.
    fn from(error: sea_orm::DbErr) -> Self {
        if is_news(&error.to_string()) {
            tracing::error!(%error, "the database failed");
        }
        if let sea_orm::DbErr::Custom(message) = error {
            return Self::new(Code::DatabaseUnavailable, message);
        }
        Self::new(Code::DatabaseUnavailable, "the database did not answer; try again, or see the server's log")
    }
}

/// Whether this is to be logged: the same again is, once a second.
fn is_news(said: &str) -> bool {
    static LAST: Mutex<Option<(Instant, String)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let is_news = last.as_ref().is_none_or(|(at, before)| before != said || at.elapsed() >= ONCE);
    if is_news {
        *last = Some((Instant::now(), said.to_owned()));
    }
    is_news
}

macro_rules! codes {
    ($($(#[$meaning:meta])* $variant:ident $code:literal $status:literal,)*) => {
        /// The kinds of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$meaning])* $variant,)* }

        impl Code {
            /// The text in `extensions.code` of a GraphQL error.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status of a REST answer.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The kind behind a text of `extensions.code`.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// A value that its field or argument does not take.
    BadUserInput "BAD_USER_INPUT" 400,
    /// The text is no GraphQL document, or the body no JSON.
    ParseFailed "GRAPHQL_PARSE_FAILED" 400,
    /// The document does not fit the schema.
    ValidationFailed "GRAPHQL_VALIDATION_FAILED" 400,
    /// The request asks for more than a limit allows.
    LimitExceeded "LIMIT_EXCEEDED" 400,
    /// No document is known by this hash: send it along once.
    PersistedQueryNotFound "PERSISTED_QUERY_NOT_FOUND" 404,
    /// Documents are not kept by their hash here.
    PersistedQueryNotSupported "PERSISTED_QUERY_NOT_SUPPORTED" 400,
    /// No document is known by this id.
    DocumentNotFound "DOCUMENT_NOT_FOUND" 404,
    /// Only trusted documents are answered, and this is none.
    DocumentNotTrusted "DOCUMENT_NOT_TRUSTED" 403,
    /// A token is needed, and none that counts was given.
    Unauthenticated "UNAUTHENTICATED" 401,
    /// Whoever asks may not.
    Forbidden "FORBIDDEN" 403,
    /// The server stores nothing: it was started to read only.
    ReadOnly "READ_ONLY" 403,
    /// Nothing is there: no such path, page or object.
    NotFound "NOT_FOUND" 404,
    /// The path exists, the method does not.
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405,
    /// None of the media types asked for can be given.
    NotAcceptable "NOT_ACCEPTABLE" 406,
    /// The same name is already stored with something else.
    Conflict "CONFLICT" 409,
    /// The body is over the limit.
    TooLarge "PAYLOAD_TOO_LARGE" 413,
    /// The body's media type is not understood.
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" 415,
    /// A WebSocket is opened here, and what came is no handshake.
    UpgradeRequired "UPGRADE_REQUIRED" 426,
    /// A connection runs as many operations as it may.
    TooManyOperations "TOO_MANY_OPERATIONS" 429,
    /// More requests in a short time than one client may send.
    RateLimited "RATE_LIMITED" 429,
    /// A defect of the server.
    Internal "INTERNAL" 500,
    /// More waits to be written than the server takes in; the same request goes through later.
    Busy "BUSY" 503,
    /// The database did not answer.
    DatabaseUnavailable "DATABASE_UNAVAILABLE" 503,
    /// As many connections are open as there may be.
    TooManyConnections "TOO_MANY_CONNECTIONS" 503,
    /// As many subscriptions are open as there may be.
    TooManySubscriptions "TOO_MANY_SUBSCRIPTIONS" 503,
    /// The request was not answered in the time that it may take.
    Timeout "TIMEOUT" 504,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
