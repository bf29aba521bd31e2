//! The state of writing a description, and how it reads selections.

use std::collections::HashMap;

use apollo_compiler::{
    Schema,
    executable::{Selection, SelectionSet},
};
use serde_json::Value;

use crate::rest::{
    document::{Document, Endpoint},
    openapi::components::Components,
};

pub(crate) struct Writer<'a> {
    pub schema: &'a Schema,
    pub document: &'a Document,
    /// See [`crate::rest::facades::Manners`].
    pub is_strict: bool,
    pub components: Components,
    /// References to input types, by name.
    pub inputs: HashMap<String, Value>,
}

impl Writer<'_> {
    pub fn root(&self, endpoint: &Endpoint) -> &SelectionSet {
        &self.document.executable.operations.named[endpoint.name.as_str()].selection_set
    }

    /// Returns the fields of a selection, including those of fragments.
    pub fn fields<'s>(&'s self, set: &'s SelectionSet) -> Vec<&'s apollo_compiler::executable::Field> {
        set.root_fields(&self.document.executable).map(|field| &**field).collect()
    }

    /// Returns the name of the fragment if a selection is one fragment spread and nothing else.
    pub fn only_fragment(set: &SelectionSet) -> Option<&str> {
        match set.selections.as_slice() {
            [Selection::FragmentSpread(spread)] => Some(&spread.fragment_name),
            _ => None,
        }
    }
}
