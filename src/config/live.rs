//! Settings of subscriptions.

use std::num::NonZeroU32;

use clap::Args;

use super::units::whole;

/// As many as one mutation records, at most.
const BUFFER: NonZeroU32 = const { NonZeroU32::new(10_000).unwrap() };
/// There is room for all of them from the start.
const MAX_BUFFER: NonZeroU32 = const { NonZeroU32::new(1_000_000).unwrap() };

/// Settings of subscriptions.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Live data")]
pub struct LiveSettings {
    /// Events buffered for a slow subscriber. Beyond that, the oldest are dropped, and the next event carries their
    /// number
    #[arg(long = "live-buffer", env = "METROGRAPH_LIVE_BUFFER", default_value_t = BUFFER, value_name = "EVENTS",
        value_parser = whole(NonZeroU32::MIN..=MAX_BUFFER))]
    pub buffer: NonZeroU32,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { buffer: BUFFER }
    }
}
