//! Why a database can't be used, each with what to do.

use std::path::PathBuf;

use sea_orm::DbErr;

/// Why a database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to a monitor-server, and is left untouched.
    #[error(
        "the database holds the tables of a monitor-server (TEST_METRICS); it was left untouched: give --database-url \
         another file or database, and bring into that what this one holds: metrograph import {0} --database-url URL"
    )]
    MonitorServer(String),
    /// It belongs to another program, which has a table with one of our names, and is left untouched.
    #[error(
        "--database-url: the database holds a table '{0}' of another program; it was left untouched: give another file or \
         database"
    )]
    Foreign(String),
    /// Its encoding is not UTF-8.
    #[error(
        "--database-url: PostgreSQL at {place}: the database is in {encoding}, which can't hold every name: make one in UTF8 \
         (CREATE DATABASE metrograph ENCODING 'UTF8' TEMPLATE template0), and restore into it what pg_dump gives of this one"
    )]
    Encoding {
        /// Where it is.
        place: String,
        /// What it is in.
        encoding: String,
    },
    /// The server refuses some of the connections.
    #[error("--database-connections: {got} of {wanted} connections could be opened: {reason}")]
    TooFew {
        /// Connections that were opened.
        got: usize,
        /// Connections that were requested.
        wanted: u32,
        /// Why the next one failed.
        reason: String,
    },
    /// A newer version has changed the tables.
    #[error("--database-url: the database was written by a newer Metrograph ({0}): run that version, or a later one")]
    Newer(String),
    /// Migrations are missing, and must not be run.
    #[error(
        "--read-only: the tables are not those of this version ({0} is lacking): start it without --read-only once, \
         or run the version that made them"
    )]
    Older(String),
    /// Something was to be stored in read-only mode.
    #[error("--read-only (METROGRAPH_READ_ONLY): nothing is stored, and this has to be: leave it out")]
    ReadOnly,
    /// Nothing can be stored.
    #[error(
        "--database-url: {0}: nothing could be stored: grant that, give the address of the primary, or start with --read-only"
    )]
    MayNotWrite(String),
    /// A PostgreSQL that can't be used, with the reason.
    #[error("--database-url: {0}")]
    Server(String),
    /// The file can't be used as it is.
    #[error("--database-url: {}: {}", crate::config::redacted_path(.0), .1)]
    File(PathBuf, String),
    /// It can't be opened, or a migration failed.
    #[error("--database-url: the database can't be opened: {0}")]
    Unusable(#[from] DbErr),
}
