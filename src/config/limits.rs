//! How much one client may ask of the server.

use std::{num::NonZeroU32, str::FromStr, time::Duration};

use clap::Args;

/// Bodies and answers are held in memory: a larger limit would be none.
const LARGEST_SIZE: usize = 1024 * 1024 * 1024;
/// Every request takes more than this.
const SMALLEST_SIZE: usize = 1024;
/// More requests at once than anybody sends.
const MOST_REQUESTS: u32 = 1_000_000;
/// Waiting longer would be waiting for ever.
const LONGEST_REQUEST: Duration = Duration::from_hours(1);

/// How much one client may ask of the server.
#[derive(Debug, Clone, Args)]
pub struct HttpLimits {
    /// Bytes of a request's body and of a WebSocket's message, at most, such as 512KiB or 16MiB
    #[arg(long, global = true, env = "METROGRAPH_MAX_BODY", default_value = "16MiB", value_name = "SIZE",
        value_parser = size)]
    pub max_body: usize,

    /// Time to read a request and to answer it, at most, such as 500ms, 30s or 2min; then it is given up. A connection
    /// on which nothing is asked for as long is closed; subscriptions may last
    #[arg(long, global = true, env = "METROGRAPH_REQUEST_TIMEOUT", default_value = "30s", value_name = "TIME",
        value_parser = duration)]
    pub request_timeout: Duration,

    /// Requests of one token, or of one address without a token: off, or such as 50/s, 600/min or 10000/h. What is sent
    /// to be stored does not count
    #[arg(long, global = true, env = "METROGRAPH_RATE_LIMIT", default_value = "off", value_name = "RATE")]
    pub rate_limit: RateLimit,

    /// Connections open at the same time, at most
    #[arg(long, global = true, env = "METROGRAPH_MAX_CONNECTIONS", default_value = "4096", value_name = "NUMBER")]
    pub max_connections: NonZeroU32,

    /// Subscriptions open at the same time, at most, over sockets and as server-sent events
    #[arg(long, global = true, env = "METROGRAPH_MAX_SUBSCRIPTIONS", default_value = "4096", value_name = "NUMBER")]
    pub max_subscriptions: NonZeroU32,
}

/// A number and the unit behind it.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// A number of bytes.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let bytes = number_and_unit(text).and_then(|(number, unit)| {
        let unit: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "kib" => 1 << 10,
            "mb" => 1_000_000,
            "mib" => 1 << 20,
            "gb" => 1_000_000_000,
            "gib" => 1 << 30,
            _ => return None,
        };
        usize::try_from(number.checked_mul(unit)?).ok()
    });
    bytes
        .filter(|bytes| (SMALLEST_SIZE..=LARGEST_SIZE).contains(bytes))
        .ok_or_else(|| "give a size from 1KiB to 1GiB, such as 16MiB".to_owned())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let time = number_and_unit(text).and_then(|(number, unit)| {
        Some(match unit {
            "ms" => Duration::from_millis(number),
            "" | "s" => Duration::from_secs(number),
            "min" => Duration::from_secs(number.checked_mul(60)?),
            _ => return None,
        })
    });
    time.filter(|time| (Duration::from_millis(1)..=LONGEST_REQUEST).contains(time))
        .ok_or_else(|| "give a time from 1ms to 60min, such as 30s".to_owned())
}

/// Requests in a span of time, or any number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(pub Option<Rate>);

/// Requests in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, also at once.
    pub requests: NonZeroU32,
    /// In which time.
    pub per: Duration,
}

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let rate = text.split_once('/').and_then(|(requests, per)| {
            let requests = requests.parse().ok().filter(|requests: &NonZeroU32| requests.get() <= MOST_REQUESTS)?;
            let per = match per {
                "s" => Duration::from_secs(1),
                "min" => Duration::from_mins(1),
                "h" => Duration::from_hours(1),
                _ => return None,
            };
            Some(Rate { requests, per })
        });
        rate.map(|rate| Self(Some(rate)))
            .ok_or_else(|| format!("give off, or a rate such as 50/s, 600/min or 10000/h, of {MOST_REQUESTS} at most"))
    }
}
