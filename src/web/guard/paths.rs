//! The interface that a path belongs to.

/// Whether `path` belongs to GraphQL, not to REST or a page.
pub(crate) fn is_graphql(path: &str) -> bool {
    let rest = path.trim_start_matches('/').strip_prefix("graphql");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
