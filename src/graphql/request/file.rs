//! Documents in files, validated when the server starts.

use std::fmt::Write as _;

use apollo_compiler::{ExecutableDocument, Schema, schema::ExtendedType, validation::Valid};
use async_graphql::{Pos, ServerError};

use crate::graphql::request::validation::{self, diagnostic::Diagnostic};

/// Why a document can't be used: the file, the position in it, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct DocumentError {
    /// The document.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}

impl DocumentError {
    /// Builds an error that concerns a file as a whole.
    pub fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 1, column: 1, reason: reason.into() }
    }

    /// Builds one error of `errors`: the position is that of the first, and the reason lists them all.
    pub(crate) fn first(file: &str, errors: Vec<ServerError>) -> Self {
        let pos = |error: &ServerError| error.locations.first().copied().unwrap_or(Pos { line: 1, column: 1 });
        let mut errors = errors.into_iter();
        let first = errors.next().unwrap_or_else(|| ServerError::new("it is not valid", None));
        let Pos { line, column } = pos(&first);
        let mut reason = first.message;
        for other in errors {
            // Writing to a String cannot fail.
            let _ = write!(reason, "; {}: {}", pos(&other), other.message);
        }
        Self { file: file.to_owned(), line, column, reason }
    }
}

/// Parses a schema.
///
/// # Errors
/// The schema is not valid.
pub fn read_schema(text: impl Into<String>) -> Result<Valid<Schema>, DocumentError> {
    let file = "schema.graphql";
    let schema = Schema::parse_and_validate(text, file).map_err(|invalid| {
        DocumentError::first(
            file,
            Diagnostic::from_list(&invalid.errors, |_, _| None).into_iter().map(ServerError::from).collect(),
        )
    })?;
    Ok(Valid::assume_valid(for_2025_edition(schema.into_inner())))
}

/// Removes what the edition of September 2026 adds to introspection: the engine does not support it.
fn for_2025_edition(mut schema: Schema) -> Schema {
    if let Some(ExtendedType::Object(directive)) = schema.types.get_mut("__Directive") {
        directive.make_mut().fields.retain(|name, _| !["isDeprecated", "deprecationReason"].contains(&name.as_str()));
    }
    if let Some(ExtendedType::Object(schema_type)) = schema.types.get_mut("__Schema")
        && let Some(directives) = schema_type.make_mut().fields.get_mut("directives")
    {
        directives.make_mut().arguments.clear();
    }
    schema
}

/// Parses and validates the document `file`. `check` may refuse it once it is parsed.
///
/// # Errors
/// The document is not valid, or `check` fails.
pub(crate) fn read_checked(
    schema: &Valid<Schema>,
    file: &str,
    text: &str,
    check: impl FnOnce(&ExecutableDocument) -> Result<(), ServerError>,
) -> Result<Valid<ExecutableDocument>, DocumentError> {
    // Suggestions disclose nothing: the author of the file has the schema.
    let read = validation::read(schema, file, text, true, check);
    read.map_err(|rejected| DocumentError::first(file, rejected.errors))
}

/// Parses and validates the document `file`.
///
/// # Errors
/// The document is not valid.
pub fn read_document(
    schema: &Valid<Schema>,
    file: &str,
    text: &str,
) -> Result<Valid<ExecutableDocument>, DocumentError> {
    read_checked(schema, file, text, |_| Ok(()))
}
