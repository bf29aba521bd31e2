//! Which of the interfaces a path belongs to.

/// Whether GraphQL is asked, not REST or a page.
pub(crate) fn is_graphql(path: &str) -> bool {
    let behind = path.trim_start_matches('/').strip_prefix("graphql");
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
}
