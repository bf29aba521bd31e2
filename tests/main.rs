//! Every test of behaviour, through the public surfaces: one module per surface, each behaviour on both engines.

mod support;

mod graphql_hostile;
mod graphql_http;
mod graphql_lists;
mod graphql_mutations;
mod graphql_nouns;
mod graphql_rules;
mod graphql_statements;
mod rest_recorded;
