//! What runs statements: on SQLite through rusqlite, on PostgreSQL through the ORM.

pub mod copy;
pub mod error_kind;
pub mod executor;
pub mod file;
pub mod history;
pub mod keys;
mod orm;
pub mod row;
pub mod rusqlite;
pub mod source;
pub mod wal_owner;
