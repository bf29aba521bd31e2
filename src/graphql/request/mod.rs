//! Requests: from a text to an operation that may run.

pub mod authorization;
pub mod coerce_variables;
pub mod collect_fields;
pub mod cost;
pub mod document;
pub mod document_limits;
pub mod document_store;
pub mod file;
pub mod introspection;
pub mod operation;
pub mod persisted;
pub mod selections;
pub mod trusted;
pub mod validation;
