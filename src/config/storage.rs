//! How the database is used.

use std::{num::NonZeroU32, str::FromStr, thread};

use clap::Args;

use super::DatabaseUrl;

/// How the database is used, whichever it is.
#[derive(Debug, Clone, Default)]
pub struct StorageSettings {
    /// Connections to PostgreSQL.
    pub connections: Option<Connections>,
    /// Direct address of the same PostgreSQL, where the other one leads through a pooler in transaction mode.
    pub direct_url: Option<DirectUrl>,
    /// Whether nothing is stored.
    pub read_only: bool,
}

// No doc comment, here and below: it would become that of each command that takes these.
#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
pub(super) struct WayFlags {
    /// Direct address of the same PostgreSQL, where --database-url leads through a pooler in transaction mode: for LISTEN and for making
    /// tables, which need a session of their own
    #[arg(long = "database-direct-url", env = "METROGRAPH_DATABASE_DIRECT_URL", value_name = "URL")]
    pub direct_url: Option<DirectUrl>,

    /// Serve what is stored and store nothing: for a standby of PostgreSQL, a role without the right to write, or a file that may not change
    #[arg(long, env = "METROGRAPH_READ_ONLY")]
    pub read_only: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
pub(super) struct PoolFlags {
    /// Connections to PostgreSQL, all of which are opened at the start: one writes, one listens, one looks tokens up, the others read
    /// [default: 3, and 2 for each processor, 35 at most]
    #[arg(long = "database-connections", env = "METROGRAPH_DATABASE_CONNECTIONS", value_name = "NUMBER")]
    pub connections: Option<Connections>,
}

/// Connections to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections(NonZeroU32);

impl Connections {
    /// Those that have a work of their own: one writes, one listens, one looks tokens up.
    pub(crate) const OTHERS: u32 = 3;
    /// The fewest there can be.
    pub(crate) const FEWEST: Self = Self(NonZeroU32::new(Self::OTHERS + 1).unwrap());
    /// More would make the server slower.
    const MOST: u32 = 1_000;

    /// All of them.
    pub(crate) const fn total(self) -> u32 {
        self.0.get()
    }

    /// Those that read.
    pub(crate) fn readers(self) -> u32 {
        self.total().saturating_sub(Self::OTHERS).max(1)
    }
}

impl Default for Connections {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2));
        Self(const { NonZeroU32::new(Self::OTHERS).unwrap() }.saturating_add(processors.min(16) * 2))
    }
}

impl FromStr for Connections {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let least = Self::FEWEST.total();
        match text.parse::<NonZeroU32>() {
            Ok(number) if (least..=Self::MOST).contains(&number.get()) => Ok(Self(number)),
            _ => Err(format!("give a whole number from {least} to {}", Self::MOST)),
        }
    }
}

/// The address of a PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectUrl(DatabaseUrl);

impl DirectUrl {
    /// The address.
    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.0
    }
}

impl FromStr for DirectUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = DatabaseUrl::from_str(text)?;
        if url.sqlite_file().is_some() {
            Err("give postgres://USER:PASSWORD@HOST/NAME".to_owned())
        } else {
            Ok(Self(url))
        }
    }
}
