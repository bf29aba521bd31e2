//! How a request has its response written.

use std::sync::Arc;

use async_graphql::ContextBase;

/// Options of a response. With them, lists write themselves as JSON: see [`crate::graphql::lists::json_writer`].
pub struct ResponseOptions {
    /// The paths of fields that are left out of lists where they are null.
    pub omitted: Arc<[Vec<String>]>,
    /// Whether a document of the program or its operator is run.
    pub is_own: bool,
}

/// Whether a document of the program or its operator is run.
pub fn is_own<T>(ctx: &ContextBase<'_, T>) -> bool {
    ctx.data_opt::<ResponseOptions>().is_some_and(|options| options.is_own)
}
