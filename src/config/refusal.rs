//! Errors of the command line and the environment, in one line and without values, any of which may be a secret by
//! mistake. The messages of clap repeat them.

use std::error::Error as _;

use clap::{
    Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Why the program ends before it does anything.
#[derive(Debug)]
pub enum Stop {
    /// Help or version was requested; this is the text.
    Answered(String),
    /// A setting is invalid: one line that names it.
    Refused(String),
}

/// The source of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'a> {
    /// The command line, with these arguments.
    Arguments(&'a [String]),
    /// An environment variable.
    Environment,
}

/// Returns one line that names the setting and the reason. `command` has all settings.
pub(super) fn refusal(error: &Error, command: &Command, given: Given<'_>) -> String {
    let named = text(error, ContextKind::InvalidArg);
    let setting = named.as_deref().map(|named| setting(named, command, given)).unwrap_or_default();
    let value =
        text(error, ContextKind::InvalidValue).filter(|value| !may_be_secret(&setting) && is_plain(value, given));
    let refused = value.map_or_else(|| setting.clone(), |value| format!("{setting}: '{value}'"));
    match error.kind() {
        ErrorKind::ValueValidation => match error.source() {
            Some(reason) => format!("{refused}: {reason}"),
            None => format!("{refused}: the value can't be read"),
        },
        ErrorKind::InvalidValue => match list(error, ContextKind::ValidValue) {
            values if values.is_empty() => format!("{setting}: a value is missing"),
            values => format!("{refused}: give one of {}", values.join(", ")),
        },
        ErrorKind::UnknownArgument => unknown_argument(error, &named.unwrap_or_default(), command, given),
        ErrorKind::InvalidSubcommand => unknown_command(error, given),
        ErrorKind::MissingSubcommand => {
            let commands = list(error, ContextKind::ValidSubcommand);
            let commands: Vec<_> = commands.iter().filter(|name| *name != "help").map(String::as_str).collect();
            format!("{}: give one of {}", command_name(error), commands.join(", "))
        }
        ErrorKind::MissingRequiredArgument => {
            format!("{}: give {}", command_name(error), list(error, ContextKind::InvalidArg).join(" and "))
        }
        ErrorKind::ArgumentConflict => format!("{setting}: it is given twice"),
        ErrorKind::TooManyValues => format!("{setting}: it takes no value"),
        ErrorKind::InvalidUtf8 => format!("{}: it is not UTF-8", garbled(command, given)),
        kind => format!("{setting}: {}", kind.as_str().unwrap_or("it can't be read")),
    }
}

fn text(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}

fn list(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// Returns the command, as in its usage.
fn command_name(error: &Error) -> String {
    let usage = text(error, ContextKind::Usage).unwrap_or_default();
    let words =
        usage.split_whitespace().skip(1).take_while(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
    let words: Vec<_> = words.collect();
    if words.is_empty() { "metrograph".to_owned() } else { words.join(" ") }
}

/// Returns a setting by the name that was used: clap calls it `--page-size <ROWS>`.
fn setting(named: &str, command: &Command, given: Given<'_>) -> String {
    let flag = named.split([' ', '=', '[']).next().unwrap_or(named);
    let argument = command.get_arguments().find(|argument| argument.get_long() == flag.strip_prefix("--"));
    let variable = argument.and_then(|argument| Some((argument.get_env()?.to_str()?, argument.is_hide_set())));
    match (given, variable) {
        (Given::Environment, Some((variable, true))) => variable.to_owned(),
        (Given::Environment, Some((variable, false))) => format!("{variable} ({flag})"),
        _ => flag.to_owned(),
    }
}

fn unknown_argument(error: &Error, named: &str, command: &Command, given: Given<'_>) -> String {
    let command_name = command_name(error);
    let is_elsewhere = command
        .get_arguments()
        .any(|argument| argument.get_long().is_some() && argument.get_long() == named.strip_prefix("--"));
    if is_elsewhere {
        return format!("{named}: {command_name} does not accept it: see metrograph serve --help");
    }
    let remedy = match text(error, ContextKind::SuggestedArg) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("{command_name} --help lists what is accepted"),
    };
    format!("{}: {command_name} has no such option: {remedy}", shown(named, given))
}

fn unknown_command(error: &Error, given: Given<'_>) -> String {
    let command_name = command_name(error);
    let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    let remedy = match list(error, ContextKind::SuggestedSubcommand).first() {
        Some(name) => format!("did you mean {name}?"),
        None => format!("{command_name} --help lists the commands"),
    };
    format!("{}: {command_name} has no such command: {remedy}", shown(&word, given))
}

/// Returns an unknown argument if it cannot be part of a secret, otherwise its position on the command line.
fn shown(word: &str, given: Given<'_>) -> String {
    if !has_address(given) && (is_flag(word) || is_word(word) || is_letter(word)) {
        return word.to_owned();
    }
    let Given::Arguments(arguments) = given else { return "an argument".to_owned() };
    let is_it = |argument: &String| argument == word || argument.split('=').next() == Some(word);
    match arguments.iter().position(is_it) {
        Some(place) => format!("argument {}", place + 1),
        None => "an argument".to_owned(),
    }
}

/// Whether the command line contains a URL: an unquoted password with a space arrives in pieces.
fn has_address(given: Given<'_>) -> bool {
    let Given::Arguments(arguments) = given else { return false };
    arguments.iter().any(|argument| {
        let value =
            argument.split_once('=').filter(|(flag, _)| is_flag(flag)).map_or(argument.as_str(), |(_, value)| value);
        value.contains(['@', '=']) || value.contains("://")
    })
}

/// Whether a setting takes a URL with a password.
fn may_be_secret(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    setting.contains("url") || setting.contains("uri")
}

/// A word or number without the characters of URLs, and too short to be a generated secret.
fn is_plain(value: &str, given: Given<'_>) -> bool {
    let number = value.trim_start_matches(|sign: char| sign.is_ascii_digit() || "+-.".contains(sign));
    let is_number =
        number.len() < value.len() && number.len() <= 4 && number.bytes().all(|b| b.is_ascii_alphabetic() || b == b'/');
    let is_word = value.bytes().all(|b| b.is_ascii_lowercase());
    (1..=12).contains(&value.len()) && (is_number || is_word) && !has_address(given)
}

/// Lower-case letters and dashes, as in the names of commands.
fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

fn is_flag(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(is_word)
}

fn is_letter(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|text| text.len() == 1)
}

/// Returns the value that is not UTF-8, which clap does not name.
fn garbled(command: &Command, given: Given<'_>) -> String {
    match given {
        Given::Environment => {
            let variable = command.get_arguments().find_map(|argument| {
                let variable = argument.get_env()?.to_str()?;
                std::env::var_os(variable)?
                    .to_str()
                    .is_none()
                    .then(|| setting(&format!("--{}", argument.get_long()?), command, given).into())?
            });
            variable.unwrap_or_else(|| "a variable".to_owned())
        }
        Given::Arguments(arguments) => {
            let Some(place) = arguments.iter().position(|argument| argument.contains(char::REPLACEMENT_CHARACTER))
            else {
                return "an argument".to_owned();
            };
            let flag = arguments[place].split('=').next().filter(|flag| is_flag(flag));
            let before = place.checked_sub(1).map(|before| arguments[before].as_str()).filter(|flag| is_flag(flag));
            flag.or(before).map_or_else(|| format!("argument {}", place + 1), str::to_owned)
        }
    }
}
