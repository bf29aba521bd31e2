//! How the response of a request is written.

use std::sync::Arc;

use async_graphql::ContextBase;

/// Options of a response. If a request has them, lists write themselves as JSON: see [`crate::graphql::lists::json_writer`].
pub struct ResponseOptions {
    /// Paths of fields that lists omit if they are null.
    pub omitted: Arc<[Vec<String>]>,
    /// Whether the document belongs to the program or its operator.
    pub is_own: bool,
}

/// Whether the document belongs to the program or its operator.
pub fn is_own<T>(ctx: &ContextBase<'_, T>) -> bool {
    ctx.data_opt::<ResponseOptions>().is_some_and(|options| options.is_own)
}
