//! GraphQL: queries and mutations.

mod batches;
mod caching;
mod comparisons;
mod conformance;
mod consistency;
mod descriptions;
mod documents;
mod field_merging;
mod groups;
mod hostile;
mod http;
mod limits;
mod lists;
mod long_lists;
mod long_variables;
mod mutations;
mod object_types;
mod projects;
mod rankings;
mod response_size;
mod runs;
mod rust_client;
mod statement_counts;
mod tags;
mod validation;
