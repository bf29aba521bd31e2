//! Requests: finds, parses, validates, limits and authorizes the operation that a request names.

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
