//! How the database is used.

use std::{num::NonZeroU32, str::FromStr, thread, time::Duration};

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
    /// Whether metrics stay rows of a table after they were compressed; by default on PostgreSQL only.
    pub keep_rows: Option<bool>,
    /// The sizes of segments and their pages.
    pub segments: SegmentSizes,
    /// How long the columns of a segment that was replaced stay for those who read them. Only tests set it.
    pub replaced_grace: Option<Duration>,
}

/// The sizes of segments, which hold the history as compressed columns, and of their pages. Only tests set them.
#[derive(Debug, Clone, Copy)]
pub struct SegmentSizes {
    /// Number of metrics in a page, at most 256.
    pub page: usize,
    /// Number of metrics in a segment: a multiple of `page`.
    pub segment: usize,
}

impl Default for SegmentSizes {
    fn default() -> Self {
        Self { page: 256, segment: 32_768 }
    }
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

    /// Keep metrics as rows for SQL readers such as Grafana, besides the compressed history, which is all that the
    /// server itself reads [default: true on PostgreSQL, false on SQLite]
    #[arg(long, env = "METROGRAPH_KEEP_ROWS", value_name = "BOOLEAN")]
    pub keep_rows: Option<bool>,
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
