//! Settings of GraphQL: limits of a request, trusted and persisted documents.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{PathBufValueParser, TypedValueParser as _},
};

use super::{
    arguments::folder,
    limits::size,
    units::{number, whole},
};

/// Settings of `/graphql`.
#[derive(Debug, Clone, Args)]
pub struct GraphqlSettings {
    /// Limits of a request.
    #[command(flatten)]
    pub limits: Limits,
    /// Trusted and persisted documents.
    #[command(flatten)]
    pub documents: Documents,

    /// Seconds for which a cache may answer a query sent by GET without asking again; 0: caches ask each time
    #[arg(long, env = "METROGRAPH_CACHE_SECONDS", default_value_t = 0, value_name = "SECONDS",
        value_parser = whole(0..=u32::MAX))]
    pub cache_seconds: u32,
}

/// What a GraphQL request may ask for.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits of GraphQL requests")]
pub struct Limits {
    /// GraphQL: fields within each other, at most
    #[arg(long, env = "METROGRAPH_MAX_DEPTH", default_value_t = 24, value_name = "LEVELS",
        value_parser = number(1..=60))]
    pub max_depth: usize,

    /// GraphQL: fields that a request may cost, those of a list counted once for every row that it may have
    #[arg(long, env = "METROGRAPH_MAX_COMPLEXITY", default_value_t = 500_000, value_name = "FIELDS",
        value_parser = number(1..=1_000_000_000))]
    pub max_complexity: usize,

    /// GraphQL: aliases of an operation, at most
    #[arg(long, env = "METROGRAPH_MAX_ALIASES", default_value_t = 200, value_name = "COUNT",
        value_parser = number(0..=100_000))]
    pub max_aliases: usize,

    /// GraphQL: fields of an operation that lie in no other field, at most
    #[arg(long, env = "METROGRAPH_MAX_ROOT_FIELDS", default_value_t = 100, value_name = "COUNT",
        value_parser = number(1..=100_000))]
    pub max_root_fields: usize,

    /// GraphQL: directives of an operation, at most
    #[arg(long, env = "METROGRAPH_MAX_DIRECTIVES", default_value_t = 100, value_name = "COUNT",
        value_parser = number(0..=100_000))]
    pub max_directives: usize,

    /// GraphQL: names, values and signs of a document, at most
    #[arg(long, env = "METROGRAPH_MAX_TOKENS", default_value_t = 15_000, value_name = "COUNT",
        value_parser = number(1..=1_000_000))]
    pub max_tokens: usize,

    /// GraphQL: rows of a connection, at most; the schema promises no more than 500
    #[arg(long, env = "METROGRAPH_MAX_ROWS", default_value_t = 500, value_name = "ROWS",
        value_parser = number(1..=500))]
    pub max_rows: usize,

    /// GraphQL: bytes that the answer to a request may take, at most, such as 512KiB or 64MiB
    #[arg(long, env = "METROGRAPH_MAX_ANSWER", default_value = "64MiB", value_name = "SIZE",
        value_parser = size)]
    pub max_answer: usize,

    /// GraphQL: requests sent together, at most
    #[arg(long, env = "METROGRAPH_MAX_BATCH", default_value_t = 20, value_name = "COUNT",
        value_parser = number(1..=1_000))]
    pub max_batch: usize,
}

/// Documents that are known by a name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Documents that are named instead of sent")]
pub struct Documents {
    /// Folder of trusted GraphQL documents, asked for by documentId: *.graphql under the name of the file, *.json as
    /// written by graphql-codegen, Relay and Apollo under the ids in it
    #[arg(long, env = "METROGRAPH_DOCUMENTS_DIR", value_name = "FOLDER",
        value_parser = PathBufValueParser::new().try_map(folder))]
    pub documents_dir: Option<PathBuf>,

    /// Answer no GraphQL document but the trusted ones
    #[arg(long, env = "METROGRAPH_TRUSTED_ONLY")]
    pub trusted_only: bool,

    /// Megabytes of documents that clients may leave here, to name them by their hash (automatic persisted queries); 0:
    /// none
    #[arg(long, env = "METROGRAPH_PERSISTED_MEGABYTES", default_value_t = 8, value_name = "MB",
        value_parser = number(0..=1_000))]
    pub persisted_megabytes: usize,
}
