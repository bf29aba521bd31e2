//! What runs statements: on SQLite through rusqlite, on PostgreSQL through the ORM.

pub mod executor;
pub mod fault;
pub mod file;
pub mod history;
pub mod log;
mod orm;
pub mod row;
pub mod rusqlite;
pub mod source;
