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

    /// Seconds for which HTTP caches may reuse the response to a GET query; 0: they revalidate each time
    #[arg(long, env = "METROGRAPH_CACHE_SECONDS", default_value_t = 0, value_name = "SECONDS",
        value_parser = whole(0..=u32::MAX))]
    pub cache_seconds: u32,
}

/// Limits of a GraphQL request.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits of GraphQL requests")]
pub struct Limits {
    /// Maximum nesting of fields
    #[arg(long, env = "METROGRAPH_MAX_DEPTH", default_value_t = 24, value_name = "LEVELS",
        value_parser = number(1..=60))]
    pub max_depth: usize,

    /// Maximum query cost: number of fields × maximum rows of each list
    #[arg(long, env = "METROGRAPH_MAX_COMPLEXITY", default_value_t = 500_000, value_name = "FIELDS",
        value_parser = number(1..=1_000_000_000))]
    pub max_complexity: usize,

    /// Maximum number of aliases in an operation
    #[arg(long, env = "METROGRAPH_MAX_ALIASES", default_value_t = 200, value_name = "COUNT",
        value_parser = number(0..=100_000))]
    pub max_aliases: usize,

    /// Maximum number of top-level fields
    #[arg(long, env = "METROGRAPH_MAX_ROOT_FIELDS", default_value_t = 100, value_name = "COUNT",
        value_parser = number(1..=100_000))]
    pub max_root_fields: usize,

    /// Maximum number of directives in an operation
    #[arg(long, env = "METROGRAPH_MAX_DIRECTIVES", default_value_t = 100, value_name = "COUNT",
        value_parser = number(0..=100_000))]
    pub max_directives: usize,

    /// Maximum number of lexical tokens in a document
    #[arg(long, env = "METROGRAPH_MAX_TOKENS", default_value_t = 15_000, value_name = "COUNT",
        value_parser = number(1..=1_000_000))]
    pub max_tokens: usize,

    /// Maximum number of rows of a connection, at most 500
    #[arg(long, env = "METROGRAPH_MAX_ROWS", default_value_t = 500, value_name = "ROWS",
        value_parser = number(1..=500))]
    pub max_rows: usize,

    /// Maximum size of a response, such as 512KiB or 64MiB
    #[arg(long, env = "METROGRAPH_MAX_ANSWER", default_value = "64MiB", value_name = "SIZE",
        value_parser = size)]
    pub max_answer: usize,

    /// Maximum number of requests in a batch
    #[arg(long, env = "METROGRAPH_MAX_BATCH", default_value_t = 20, value_name = "COUNT",
        value_parser = number(1..=1_000))]
    pub max_batch: usize,
}

/// Trusted and persisted documents.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Persisted documents and caching")]
pub struct Documents {
    /// Directory of trusted GraphQL documents, requested by documentId: the name of a *.graphql file, or an id of a
    /// *.json manifest of graphql-codegen, Relay or Apollo
    #[arg(long, env = "METROGRAPH_DOCUMENTS_DIR", value_name = "FOLDER",
        value_parser = PathBufValueParser::new().try_map(folder))]
    pub documents_dir: Option<PathBuf>,

    /// Execute only trusted documents
    #[arg(long, env = "METROGRAPH_TRUSTED_ONLY")]
    pub trusted_only: bool,

    /// Memory for automatic persisted queries, in MB; 0 turns them off
    #[arg(long, env = "METROGRAPH_PERSISTED_MEGABYTES", default_value_t = 8, value_name = "MB",
        value_parser = number(0..=1_000))]
    pub persisted_megabytes: usize,
}
