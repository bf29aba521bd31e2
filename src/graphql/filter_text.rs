//! Filters of sessions for a command: as GraphQL writes them.

use async_graphql::{InputType as _, parser::parse_query, parser::types::Selection};
use entity::{filter::Tree, table::session};

use crate::{
    error::Error,
    graphql::{
        lists::filter::Where as _,
        request::file::{read_document, read_schema},
        schema::{deletion::checked, sdl, session_where::SessionWhere},
    },
};

/// Returns the filter that `text` is, a `SessionWhere` such as `{pipeline: {eq: "nightly"}}`. It has a condition.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`], with the reason.
pub fn session_filter(text: &str) -> Result<Tree<session::Filter>, Error> {
    let refused = |reason: &str| {
        Error::bad_input(format!(
            "where: {reason}; write a filter of sessions as GraphQL does, such as {{pipeline: {{eq: \"nightly\"}}}}"
        ))
    };
    let document = format!("{{ sessions(where: {text}) {{ totalCount }} }}");
    let schema = read_schema(sdl()).map_err(|error| refused(&error.reason))?;
    read_document(&schema, "where", &document).map_err(|error| refused(&error.reason))?;
    let parsed = parse_query(&document).map_err(|error| refused(&error.to_string()))?;
    let operations: Vec<_> =
        parsed.operations.iter().map(|(_, operation)| &operation.node.selection_set.node).collect();
    let [set] = operations.as_slice() else { return Err(refused("it is not one filter")) };
    let [selection] = set.items.as_slice() else { return Err(refused("it is not one filter")) };
    let Selection::Field(field) = &selection.node else { return Err(refused("it is not one filter")) };
    let [(_, value)] = field.node.arguments.as_slice() else { return Err(refused("it is not one filter")) };
    let value = value.node.clone().into_const().ok_or_else(|| refused("it has a variable"))?;
    let filter =
        SessionWhere::parse(Some(value)).map_err(|error| refused(&error.into_server_error(field.pos).message))?;
    checked(&filter)?;
    filter.into_tree()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::session_filter;

    #[test]
    fn a_filter_is_one_that_the_graph_would_take() {
        for text in [
            r#"{pipeline: {eq: "nightly"}, runDate: {lt: "2026-01-01"}}"#,
            r#"{or: [{hash: {in: ["a", "b"]}}, {not: {tagged: {names: ["python"]}}}]}"#,
        ] {
            session_filter(text).unwrap();
        }
    }

    #[test]
    fn what_is_no_filter_or_has_no_condition_is_refused() {
        for (text, reason) in [
            ("", "where"),
            ("pipeline=main", "where"),
            (r#"{pipelin: {eq: "main"}}"#, "pipelin"),
            (r#"{pipeline: "main"}"#, "StringFilter"),
            (r#"{runDate: {lt: "yesterday"}}"#, "ISO 8601"),
            ("{hash: {eq: $hash}}", "hash"),
            (r#"{hash: {eq: "a"}}, first: 1"#, "not one filter"),
            (r#"{hash: {eq: "a"}}) { totalCount } b: sessions(where: {}"#, "not one filter"),
            ("{}", "no condition"),
            ("{and: [{}, {hash: {eq: null}}], tagged: {names: []}}", "no condition"),
            (r#"{run: {eq: "x"}}"#, "'x' is no id"),
        ] {
            let error = session_filter(text).unwrap_err();
            assert!(error.message.contains(reason), "{text}: {}", error.message);
        }
    }
}
