//! Every test of behaviour, through the public surfaces: one module per surface, each behaviour on both engines.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

mod access;
mod access_tokens;
mod binary;
mod database;
mod database_plans;
mod foreign_text;
mod graphql_batches;
mod graphql_caching;
mod graphql_clocks;
mod graphql_descriptions;
mod graphql_documents;
mod graphql_hostile;
mod graphql_http;
mod graphql_limits;
mod graphql_lists;
mod graphql_live;
mod graphql_long_variables;
mod graphql_meanwhile;
mod graphql_mutations;
mod graphql_nouns;
mod graphql_progress;
mod graphql_rules;
mod graphql_sizes;
mod graphql_socket;
mod graphql_statements;
mod graphql_tags;
mod house;
mod idle_connections;
mod live_across_servers;
mod long_lists;
mod openapi;
mod rest_dir;
mod rest_entry_points;
mod rest_recorded;
mod rest_v1_errors;
mod rest_v1_lists;
mod rest_v1_order;
mod rest_v1_pages;
mod rest_v1_paths;
mod rest_v1_posts;
mod secrets;
mod settings;
mod slow_readers;
mod tls;
mod way_in;
mod web_bodies;
mod web_limits;
mod web_security;
