//! GraphQL. `schema` has a file per object type; `lists` is what all lists share; `request` parses, validates and authorizes
//! operations; `live` feeds subscriptions. [`Graph`] joins them.

mod directive;
mod error;
mod fairness;
mod filter_text;
mod graph;
mod json;
mod limits;
mod lists;
mod live;
mod near_names;
mod request;
mod response_budget;
mod response_options;
mod scalars;
mod schema;
mod state;
mod stock;

pub use self::{
    error::{limit_exceeded, refusal},
    filter_text::session_filter,
    graph::Graph,
    json::{check_values, has_long_numbers, read_exactly, text_without_bom, without_bom},
    limits::{MAX_ROWS, MAX_SHORT_LIST},
    lists::json_writer::{raw_json_bytes, write_json, write_value},
    near_names::near_names,
    request::{
        coerce_variables::{check_scalar, coerce_number, whole},
        cost::Cost,
        document::Document,
        document_store::DocumentStore,
        file::{DocumentError, read_document, read_schema},
        introspection::Disclosure,
        operation::Operation,
    },
    scalars::check_text,
    schema::{metric_input::are_metrics, sdl},
    stock::Stock,
};
