//! The tables of Metrograph and their queries.
//!
//! [`table`] has a module for each table: the row (`Model`) and the filter of its lists. [`edges`] has the relations between
//! tables. [`history`] holds all metrics as columns; [`query`] has the queries for lists. [`list`] turns filter, order and cursor
//! position into SQL, for one list or for the same list under each of many parents. [`dialect`] has what the engines spell differently. [`driver`] runs the statements: on SQLite through rusqlite, on
//! PostgreSQL through sqlx.

pub mod announced;
pub mod cache;
pub mod column;
pub mod dialect;
pub mod digest;
pub mod driver;
pub mod edges;
pub mod filter;
pub mod history;
pub mod list;
pub mod listing;
pub mod query;
pub mod resource;
pub mod run;
pub mod table;
pub mod time;
