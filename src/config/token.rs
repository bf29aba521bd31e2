//! Arguments of `metrograph token`.

use std::{str::FromStr, time::Duration};

use clap::{Args, Subcommand};

use super::{access::Scope, units};

/// What to do with tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it. It cannot be shown again
    Create(NewToken),
    /// List tokens. Secrets are not stored and cannot be shown again
    List,
    /// Revoke a token. Running servers reject it within a second
    Revoke {
        /// Name of the token
        name: TokenName,
    },
}

/// A token to make.
#[derive(Debug, Clone, Args)]
pub struct NewToken {
    /// Name of the token, such as the place where it is used
    #[arg(long)]
    pub name: TokenName,
    /// Scope of the token: ingest (CI workers that send measurements), read (queries and subscriptions) or admin
    /// (everything)
    #[arg(long, hide_possible_values = true)]
    pub scope: Scope,
    /// Lifetime of the token, such as 30min, 12h, 90d or 12w [default: until it is revoked]
    #[arg(long, value_name = "TIME")]
    pub expires: Option<Lifetime>,
    /// Create the database if it does not exist: before the first start of a server
    #[arg(long)]
    pub create_database: bool,
}

/// The name of a token: one word that fits in a table and on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    /// Maximum length in characters.
    const MAX_LENGTH: usize = 64;

    /// Returns the name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if looks_like_a_token(text) {
            return Err("that looks like a token, not like its name: metrograph token list has the names".to_owned());
        }
        let is_word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        // A leading dash would make `token revoke` take it for a flag.
        if is_word && !text.starts_with('-') && (1..=Self::MAX_LENGTH).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("give 1 to {} letters, digits, - _ and ., no - first", Self::MAX_LENGTH))
        }
    }
}

/// Whether this is a token, or most of one, by mistake: messages quote invalid names.
fn looks_like_a_token(text: &str) -> bool {
    let has = |class: fn(&u8) -> bool| text.as_bytes().iter().skip(3).any(class);
    let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    (text.starts_with("mg_") && (text.len() == 46 || text.len() >= 20 && is_mixed)) || (text.len() >= 40 && is_mixed)
}

/// How long a token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(Duration);

impl Lifetime {
    /// A century: longer validity means a token that does not expire.
    const MAX: Duration = Duration::from_hours(100 * 365 * 24);

    /// Returns the duration, counted from creation.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = units::time(text, &(Duration::from_secs(1)..=Self::MAX));
        time.map(Self).ok_or("give a number and its unit, such as 90d, 12h or 30min, from 1s to 36500d")
    }
}
