//! Parses documents and validates them against the schema: section 5 of the GraphQL specification, edition of September 2025.
//!
//! apollo-compiler does nearly all of it. What its pinned version lets pass, or refuses without need, is mended here.

mod rules;
mod source;
mod suggestions;

use apollo_compiler::{
    ExecutableDocument, Schema,
    diagnostic::Diagnostic,
    parser::{LineColumn, SourceMap, SourceSpan},
    validation::{DiagnosticData, DiagnosticList, Valid, WithErrors},
};
use async_graphql::{Pos, ServerError};

use crate::{error::Code, graphql::error::with_code};

/// Problems of one document that are told, at most: the first ones say enough.
const MOST_PROBLEMS: usize = 100;

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

/// A document that is not taken.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// Everything that is wrong with it.
    pub errors: Vec<ServerError>,
    /// What could be read of it all the same, where it is GraphQL at all.
    pub parsed: Option<Box<ExecutableDocument>>,
}

impl From<ServerError> for Rejected {
    fn from(error: ServerError) -> Self {
        Self { errors: vec![error], parsed: None }
    }
}

impl Problem {
    fn new(span: Option<SourceSpan>, sources: &SourceMap, reason: impl Into<String>) -> Self {
        Self { place: span.and_then(|span| span.line_column(sources)), reason: reason.into(), is_syntax: false }
    }

    /// Those that the library found, as far as its word is taken; with `meant`, each with what is said of names that were perhaps meant.
    pub fn of(errors: &DiagnosticList, meant: impl Fn(&str, &str) -> Option<String>) -> Vec<Self> {
        let name = |found: &Diagnostic<'_, DiagnosticData>| found.error.unstable_error_name();
        // What does not fit the schema may be a word that a syntax error has torn off.
        let is_syntax = errors.iter().any(|found| name(&found).is_none());
        let found = errors.iter().filter(|found| name(found).is_none() == is_syntax && !rules::is_ours(name(found)));
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

/// Parses a document called `name` and validates it. `measure` sees it once it is parsed, and may refuse it before anything is done
/// that takes time.
///
/// # Errors
/// What `measure` says; everything that is wrong with the document, with names that were perhaps meant where `suggests` is set.
pub(crate) fn read(
    schema: &Valid<Schema>,
    name: &str,
    text: &str,
    suggests: bool,
    measure: impl FnOnce(&ExecutableDocument) -> Result<(), ServerError>,
) -> Result<Valid<ExecutableDocument>, Rejected> {
    let told = |errors: &DiagnosticList| {
        Problem::of(errors, |name, reason| if suggests { suggestions::of(schema, name, reason) } else { None })
    };
    let rejected = |mut problems: Vec<Problem>, parsed: ExecutableDocument| {
        problems.truncate(MOST_PROBLEMS);
        let parsed = (!problems.iter().any(|problem| problem.is_syntax)).then(|| Box::new(parsed));
        Rejected { errors: problems.into_iter().map(ServerError::from).collect(), parsed }
    };
    let text = source::readable(text).map_err(|problem| Rejected::from(ServerError::from(problem)))?;
    let parsed = ExecutableDocument::parse(schema, text, name);
    let parsed = parsed.map_err(|WithErrors { partial, errors }| rejected(told(&errors), partial))?;
    measure(&parsed)?;
    let (document, mut problems) = match parsed.validate(schema) {
        Ok(document) => (document, Vec::new()),
        Err(WithErrors { partial, errors }) => (Valid::assume_valid(partial), told(&errors)),
    };
    if problems.is_empty() {
        problems = rules::broken(schema, &document);
    }
    if problems.is_empty() { Ok(document) } else { Err(rejected(problems, document.into_inner())) }
}
