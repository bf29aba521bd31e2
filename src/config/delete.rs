//! Arguments of `metrograph delete`.

use clap::{ArgGroup, Args, builder::NonEmptyStringValueParser};

/// What to delete.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["sessions", "runs", "filter"]))]
pub struct DeleteCommand {
    /// Hashes of the sessions to delete, with their metrics
    #[arg(long = "session", value_name = "HASH", num_args = 1.., value_parser = NonEmptyStringValueParser::new())]
    pub sessions: Vec<String>,
    /// IDs of the runs whose sessions to delete, as the graph has them
    #[arg(long = "run", value_name = "ID", num_args = 1.., value_parser = NonEmptyStringValueParser::new())]
    pub runs: Vec<String>,
    /// Filter of the sessions to delete: a `SessionWhere` as GraphQL writes it, such as
    /// '{pipeline: {eq: "nightly"}, runDate: {lt: "2026-01-01"}}'
    #[arg(long = "where", value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    pub filter: Option<String>,
    /// Only print what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}
