//! The commands of the program, one file each, and their exit codes.

mod backup;
mod check;
mod completions;
mod delete;
mod export;
mod failure;
mod import;
mod man;
mod openapi;
mod output;
mod progress;
mod push;
mod restore;
mod runtime;
mod schema;
mod serve;
mod token;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use self::{failure::Failure, output::print, runtime::on_runtime};
use crate::{
    config::{self, Command, Stop},
    telemetry,
};
pub use backup::{BackupError, run as back_up};
pub use check::{CheckError, Checked, run as check};
pub use delete::{DeleteError, run as delete_sessions};
pub use restore::{RestoreError, run as restore};
pub use token::{Output, TokenError, run as manage_tokens};

/// The exit code of a failed start or command.
const REFUSED: u8 = 2;

/// Runs the command of the command line.
pub fn run() -> ExitCode {
    let done = match config::read() {
        Ok((Command::Serve, settings)) => serve::run(settings),
        Ok((Command::Token(command), settings)) => {
            on_runtime(async move { token::print_result(&command, &settings).await.map_err(Failure::Refused) })
        }
        Ok((Command::Delete(command), settings)) => {
            on_runtime(async move { delete::print_result(&command, &settings).await.map_err(Failure::Refused) })
        }
        Ok((Command::Import(command), settings)) => {
            // Errors of the database have their reasons there.
            let _log = telemetry::start("error", false);
            on_runtime(async move { import::print_result(&command, &settings).await })
        }
        Ok((Command::Export(command), settings)) => {
            on_runtime(async move { export::print_result(&command, &settings).await.map_err(Failure::Refused) })
        }
        Ok((Command::Push(command), _)) => on_runtime(async move { push::print_result(&command).await }),
        Ok((Command::Check(command), settings)) => {
            on_runtime(async move { check::print_result(command, &settings).await })
        }
        Ok((Command::Backup(command), settings)) => {
            on_runtime(async move { backup::print_result(&command, &settings).await.map_err(Failure::Refused) })
        }
        Ok((Command::Restore(command), settings)) => {
            on_runtime(async move { restore::print_result(&command, &settings).await.map_err(Failure::Refused) })
        }
        Ok((Command::Schema, _)) => schema::run().map_err(Failure::Refused),
        Ok((Command::Openapi { api, version }, _)) => openapi::run(&api, version).map_err(Failure::Refused),
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
