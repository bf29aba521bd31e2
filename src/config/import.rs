//! Arguments of `metrograph import` and `metrograph export`.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};

use super::{DatabaseUrl, redacted_path};

/// What to import.
#[derive(Debug, Clone, Args)]
pub struct ImportCommand {
    /// Files of pytest-monitor (.pymon), databases of its server or of another Metrograph (file or postgres:// URL),
    /// exports (NDJSON; - is standard input)
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<SourceAddress>,
    /// Only count what would be stored
    #[arg(long)]
    pub dry_run: bool,
}

/// What to export.
#[derive(Debug, Clone, Args)]
pub struct ExportCommand {
    /// Format of the export
    #[arg(long, value_name = "FORMAT", default_value = "ndjson")]
    pub format: ExportFormat,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line, in an order that depends on nothing but what the history says
    Ndjson,
}

/// Where something to import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAddress {
    /// Lines on standard input.
    Lines,
    /// A file.
    File(PathBuf),
    /// The URL of a database.
    Database(DatabaseUrl),
}

impl FromStr for SourceAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Lines);
        }
        if text.is_empty() {
            return Err("it is empty: give a file or the URL of a database".to_owned());
        }
        if text.starts_with("http:") || text.starts_with("https:") {
            return Err(
                "a server can't be read from: give its database; metrograph push sends files to a server".to_owned()
            );
        }
        if DatabaseUrl::is_address(text) {
            return text.parse().map(Self::Database);
        }
        Ok(Self::File(text.into()))
    }
}

/// Without login.
impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines => f.write_str("standard input"),
            Self::File(path) => f.write_str(&redacted_path(path)),
            Self::Database(url) => f.write_str(url.shown()),
        }
    }
}
