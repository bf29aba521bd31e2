//! Logs. They go to standard error, so that standard output stays with what a command prints.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging what `filter` lets through. Once a process: a second call changes nothing.
pub fn start(filter: &str) {
    let _ = fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .finish()
        // Every message of a socket would be there in full, and with it the token of the first one.
        .with(filter_fn(|said| !(said.target().starts_with("tungstenite") && *said.level() == Level::TRACE)))
        .try_init();
}
