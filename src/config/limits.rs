//! How much one client may ask of the server.

use std::{num::NonZeroU32, str::FromStr, time::Duration};

use clap::Args;

use super::units;

/// Bodies and responses are held in memory: a larger limit would have no effect.
const MAX_SIZE: usize = 1024 * 1024 * 1024;
/// Every request is larger.
const MIN_SIZE: usize = 1024;
/// More than any client sends.
const MAX_RATE_REQUESTS: u32 = 1_000_000;
/// A longer timeout would have no effect.
const MAX_REQUEST_TIMEOUT: Duration = Duration::from_hours(1);

/// Limits of HTTP requests and connections.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of HTTP")]
pub struct HttpLimits {
    /// Maximum size of a request body or WebSocket message, such as 512KiB or 16MiB
    #[arg(long, env = "METROGRAPH_MAX_BODY", default_value = "16MiB", value_name = "SIZE",
        value_parser = size)]
    pub max_body: usize,

    /// Maximum time to read and answer a request, such as 500ms, 30s or 2min. Also the idle timeout of connections.
    /// Subscriptions are not limited
    #[arg(long, env = "METROGRAPH_REQUEST_TIMEOUT", default_value = "30s", value_name = "TIME",
        value_parser = duration)]
    pub request_timeout: Duration,

    /// Requests per token, or per IP address without one: off, or such as 50/s, 600/min or 10000/h. Requests that store
    /// data are not counted
    #[arg(long, env = "METROGRAPH_RATE_LIMIT", default_value = "off", value_name = "RATE")]
    pub rate_limit: RateLimit,

    /// Maximum number of open connections
    #[arg(long, env = "METROGRAPH_MAX_CONNECTIONS", default_value = "4096", value_name = "NUMBER",
        value_parser = units::whole(NonZeroU32::MIN..=NonZeroU32::MAX))]
    pub max_connections: NonZeroU32,

    /// Maximum number of open subscriptions, over all transports
    #[arg(long, env = "METROGRAPH_MAX_SUBSCRIPTIONS", default_value = "4096", value_name = "NUMBER",
        value_parser = units::whole(NonZeroU32::MIN..=NonZeroU32::MAX))]
    pub max_subscriptions: NonZeroU32,
}

/// Parses a size.
pub(super) fn size(text: &str) -> Result<usize, &'static str> {
    units::size(text, &(MIN_SIZE..=MAX_SIZE)).ok_or("give a size from 1KiB to 1GiB, such as 512KiB or 16MiB")
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let range = Duration::from_millis(1)..=MAX_REQUEST_TIMEOUT;
    units::time_or_seconds(text, &range).ok_or("give a time from 1ms to 1h, such as 500ms, 30s or 2min")
}

/// A rate, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(pub Option<Rate>);

/// A number of requests per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests, which is also the size of a burst.
    pub requests: NonZeroU32,
    /// The period.
    pub per: Duration,
}

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let rate = units::rate(text).and_then(|(requests, per)| {
            let requests = NonZeroU32::new(requests).filter(|requests| requests.get() <= MAX_RATE_REQUESTS)?;
            Some(Rate { requests, per })
        });
        rate.map(|rate| Self(Some(rate))).ok_or_else(|| {
            format!("give off, or a rate such as 50/s, 600/min or 10000/h, of {MAX_RATE_REQUESTS} at most")
        })
    }
}
