//! Logs. They go to standard error, so that standard output stays with what a command prints.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt};

/// What would log the messages of sockets, which may hold tokens, is not heard below this level, whatever the filter says.
const QUIET: &str = "tungstenite=info,tokio_tungstenite=info";

/// Starts logging what `filter` lets through. Once a process: a second call changes nothing.
pub fn start(filter: &str) {
    let _ = fmt()
        .with_env_filter(EnvFilter::new(format!("{filter},{QUIET}")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
