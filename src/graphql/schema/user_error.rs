//! Errors that mutations return in their payload: the input is well-formed, but cannot be stored.

use async_graphql::{Enum, SimpleObject};

use crate::{
    error::{Code, Error},
    graphql::error::FieldResult,
};

/// The kind of a user error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum UserErrorCode {
    /// The hash is already stored with other content.
    Conflict,
    /// The input exceeds a limit.
    TooMany,
}

/// An error in the input that the caller can correct.
#[derive(Debug, Clone, SimpleObject)]
pub struct UserError {
    /// The kind of error.
    code: UserErrorCode,
    /// What is wrong and how to correct it.
    message: String,
    /// Path of the invalid field within `input`.
    field: Vec<String>,
}

/// Separates errors that the caller can correct, which go into the payload, from others, which fail the field. `field` is the invalid
/// field of the input; empty for the whole input.
pub fn split_user_errors<T>(result: Result<T, Error>, field: &str) -> FieldResult<(Option<T>, Vec<UserError>)> {
    let (code, message) = match result {
        Ok(object) => return Ok((Some(object), Vec::new())),
        Err(Error { code: Code::Conflict, message, .. }) => (UserErrorCode::Conflict, message),
        Err(Error { code: Code::TooLarge, message, .. }) => (UserErrorCode::TooMany, message),
        Err(error) => return Err(error.into()),
    };
    Ok((None, vec![UserError { code, message, field: vec![field.to_owned()] }]))
}
