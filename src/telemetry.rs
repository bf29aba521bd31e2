//! Logs. They go to standard error, so that standard output stays with what a command prints.

use std::io::IsTerminal as _;

use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What would log the messages of sockets, which may hold tokens, is not heard below this level, whatever the filter says.
const QUIET: &str = "tungstenite=info,tokio_tungstenite=info";

/// Every message of a socket in full, and with it the token of the first one; a line of a file of passwords, or a parameter of the
/// database's address, that the driver does not understand.
fn tells_secrets(said: &Metadata<'_>) -> bool {
    let has = |name| said.fields().field(name).is_some();
    (said.target().starts_with("tungstenite") && *said.level() == Level::TRACE)
        || (said.target().starts_with("sqlx_") && (has("line") || has("value")))
}

/// Starts logging what `filter` lets through. Once a process: a second call changes nothing.
pub fn start(filter: &str) {
    let _ = fmt()
        .with_env_filter(EnvFilter::new(format!("{filter},{QUIET}")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .finish()
        .with(filter_fn(|said| !tells_secrets(said)))
        .try_init();
}
