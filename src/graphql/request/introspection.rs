//! Introspection: what is disclosed of the schema, and the check of operations that ask for it.

use apollo_compiler::{ExecutableDocument, executable::Operation};
use async_graphql::ServerError;

use crate::{
    error::Code,
    graphql::{error::with_code, request::collect_fields::pos_of},
};

/// What is disclosed of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Disclosure {
    /// Whether introspection is allowed.
    pub introspection: bool,
    /// Whether errors suggest names of the schema ("Did you mean …?").
    pub suggestions: bool,
}

/// Refuses operations that ask for the schema. `__typename` is allowed: it discloses only names that the client has used.
pub(crate) fn refuse(document: &ExecutableDocument, operation: &Operation) -> Result<(), ServerError> {
    let mut fields = operation.root_fields(document);
    match fields.find(|field| ["__schema", "__type"].contains(&field.name.as_str())) {
        None => Ok(()),
        Some(field) => {
            let message = format!("{}: introspection is disabled on this server (--introspection)", field.name);
            let pos = pos_of(document, field.location());
            Err(with_code(ServerError::new(message, Some(pos)), Code::ValidationFailed))
        }
    }
}
