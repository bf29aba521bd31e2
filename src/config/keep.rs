//! Arguments of `metrograph check`, `metrograph backup` and `metrograph restore`.

use std::path::PathBuf;

use clap::{Args, builder::PathBufValueParser};

/// How to check.
#[derive(Debug, Clone, Copy, Args)]
pub struct CheckCommand {
    /// Set counters and lists to what the metrics say; damaged pages stay
    #[arg(long)]
    pub repair: bool,
}

/// Where to back up to.
#[derive(Debug, Clone, Args)]
pub struct BackupCommand {
    /// The new file
    #[arg(value_name = "TO", value_parser = PathBufValueParser::new())]
    pub to: PathBuf,
}

/// What to restore.
#[derive(Debug, Clone, Args)]
pub struct RestoreCommand {
    /// The backup, which is left as it is
    #[arg(value_name = "FROM", value_parser = PathBufValueParser::new())]
    pub from: PathBuf,
}
