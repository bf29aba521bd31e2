//! What is wrong with a document, in words and with its place.

use apollo_compiler::{
    diagnostic::Diagnostic,
    parser::{LineColumn, SourceMap, SourceSpan},
    validation::{DiagnosticData, DiagnosticList},
};
use async_graphql::{Pos, ServerError};

use crate::{error::Code, graphql::error::with_code};

/// Problems of one document that are told, at most: the first ones say enough.
pub const MOST_PROBLEMS: usize = 100;

/// What is wrong with a document.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    /// Where, as line and column.
    pub place: Option<LineColumn>,
    /// What, in words.
    pub reason: String,
    /// Whether the text is no GraphQL at all.
    pub is_syntax: bool,
}

impl Problem {
    pub fn new(span: Option<SourceSpan>, sources: &SourceMap, reason: impl Into<String>) -> Self {
        Self { place: span.and_then(|span| span.line_column(sources)), reason: reason.into(), is_syntax: false }
    }

    /// Those that the library found, as far as its word is taken; with `meant`, each with what is said of names that were perhaps meant.
    pub fn of(errors: &DiagnosticList, meant: impl Fn(&str, &str) -> Option<String>) -> Vec<Self> {
        let name = |found: &Diagnostic<'_, DiagnosticData>| found.error.unstable_error_name();
        // What does not fit the schema may be a word that a syntax error has torn off.
        let is_syntax = errors.iter().any(|found| name(&found).is_none());
        let found = errors.iter().filter(|found| name(found).is_none() == is_syntax && !is_ours(name(found)));
        let problem = |found: Diagnostic<'_, DiagnosticData>| {
            let mut reason = found.error.to_string();
            if let Some(suggestion) = name(&found).and_then(|name| meant(name, &reason)) {
                reason.push_str(&suggestion);
            }
            Self { place: found.line_column_range().map(|range| range.start), reason, is_syntax }
        };
        found.take(MOST_PROBLEMS).map(problem).collect()
    }
}

impl From<Problem> for ServerError {
    fn from(Problem { place, reason, is_syntax }: Problem) -> Self {
        let place = place.map(|LineColumn { line, column }| Pos { line, column });
        with_code(Self::new(reason, place), if is_syntax { Code::ParseFailed } else { Code::ValidationFailed })
    }
}

/// Whether the library's word on this is not taken, since [`crate::graphql::request::validation::rules::broken`] looks at the same: it counts the fields of a subscription as
/// written, where the specification counts response names.
fn is_ours(name: Option<&str>) -> bool {
    name == Some("SubscriptionUsesMultipleFields")
}
