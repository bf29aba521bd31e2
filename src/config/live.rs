//! What subscribers hear.

use std::num::NonZeroU32;

use clap::Args;

/// How events reach those who listen.
#[derive(Debug, Clone, Args)]
pub struct LiveSettings {
    /// Events that may wait for a slow subscriber; of more, the oldest are lost, and the next event says how many
    #[arg(
        long = "live-buffer",
        global = true,
        env = "METROGRAPH_LIVE_BUFFER",
        default_value = "10000",
        value_name = "EVENTS"
    )]
    pub buffer: NonZeroU32,
}
