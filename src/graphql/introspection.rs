//! Questions about the schema, where they are not answered.

use async_graphql::{ServerError, parser::types::ExecutableDocument};

use super::document::fields;

/// Refuses documents that ask for the schema. `__typename` tells only what was asked for.
pub fn refuse(document: &ExecutableDocument) -> Result<(), ServerError> {
    match fields(document).find(|field| ["__schema", "__type"].contains(&field.name.node.as_str())) {
        None => Ok(()),
        Some(field) => {
            let message = format!("{}: this server does not tell its schema (--introspection)", field.name.node);
            Err(ServerError::new(message, Some(field.name.pos)))
        }
    }
}
