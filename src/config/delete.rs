//! Arguments of `metrograph delete`.

use clap::{Args, builder::NonEmptyStringValueParser};

/// What to delete.
#[derive(Debug, Clone, Args)]
pub struct DeleteCommand {
    /// Hashes of the sessions to delete, with their metrics
    #[arg(long = "session", value_name = "HASH", required = true, num_args = 1.., value_parser = NonEmptyStringValueParser::new())]
    pub sessions: Vec<String>,
    /// Only print what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}
