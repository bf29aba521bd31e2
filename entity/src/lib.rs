//! The rows that Metrograph stores, and the questions one may ask of them.
//!
//! One module per table. Each holds the row (`Model`), the filter that its lists understand, and the edges that lead to it
//! from other rows. [`list`] turns filter, order and position into SQL, for one list or for the same list under each of many
//! parents. What the engines spell differently lies in `sqlite` and `postgres`, chosen by [`engine::Engine`]. [`source`] runs the
//! statements: on SQLite through [`direct`], on PostgreSQL through the ORM.

pub mod access_token;
pub mod announced;
pub mod build;
pub mod component;
pub mod component_build;
pub mod digest;
pub mod direct;
pub mod engine;
pub mod execution_context;
pub mod fault;
pub mod file;
pub mod filter;
pub mod history;
pub mod item;
pub mod known_counts;
pub mod known_lists;
pub mod list;
pub mod log;
pub mod metric;
pub mod metric_block;
pub mod pages;
pub mod pipeline;
pub mod pipeline_variant;
pub mod postgres;
pub mod row;
pub mod run;
pub mod session;
pub mod session_tag;
pub mod source;
mod sqlite;
pub mod tag;
pub mod time;
pub mod top;
pub mod variant;
