//! Logging and traces. The log goes to standard error; standard output is for the results of commands.

mod traces;

use std::{backtrace::Backtrace, io::IsTerminal as _, panic, thread};

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub(crate) use traces::{RequestSpan, Traces};

/// Minimum level of some crates, whatever the filter: WebSocket messages may contain tokens; each step of each migration says
/// nothing to an operator.
const QUIET_TARGETS: &str = "tungstenite=info,tokio_tungstenite=info,sea_orm_migration=warn";
/// Lines that may wait for a slow standard error; further ones are dropped.
const MAX_BUFFERED_LINES: usize = 10_000;

/// Whether an event may contain secrets: WebSocket messages, lines of a password file, and parameters of the database
/// URL that sqlx does not know.
fn may_contain_secrets(event: &Metadata<'_>) -> bool {
    let has = |name| event.fields().field(name).is_some();
    (event.target().starts_with("tungstenite") && *event.level() == Level::TRACE)
        || (event.target().starts_with("sqlx_") && (has("line") || has("value")))
}

/// The running log. Dropping it writes the lines that wait, for a second at most.
#[derive(Debug)]
pub(crate) struct Log(Option<WorkerGuard>);

impl Drop for Log {
    fn drop(&mut self) {
        let guard = self.0.take();
        // On a thread of its own, which may panic: reporting a failure needs standard output, which may be closed, too.
        let _ = thread::spawn(|| drop(guard)).join();
    }
}

/// Starts logging with this filter, on a thread of its own, so that a blocked standard error blocks nothing else.
/// As JSON, each line is an object. Panics are logged, too. Only the first call of a process has an effect.
pub(crate) fn start(filter: &str, is_json: bool) -> Log {
    let writer = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_BUFFERED_LINES).thread_name("log");
    let (writer, guard) = writer.finish(std::io::stderr());
    let log = fmt()
        .with_env_filter(EnvFilter::new(format!("{filter},{QUIET_TARGETS}")))
        .with_writer(writer)
        // They would go to standard error.
        .log_internal_errors(false);
    let secrets = filter_fn(|event| !may_contain_secrets(event));
    let started = if is_json {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).finish().with(secrets).try_init()
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).finish().with(secrets).try_init()
    };
    if started.is_ok() {
        panic::set_hook(Box::new(|panicked| tracing::error!(backtrace = %Backtrace::capture(), "{panicked}")));
    }
    Log(Some(guard))
}
