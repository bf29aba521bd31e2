//! Settings of the server as a whole.

use std::{num::NonZeroU32, str::FromStr};

use clap::ValueEnum;
use url::Url;

/// Rows per page of REST v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(NonZeroU32);

impl PageSize {
    /// Larger pages would defeat paging.
    const MAX: u32 = 100_000;

    /// Returns the number of rows.
    pub fn rows(self) -> u32 {
        self.0.get()
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(const { NonZeroU32::new(500).unwrap() })
    }
}

impl FromStr for PageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<NonZeroU32>() {
            Ok(rows) if rows.get() <= Self::MAX => Ok(Self(rows)),
            _ => Err(format!("give a whole number from 1 to {}", Self::MAX)),
        }
    }
}

/// The name of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName(String);

impl TagName {
    /// Returns the name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TagName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim();
        if name.is_empty() { Err("give names of tags, such as branch or git_ref") } else { Ok(Self(name.to_owned())) }
    }
}

/// The address of a collector of traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

impl OtlpEndpoint {
    /// Returns the address.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OtlpEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text is not repeated: an address may hold a password, given by mistake.
        let is_plain = |url: &Url| {
            url.scheme() == "http"
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        match Url::parse(text.trim()) {
            Ok(url) if is_plain(&url) => Ok(Self(url.into())),
            _ => Err("give the address of a collector nearby, such as http://127.0.0.1:4318, without login and TLS"),
        }
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// The filter of the log.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

impl LogFilter {
    /// Returns the directives of the filter.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A URL, given by mistake, would be parsed as the name of a module.
        let is_address = text.contains('@') || text.contains("://");
        match tracing_subscriber::EnvFilter::try_new(text) {
            Ok(_) if !is_address => Ok(Self(text.to_owned())),
            // The original reason may repeat the text.
            _ => Err("give error, warn, info, debug or trace, or a list such as info,metrograph=debug"),
        }
    }
}
