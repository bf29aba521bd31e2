//! What is told of the schema, and questions about it where they are not answered.

use apollo_compiler::{ExecutableDocument, executable::Operation};
use async_graphql::ServerError;

use crate::{
    error::Code,
    graphql::{error::with_code, request::collect_fields::place_of},
};

/// What is told of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Whether it can be asked for.
    pub introspection: bool,
    /// Whether an error says which name was perhaps meant.
    pub suggestions: bool,
}

/// Refuses operations that ask for the schema. `__typename` tells only what was asked for.
pub(crate) fn refuse(document: &ExecutableDocument, operation: &Operation) -> Result<(), ServerError> {
    let mut fields = operation.root_fields(document);
    match fields.find(|field| ["__schema", "__type"].contains(&field.name.as_str())) {
        None => Ok(()),
        Some(field) => {
            let message = format!("{}: this server does not tell its schema (--introspection)", field.name);
            let place = place_of(document, field.location());
            Err(with_code(ServerError::new(message, Some(place)), Code::ValidationFailed))
        }
    }
}
