//! Parses documents and validates them against the schema: section 5 of the GraphQL specification, edition of September 2025.
//!
//! apollo-compiler does nearly all of it. This module corrects what its pinned version accepts or refuses wrongly.

pub mod diagnostic;
mod rules;
mod source;
pub mod suggestions;

use apollo_compiler::{
    ExecutableDocument, Schema,
    validation::{DiagnosticList, Valid, WithErrors},
};
use async_graphql::ServerError;

use crate::graphql::{limits::MAX_DIAGNOSTICS, request::validation::diagnostic::Diagnostic};

/// A document that is refused.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// Its errors.
    pub errors: Vec<ServerError>,
    /// What was parsed of it; `None` after a syntax error.
    pub parsed: Option<Box<ExecutableDocument>>,
}

impl From<ServerError> for Rejected {
    fn from(error: ServerError) -> Self {
        Self { errors: vec![error], parsed: None }
    }
}

/// Parses and validates the document `name`. `check` runs before validation, which takes more time, and may refuse the document.
///
/// # Errors
/// The error of `check`, or all errors of the document. With `suggests`, they suggest names of the schema.
pub(crate) fn read(
    schema: &Valid<Schema>,
    name: &str,
    text: &str,
    suggests: bool,
    check: impl FnOnce(&ExecutableDocument) -> Result<(), ServerError>,
) -> Result<Valid<ExecutableDocument>, Rejected> {
    let convert = |errors: &DiagnosticList| {
        Diagnostic::from_list(
            errors,
            |name, reason| if suggests { suggestions::of(schema, name, reason) } else { None },
        )
    };
    let rejected = |mut diagnostics: Vec<Diagnostic>, parsed: ExecutableDocument| {
        diagnostics.truncate(MAX_DIAGNOSTICS);
        let parsed = (!diagnostics.iter().any(|diagnostic| diagnostic.is_syntax)).then(|| Box::new(parsed));
        Rejected { errors: diagnostics.into_iter().map(ServerError::from).collect(), parsed }
    };
    let text = source::normalize(text).map_err(|diagnostic| Rejected::from(ServerError::from(diagnostic)))?;
    let parsed = ExecutableDocument::parse(schema, text, name);
    let parsed = parsed.map_err(|WithErrors { partial, errors }| rejected(convert(&errors), partial))?;
    check(&parsed)?;
    let (document, mut diagnostics) = match parsed.validate(schema) {
        Ok(document) => (document, Vec::new()),
        Err(WithErrors { partial, errors }) => (Valid::assume_valid(partial), convert(&errors)),
    };
    if diagnostics.is_empty() {
        diagnostics = rules::violations(schema, &document);
    }
    if diagnostics.is_empty() { Ok(document) } else { Err(rejected(diagnostics, document.into_inner())) }
}
