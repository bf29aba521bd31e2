//! The operation of a request: what [`crate::graphql::Graph`] executes.

use std::sync::Arc;

use async_graphql::{Variables, parser::types::OperationType};

use crate::{
    access::Caller,
    graphql::request::document::{Document, DocumentOperation},
};

/// A request: a document, the operation to run, and the values of its variables.
#[derive(Clone)]
pub struct Operation {
    /// The document, parsed.
    pub document: Document,
    /// The name of the operation, if the document has several.
    pub name: Option<String>,
    /// The values of the variables.
    pub variables: Variables,
    /// Paths of fields that lists omit if they are null.
    pub omitted: Arc<[Vec<String>]>,
    /// The caller.
    pub caller: Caller,
}

impl Operation {
    /// Whether it is a mutation. If no operation has the name, whether the document has one.
    pub fn may_store(&self) -> bool {
        let mut all = self.document.operations().iter();
        self.kind().map_or_else(
            || all.any(|operation| operation.kind() == OperationType::Mutation),
            |kind| kind == OperationType::Mutation,
        )
    }

    /// Returns the name that the document gives the operation.
    pub fn own_name(&self) -> Option<&str> {
        self.document.operation(self.name.as_deref()).ok().and_then(DocumentOperation::name)
    }

    /// Returns the kind of the operation; `None` if no operation has the name.
    pub fn kind(&self) -> Option<OperationType> {
        self.document.operation(self.name.as_deref()).ok().map(DocumentOperation::kind)
    }
}
