//! How what went wrong is told in an answer: every error has a code.

use async_graphql::{Response, ServerError, Value};

use crate::{
    config::Limits,
    error::{Code, Error},
};

/// A failure inside a resolver. It has no text form of its own, so that its code is never left behind.
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

/// What a resolver gives.
pub type FieldResult<T> = Result<T, FieldError>;

/// The engine's own errors have no code: those without a path come from before the first resolver.
pub(crate) fn coded(mut response: Response, limits: &Limits) -> Response {
    for error in &mut response.errors {
        if error.message == "Query is too complex." {
            let asked =
                "the request costs too many fields, those of a list counted once for every row that it may have";
            *error = crossed("max-complexity", asked, limits.max_complexity, "ask for fewer rows with first");
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

/// The error with a code in its extensions.
pub(crate) fn with_code(mut error: ServerError, code: Code) -> ServerError {
    set_code(&mut error, code);
    error
}

/// The error as an answer holds it.
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

/// A limit that was crossed: its setting, what was asked for, and the way out.
pub fn crossed(setting: &str, asked: &str, most: usize, remedy: &str) -> ServerError {
    let message = format!("{setting}: {asked}, at most {most} are allowed: {remedy}");
    let mut error = with_code(ServerError::new(message, None), Code::LimitExceeded);
    error.extensions.get_or_insert_default().set("limit", Value::from(setting));
    error
}

/// The answer to whoever may not ask: the error's code in the extensions, and the scope that is lacking.
pub fn refusal(error: Error) -> Response {
    Response::from_errors(vec![as_server_error(error)])
}
