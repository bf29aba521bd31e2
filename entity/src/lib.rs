//! The rows that Metrograph stores, and the questions one may ask of them.
//!
//! [`table`] has a module for each table: the row (`Model`) and the filter that its lists understand; [`edges`] lead from row to row.
//! [`list`] turns filter, order and position into SQL, for one list or for the same list under each of many parents. What the engines
//! spell differently lies in [`dialect`]. [`driver`] runs the statements: on SQLite through rusqlite, on PostgreSQL through the ORM.

pub mod announced;
pub mod column;
pub mod count_cache;
pub mod dialect;
pub mod digest;
pub mod driver;
pub mod edges;
pub mod filter;
pub mod key_range;
pub mod list;
pub mod list_cache;
pub mod listing;
pub mod metric_block;
pub mod pages;
pub mod resource;
pub mod run;
pub mod table;
pub mod time;
pub mod top;
