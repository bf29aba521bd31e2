//! Logs. They go to standard error, so that standard output stays with what a command prints.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging what `filter` lets through. Once a process: a second call changes nothing.
pub fn start(filter: &str) {
    let _ = fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
