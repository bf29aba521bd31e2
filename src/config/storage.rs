//! How the database is used.

use std::{num::NonZeroU32, str::FromStr, thread};

use clap::Args;

use super::database::DatabaseUrl;

/// How the database is used.
#[derive(Debug, Clone, Default)]
pub struct StorageSettings {
    /// Connections to PostgreSQL.
    pub connections: Option<Connections>,
    /// Direct address of the same PostgreSQL, where the other one leads through a pooler in transaction mode.
    pub direct_url: Option<DirectUrl>,
    /// Whether nothing is stored.
    pub read_only: bool,
}

// No doc comment, here and below: clap would use it as the help of each command with these arguments.
#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
pub(super) struct ConnectionFlags {
    /// URL that bypasses a transaction-mode pooler such as PgBouncer, for LISTEN and migrations
    #[arg(long = "database-direct-url", env = "METROGRAPH_DATABASE_DIRECT_URL", value_name = "URL")]
    pub direct_url: Option<DirectUrl>,

    /// Reject writes. For a PostgreSQL standby, a role without write privileges, or a read-only file
    #[arg(long, env = "METROGRAPH_READ_ONLY")]
    pub read_only: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
pub(super) struct PoolFlags {
    /// Size of the PostgreSQL connection pool, opened at startup: one connection writes, one listens, one looks up
    /// tokens, the others read [default: 3 plus 2 per processor, at most 35]
    #[arg(long = "database-connections", env = "METROGRAPH_DATABASE_CONNECTIONS", value_name = "NUMBER")]
    pub connections: Option<Connections>,
}

/// The number of connections to PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections(NonZeroU32);

impl Connections {
    /// Connections with a purpose of their own: one writes, one listens, one looks tokens up.
    pub(crate) const RESERVED: u32 = 3;
    /// The minimum.
    pub(crate) const MIN: Self = Self(NonZeroU32::new(Self::RESERVED + 1).unwrap());
    /// The maximum; more would make the server slower.
    const MAX: u32 = 1_000;

    /// Returns the total.
    pub(crate) const fn total(self) -> u32 {
        self.0.get()
    }

    /// Returns the number of connections that read.
    pub(crate) fn readers(self) -> u32 {
        self.total().saturating_sub(Self::RESERVED).max(1)
    }
}

impl Default for Connections {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2));
        Self(const { NonZeroU32::new(Self::RESERVED).unwrap() }.saturating_add(processors.min(16) * 2))
    }
}

impl FromStr for Connections {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let least = Self::MIN.total();
        match text.parse::<NonZeroU32>() {
            Ok(number) if (least..=Self::MAX).contains(&number.get()) => Ok(Self(number)),
            _ => Err(format!("give a whole number from {least} to {}", Self::MAX)),
        }
    }
}

/// The URL of a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectUrl(DatabaseUrl);

impl DirectUrl {
    /// Returns the URL.
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
