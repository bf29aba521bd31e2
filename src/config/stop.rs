//! How the server stops.

use std::time::Duration;

use clap::Args;

use super::limits::duration;

/// A server that is to stop is waited for: longer would be for ever.
const LONGEST: Duration = Duration::from_mins(5);

/// How the server stops.
#[derive(Debug, Clone, Args)]
pub struct StopSettings {
    /// Time from a signal to stop until the port closes, such as 0s or 5s: /health/ready says 503 meanwhile, so that a load balancer
    /// sends requests elsewhere. The rest of a stop takes 8s, at most
    #[arg(long, global = true, env = "METROGRAPH_DRAIN", default_value = "1s", value_name = "TIME", value_parser = drain)]
    pub drain: Duration,
}

fn drain(text: &str) -> Result<Duration, String> {
    let is_none = text.trim_end_matches(|sign: char| sign.is_ascii_alphabetic()).trim() == "0";
    let time = if is_none { Ok(Duration::ZERO) } else { duration(text) };
    time.ok().filter(|time| *time <= LONGEST).ok_or_else(|| "give a time from 0s to 5min, such as 1s".to_owned())
}
