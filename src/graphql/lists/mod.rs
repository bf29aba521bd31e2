//! Connections, numbered pages, filters, loaders and JSON of lists, whatever type their items have.

pub mod connection;
pub mod cost;
pub mod dataloader;
pub mod filter;
pub mod filter_names;
pub mod json_writer;
pub mod listed;
pub mod loader_keys;
pub mod object;
pub mod page;
pub mod page_number;
pub mod point_keys;
pub mod ranking;
pub mod resource;
pub mod run_loader_keys;
pub mod statistics_keys;
