//! What the program does: one file a command, and how each of them ends.

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
pub use token::{Said, TokenError, run as manage_tokens};

/// The exit code of a start that was refused.
const REFUSED: u8 = 2;

/// Why the program does not end well.
enum Failure {
    /// It did not start, or did not do what it was asked to.
    Refused(String),
    /// It served, and was not ended in order. The log says why.
    Ended(u8),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Does what the command line asks for.
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
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "metrograph: {reason}");
            ExitCode::from(REFUSED)
        }
        Err(Failure::Ended(code)) => ExitCode::from(code),
    }
}

/// A reader that leaves early, as `head` does, is no error.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Stack of each worker: documents and filters nest as deep as their limits let them.
const STACK: usize = 8 * 1024 * 1024;

/// Runs `work` to its end.
fn on_runtime(work: impl Future<Output = Result<(), Failure>> + Send) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let done = runtime.block_on(work);
    // What still waits after the stop has been given its time waits for nobody.
    runtime.shutdown_background();
    done
}
