//! Documents that lie in files, checked against the schema when the server starts.

use std::fmt::Write as _;

use apollo_compiler::{ExecutableDocument, Schema, schema::ExtendedType, validation::Valid};
use async_graphql::{Pos, ServerError};

use crate::graphql::request::validation::{self, problem::Problem};

/// Why a document can't be served: the file, the place in it, and the reason.
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
    /// A file that can't be served as a whole.
    pub fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 1, column: 1, reason: reason.into() }
    }

    /// The first of `errors`, the others behind it: one may be the cause of another.
    pub(crate) fn first(file: &str, errors: Vec<ServerError>) -> Self {
        let place = |error: &ServerError| error.locations.first().copied().unwrap_or(Pos { line: 1, column: 1 });
        let mut errors = errors.into_iter();
        let first = errors.next().unwrap_or_else(|| ServerError::new("it is not valid", None));
        let Pos { line, column } = place(&first);
        let mut reason = first.message;
        for other in errors {
            // Writing to a String cannot fail.
            let _ = write!(reason, "; {}: {}", place(&other), other.message);
        }
        Self { file: file.to_owned(), line, column, reason }
    }
}

/// Reads a schema.
///
/// # Errors
/// The schema's own defects.
pub fn read_schema(text: impl Into<String>) -> Result<Valid<Schema>, DocumentError> {
    let file = "schema.graphql";
    let schema = Schema::parse_and_validate(text, file).map_err(|invalid| {
        DocumentError::first(
            file,
            Problem::of(&invalid.errors, |_, _| None).into_iter().map(ServerError::from).collect(),
        )
    })?;
    Ok(Valid::assume_valid(of_2025(schema.into_inner())))
}

/// The schema without what the edition of September 2026 adds to introspection, and the engine does not answer.
fn of_2025(mut schema: Schema) -> Schema {
    if let Some(ExtendedType::Object(directive)) = schema.types.get_mut("__Directive") {
        directive.make_mut().fields.retain(|name, _| !["isDeprecated", "deprecationReason"].contains(&name.as_str()));
    }
    if let Some(ExtendedType::Object(itself)) = schema.types.get_mut("__Schema")
        && let Some(directives) = itself.make_mut().fields.get_mut("directives")
    {
        directives.make_mut().arguments.clear();
    }
    schema
}

/// Reads a document called `file` and validates it; `measure` may refuse it for what it holds.
///
/// # Errors
/// What does not fit the schema, and what `measure` says.
pub(crate) fn read_measured(
    schema: &Valid<Schema>,
    file: &str,
    text: &str,
    measure: impl FnOnce(&ExecutableDocument) -> Result<(), ServerError>,
) -> Result<Valid<ExecutableDocument>, DocumentError> {
    // Whoever writes the file has the schema.
    let read = validation::read(schema, file, text, true, measure);
    read.map_err(|rejected| DocumentError::first(file, rejected.errors))
}

/// Reads a document called `file` and validates it.
///
/// # Errors
/// What does not fit the schema.
pub fn read_document(
    schema: &Valid<Schema>,
    file: &str,
    text: &str,
) -> Result<Valid<ExecutableDocument>, DocumentError> {
    read_measured(schema, file, text, |_| Ok(()))
}
