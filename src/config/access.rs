//! The access mode and the scopes of tokens.

use clap::{Args, ValueEnum};

/// Access control.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessSettings {
    /// Who needs a token: nobody (open), writers (read), everybody (closed)
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

/// Who needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessMode {
    /// Nobody; tokens are ignored.
    Open,
    /// Only writers.
    Read,
    /// Readers and writers.
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
    /// Returns the name on the command line, in the database and in HTTP.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }

    /// Returns the scope of this name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::value_variants().iter().find(|scope| scope.as_str() == text).copied()
    }
}
