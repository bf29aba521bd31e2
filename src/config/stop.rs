//! How the server stops.

use std::time::Duration;

use clap::Args;

use super::units;

/// The maximum of `--drain`: supervisors do not wait longer.
const MAX_DRAIN: Duration = Duration::from_mins(5);

/// How the server stops.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct StopSettings {
    /// Time from a stop signal until the port closes, such as 0s or 5s. Meanwhile /health/ready returns 503, so that
    /// load balancers drain the server. The rest of the shutdown takes at most 8s
    #[arg(long, env = "METROGRAPH_DRAIN", default_value = "1s", value_name = "TIME", value_parser = drain)]
    pub drain: Duration,
}

fn drain(text: &str) -> Result<Duration, &'static str> {
    units::time_or_seconds(text, &(Duration::ZERO..=MAX_DRAIN)).ok_or("give a time from 0s to 5min, such as 1s")
}
