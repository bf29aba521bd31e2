//! Who may enter.

use clap::{Args, ValueEnum};

/// Who may enter.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Who may enter")]
pub struct AccessSettings {
    /// Who may enter: everybody (open), everybody to read and tokens to write (read), tokens alone (closed)
    #[arg(
        id = "access",
        long = "access",
        env = "METROGRAPH_ACCESS",
        default_value = "open",
        value_name = "MODE",
        hide_possible_values = true
    )]
    pub mode: AccessMode,
}

/// Who may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessMode {
    /// Everybody reads and writes; nobody is asked who they are.
    Open,
    /// Everybody reads; whoever writes needs a token.
    Read,
    /// Whoever reads or writes needs a token.
    Closed,
}

/// A token scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, async_graphql::Enum)]
pub enum Scope {
    /// Read: queries and subscriptions.
    Read,
    /// Write: record metrics, announce sessions and contexts. For CI workers.
    Ingest,
    /// Full access.
    Admin,
}

impl Scope {
    /// How it is written on the command line, in the database and in HTTP.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }

    /// The scope that is written so.
    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::value_variants().iter().find(|scope| scope.as_str() == text).copied()
    }
}
