//! What is asked of the graph.

use std::sync::Arc;

use async_graphql::{Variables, parser::types::OperationType};

use crate::{
    access::Caller,
    graphql::request::document::{Asked, Document},
};

/// A request: a document, the operation to run, and the values of its variables.
pub struct Operation {
    /// The document, parsed.
    pub document: Document,
    /// Which operation, where the document has several.
    pub name: Option<String>,
    /// The variables.
    pub variables: Variables,
    /// The paths of fields that are left out of lists where they are null.
    pub omitted: Arc<[Vec<String>]>,
    /// Who asks.
    pub caller: Caller,
}

impl Operation {
    /// Whether it may store something; any operation of the document may be meant where the name leads to none.
    pub fn may_store(&self) -> bool {
        let mut all = self.document.operations().iter();
        self.kind().map_or_else(
            || all.any(|asked| asked.kind() == OperationType::Mutation),
            |kind| kind == OperationType::Mutation,
        )
    }

    /// What is asked for; `None` where the name leads to no operation.
    pub fn kind(&self) -> Option<OperationType> {
        self.document.operation(self.name.as_deref()).ok().map(Asked::kind)
    }
}
