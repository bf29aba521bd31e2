//! Parses documents and validates them against the schema: section 5 of the GraphQL specification, edition of September 2025.
//!
//! apollo-compiler does nearly all of it. What its pinned version lets pass, or refuses without need, is mended here.

pub mod problem;
mod rules;
mod source;
mod suggestions;

use apollo_compiler::{
    ExecutableDocument, Schema,
    validation::{DiagnosticList, Valid, WithErrors},
};
use async_graphql::ServerError;

use crate::graphql::request::validation::problem::{MOST_PROBLEMS, Problem};

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
