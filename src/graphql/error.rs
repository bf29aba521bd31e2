//! Errors of responses. Each has a code in its extensions.

use async_graphql::{Response, ServerError, Value};
use entity::query::{
    groups::{AggregateError, MAX as MAX_GROUPS},
    points::MAX_VALUES,
};

use crate::{
    config::Limits,
    error::{Code, Error},
};

/// The error of a resolver. It does not implement `Display`, so that it can only be converted with its code.
#[derive(Debug, Clone)]
pub struct FieldError(Error);

impl From<Error> for FieldError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<FieldError> for async_graphql::Error {
    fn from(FieldError(error): FieldError) -> Self {
        let mut extensions = async_graphql::ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        Self { message: error.message, source: None, extensions: Some(extensions) }
    }
}

impl From<AggregateError> for Error {
    fn from(error: AggregateError) -> Self {
        match error {
            AggregateError::TooManyGroups => Self::new(
                Code::LimitExceeded,
                format!(
                    "groupBy: the metrics fall into more than {MAX_GROUPS} groups: group by fewer things or by longer periods, \
                     or select fewer metrics with where"
                ),
            ),
            AggregateError::TooManyDistinct => Self::new(
                Code::LimitExceeded,
                "distinct: there are too many groups and things to be counted: ask for fewer groups with first, or select fewer \
                 metrics with where",
            ),
            AggregateError::TooManyValues => Self::new(
                Code::LimitExceeded,
                format!(
                    "history: the runs have more than {MAX_VALUES} metrics of these variants: ask for fewer runs with last, for \
                     fewer variants, or select fewer metrics with where"
                ),
            ),
            AggregateError::Database(error) => error.into(),
        }
    }
}

/// The result of a resolver.
pub type FieldResult<T> = Result<T, FieldError>;

/// Adds a code to the engine's own errors, which have none. Those without a path were found before the first resolver ran.
pub(crate) fn with_codes(mut response: Response, limits: &Limits) -> Response {
    for error in &mut response.errors {
        if error.message == "Query is too complex." {
            let found =
                "the request costs too many fields, those of a list counted once for every row that it may have";
            *error = limit_exceeded("max-complexity", found, limits.max_complexity, "ask for fewer rows with first");
        }
        let code = if error.path.is_empty() { Code::ValidationFailed } else { Code::BadUserInput };
        if error.extensions.as_ref().is_none_or(|extensions| extensions.get("code").is_none()) {
            set_code(error, code);
        }
    }
    response
}

fn set_code(error: &mut ServerError, code: Code) {
    error.extensions.get_or_insert_default().set("code", code.as_str());
}

/// Returns the error with a code in its extensions.
pub(crate) fn with_code(mut error: ServerError, code: Code) -> ServerError {
    set_code(&mut error, code);
    error
}

/// Converts an error to its form in a response.
pub fn as_server_error(Error { code, message, scope, retry_after }: Error) -> ServerError {
    let mut error = with_code(ServerError::new(message, None), code);
    if let Some(scope) = scope {
        error.extensions.get_or_insert_default().set("scope", scope);
    }
    if let Some(seconds) = retry_after {
        error.extensions.get_or_insert_default().set("retryAfter", seconds);
    }
    error
}

/// Builds the error of a limit that is exceeded: its setting, what was found, the limit, and a remedy.
pub fn limit_exceeded(setting: &str, found: &str, max: usize, remedy: &str) -> ServerError {
    let message = format!("{setting}: {found}, at most {max} are allowed: {remedy}");
    let mut error = with_code(ServerError::new(message, None), Code::LimitExceeded);
    error.extensions.get_or_insert_default().set("limit", Value::from(setting));
    error
}

/// Builds the response to a request that is refused. The extensions hold the code, and the scope that is missing.
pub fn refusal(error: Error) -> Response {
    Response::from_errors(vec![as_server_error(error)])
}
