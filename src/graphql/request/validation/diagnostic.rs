//! The errors of an invalid document: reason and position.

use apollo_compiler::{
    diagnostic::Diagnostic as ApolloDiagnostic,
    parser::{LineColumn, SourceMap, SourceSpan},
    validation::{DiagnosticData, DiagnosticList},
};
use async_graphql::{Pos, ServerError};

use crate::{
    error::Code,
    graphql::{error::with_code, limits::MAX_DIAGNOSTICS},
};

/// An error of a document.
#[derive(Debug, PartialEq)]
pub(crate) struct Diagnostic {
    /// The position, from line 1 and column 1.
    pub position: Option<LineColumn>,
    /// The message.
    pub reason: String,
    /// Whether the text is not GraphQL.
    pub is_syntax: bool,
}

impl Diagnostic {
    /// Builds a validation error at `span`.
    pub fn new(span: Option<SourceSpan>, sources: &SourceMap, reason: impl Into<String>) -> Self {
        Self { position: span.and_then(|span| span.line_column(sources)), reason: reason.into(), is_syntax: false }
    }

    /// Converts the errors that apollo-compiler found. `suggest` may add to a message, given the name of the error and the message.
    pub fn from_list(errors: &DiagnosticList, suggest: impl Fn(&str, &str) -> Option<String>) -> Vec<Self> {
        let name = |found: &ApolloDiagnostic<'_, DiagnosticData>| found.error.unstable_error_name();
        // A syntax error may cause validation errors: these are left out.
        let is_syntax = errors.iter().any(|found| name(&found).is_none());
        let found = errors.iter().filter(|found| name(found).is_none() == is_syntax && !is_replaced(name(found)));
        let convert = |found: ApolloDiagnostic<'_, DiagnosticData>| {
            let mut reason = found.error.to_string();
            if let Some(suggestion) = name(&found).and_then(|name| suggest(name, &reason)) {
                reason.push_str(&suggestion);
            }
            Self { position: found.line_column_range().map(|range| range.start), reason, is_syntax }
        };
        found.take(MAX_DIAGNOSTICS).map(convert).collect()
    }
}

impl From<Diagnostic> for ServerError {
    fn from(Diagnostic { position, reason, is_syntax }: Diagnostic) -> Self {
        let pos = position.map(|LineColumn { line, column }| Pos { line, column });
        with_code(Self::new(reason, pos), if is_syntax { Code::ParseFailed } else { Code::ValidationFailed })
    }
}

/// Whether [`crate::graphql::request::validation::rules::violations`] checks this instead. apollo-compiler counts the fields of a
/// subscription as written; the specification counts response names.
fn is_replaced(name: Option<&str>) -> bool {
    name == Some("SubscriptionUsesMultipleFields")
}
