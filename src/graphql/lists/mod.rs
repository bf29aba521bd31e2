//! Lists: what all of them share, whatever they are lists of.

pub mod connection;
pub mod cost;
pub mod dataloader;
pub mod filter;
pub mod json_writer;
pub mod listed;
pub mod loader_keys;
pub mod object;
pub mod page;
pub mod page_number;
