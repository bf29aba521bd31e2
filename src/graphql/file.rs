//! Documents that lie in files, checked against the schema when the server starts.

use std::{fmt::Write as _, ops::Range};

use apollo_compiler::{
    ExecutableDocument, Schema,
    parser::LineColumn,
    validation::{DiagnosticList, Valid},
};

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
    pub fn first(file: &str, errors: &DiagnosticList) -> Self {
        let place =
            |span: Option<Range<LineColumn>>| span.map_or((1, 1), |range| (range.start.line, range.start.column));
        let mut errors = errors.iter().map(|error| (place(error.line_column_range()), error.error.to_string()));
        let ((line, column), mut reason) = errors.next().unwrap_or_else(|| ((1, 1), "it is not valid".to_owned()));
        for ((line, column), other) in errors {
            // Writing to a String cannot fail.
            let _ = write!(reason, "; {line}:{column}: {other}");
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
    Schema::parse_and_validate(text, file).map_err(|invalid| DocumentError::first(file, &invalid.errors))
}

/// Reads a document called `file`, and checks it.
///
/// # Errors
/// What does not fit the schema.
pub fn read_document(
    schema: &Valid<Schema>,
    file: &str,
    text: &str,
) -> Result<Valid<ExecutableDocument>, DocumentError> {
    ExecutableDocument::parse_and_validate(schema, text, file)
        .map_err(|invalid| DocumentError::first(file, &invalid.errors))
}
