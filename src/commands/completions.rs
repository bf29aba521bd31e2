//! `metrograph completions`: the script with which a shell completes commands and flags.

use clap::Command;
use clap_complete::Shell;

use crate::config;

/// Returns the script for `shell`.
pub(crate) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(&config::commands()), "metrograph", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns a command without hidden flags, which clap offers like all others. They stand for variables of older programs.
fn visible(command: &Command) -> Command {
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(command.get_version().unwrap_or_default().to_owned())
        .disable_version_flag(command.get_version().is_none())
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().map(visible))
}
