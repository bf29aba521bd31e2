//! Logs. They go to standard error, so that standard output stays with what a command prints.

use std::{backtrace::Backtrace, io::IsTerminal as _, panic, thread};

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What would log the messages of sockets, which may hold tokens, is not heard below this level, whatever the filter says.
const QUIET: &str = "tungstenite=info,tokio_tungstenite=info";
/// Lines that may wait for a standard error that is slow, or stands still; the next are dropped.
const WAITING: usize = 10_000;

/// Every message of a socket in full, and with it the token of the first one; a line of a file of passwords, or a parameter of the
/// database's address, that the driver does not understand.
fn tells_secrets(said: &Metadata<'_>) -> bool {
    let has = |name| said.fields().field(name).is_some();
    (said.target().starts_with("tungstenite") && *said.level() == Level::TRACE)
        || (said.target().starts_with("sqlx_") && (has("line") || has("value")))
}

/// The log, as long as it is kept: lines that wait are written when it is let go, as far as they can be in a second.
#[derive(Debug)]
pub(crate) struct Log(Option<WorkerGuard>);

impl Drop for Log {
    fn drop(&mut self) {
        let guard = self.0.take();
        // On a thread that may fail: whoever says there that it could not be done may find no standard output either.
        let _ = thread::spawn(|| drop(guard)).join();
    }
}

/// Starts logging what `filter` lets through: by a thread of its own, so that a standard error that can't be written, or that nobody
/// reads, holds up nothing. What panics is logged, too. Once a process: a second call changes nothing.
pub(crate) fn start(filter: &str) -> Log {
    let writer = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
    let (writer, guard) = writer.finish(std::io::stderr());
    let started = fmt()
        .with_env_filter(EnvFilter::new(format!("{filter},{QUIET}")))
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        // They would be told on standard error.
        .log_internal_errors(false)
        .finish()
        .with(filter_fn(|said| !tells_secrets(said)))
        .try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(|panicked| tracing::error!(backtrace = %Backtrace::capture(), "{panicked}")));
    }
    Log(Some(guard))
}
