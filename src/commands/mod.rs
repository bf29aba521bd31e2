//! The commands of the program, one file each, and their exit codes.

mod completions;
mod man;
mod openapi;
mod schema;
mod serve;
mod token;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::config::{self, Command, Stop};
pub use token::{Output, TokenError, run as manage_tokens};

/// The exit code of a failed start or command.
const REFUSED: u8 = 2;

/// Why a command failed.
enum Failure {
    /// It did not start, or failed.
    Refused(String),
    /// The server ended irregularly. The log has the reason.
    Ended(u8),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Runs the command of the command line.
pub fn run() -> ExitCode {
    let done = match config::read() {
        Ok((Command::Serve, settings)) => serve::run(settings),
        Ok((Command::Token(command), settings)) => {
            on_runtime(async move { token::print_result(&command, &settings).await.map_err(Failure::Refused) })
        }
        Ok((Command::Schema, _)) => schema::run().map_err(Failure::Refused),
        Ok((Command::Openapi { version }, _)) => openapi::run(version).map_err(Failure::Refused),
        Ok((Command::Completions { shell }, _)) => print(&completions::script(shell)).map_err(Failure::Refused),
        Ok((Command::Man { output: Some(folder) }, _)) => man::write(&folder).map_err(Failure::Refused),
        Ok((Command::Man { output: None }, _)) => man::page().and_then(|page| print(&page)).map_err(Failure::Refused),
        Err(Stop::Answered(text)) => print(&text).map_err(Failure::Refused),
        Err(Stop::Refused(reason)) => Err(Failure::Refused(reason)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(reason)) => {
            // Standard error is closed, so nothing can be reported.
            let _ = writeln!(io::stderr(), "metrograph: {reason}");
            ExitCode::from(REFUSED)
        }
        Err(Failure::Ended(code)) => ExitCode::from(code),
    }
}

/// Prints to standard output. A closed pipe, such as that of `head`, is no error.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Stack size of worker threads: documents and filters are parsed recursively, up to their limits.
const WORKER_STACK_BYTES: usize = 8 * 1024 * 1024;

/// Runs `work` to completion.
fn on_runtime(work: impl Future<Output = Result<(), Failure>> + Send) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(WORKER_STACK_BYTES).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let done = runtime.block_on(work);
    // Blocking tasks that are still running after the shutdown timeouts are abandoned.
    runtime.shutdown_background();
    done
}
