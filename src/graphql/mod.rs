//! The product: the graph. `schema` has a file for each object type; `lists` is what all lists share; `request` turns a text into an
//! operation that may run; `live` is what subscribers get. [`Graph`] joins them.

mod directive;
mod error;
mod fairness;
mod graph;
mod json;
mod limits;
mod lists;
mod live;
mod request;
mod response_budget;
mod response_options;
mod scalars;
mod schema;
mod state;
mod stock;

pub use self::{
    error::{crossed, refusal},
    graph::Graph,
    json::{check_values, has_long_numbers, read_exactly, without_mark, without_mark_of_text},
    limits::{MAX_ROWS, MAX_SHORT_LIST},
    lists::json_writer::{write_answer, write_value, written_bytes},
    request::{
        coerce_variables::{check_scalar, coerce_number, whole},
        cost::Cost,
        document::Document,
        document_store::Documents,
        file::{DocumentError, read_document, read_schema},
        introspection::Told,
        operation::Operation,
    },
    scalars::check_text,
    schema::{metric_input::are_metrics, sdl},
    stock::Stock,
};
