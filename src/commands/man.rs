//! `metrograph man`: the manual page, and one page for each command.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::config;

/// How the program ends, as its manual page lists it.
const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "The command succeeded, or the server stopped as requested."),
    (
        "1",
        "An essential part of the server failed, or the stop took too long: see the log. Of import: rows were left out. Of check: something is \
         wrong.",
    ),
    ("2", "Startup or the command failed, for the reason in the one line on standard error."),
    ("128 + signal", "The server was ended by a second signal."),
];

/// Returns the manual page of the program.
pub(crate) fn page() -> Result<String, String> {
    let page = page_of(program()).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes one page for each command to `folder`.
pub(crate) fn write(folder: &Path) -> Result<(), String> {
    write_all(program(), folder).map_err(|error| format!("--output: {}: {error}", folder.display()))
}

/// Returns the program with its commands by their full names, which pages name each other by.
fn program() -> clap::Command {
    let mut program = config::commands().disable_help_subcommand(true);
    program.build();
    program
}

/// Writes the pages of a command and of those within it.
fn write_all(command: clap::Command, folder: &Path) -> io::Result<()> {
    for inner in command.get_subcommands().cloned() {
        write_all(inner, folder)?;
    }
    let name = format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()));
    fs::write(folder.join(name), page_of(command)?)
}

/// Returns the page of a command.
fn page_of(mut command: clap::Command) -> io::Result<Vec<u8>> {
    // All flags would fill a screen; they are listed below.
    let usage = command.render_usage().to_string();
    let command = command.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let is_program = command.get_version().is_some();
    let has_inner = command.has_subcommands();
    let man = Man::new(command).manual("Metrograph");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_inner {
        man.render_subcommands_section(&mut page)?;
    }
    if is_program {
        let mut roff = Roff::new();
        roff.control("SH", ["EXIT STATUS"]);
        for (status, meaning) in EXIT_STATUS {
            roff.control("TP", []).text([bold(status)]).text([roman(meaning)]);
        }
        page.write_all(roff.render().as_bytes())?;
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}
