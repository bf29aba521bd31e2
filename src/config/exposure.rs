//! What pages of other sites and people who look around are shown.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use url::Url;

/// What other origins and unauthenticated clients may see.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "CORS, host names and disclosure")]
pub struct Exposure {
    /// Origins allowed by CORS, such as `https://dash.example.org`, comma-separated; * allows any, without credentials
    /// [default: none]
    #[arg(long, env = "METROGRAPH_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<CorsOrigin>,

    /// Accepted `Host` names, such as metrograph.example.org, comma-separated; * accepts any. Localhost and IP
    /// addresses are always accepted [default: any, but only localhost when serving unauthenticated HTTP on loopback]
    #[arg(long, env = "METROGRAPH_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub hosts: Vec<HostName>,

    /// Whether introspection (`__schema`, `__type`) is allowed. GraphiQL needs it for documentation and completion
    #[arg(
        long,
        env = "METROGRAPH_INTROSPECTION",
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true
    )]
    pub introspection: Switch,

    /// Whether errors suggest similar names
    #[arg(
        long,
        env = "METROGRAPH_SUGGESTIONS",
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true
    )]
    pub suggestions: Switch,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl Switch {
    /// Whether it is on.
    pub(crate) fn is_on(self) -> bool {
        self == Self::On
    }
}

/// An origin as browsers send it (`https://host:port`, in lower case), or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigin {
    /// Any origin.
    Any,
    /// This origin.
    Site(String),
}

impl FromStr for CorsOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let sent = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        match sent.map(|url| url.origin().ascii_serialization()) {
            Some(origin) if text.eq_ignore_ascii_case(&origin) => Ok(Self::Site(origin)),
            Some(origin) => Err(format!("give * or an origin as browsers send it; here that is {origin}")),
            None => {
                Err("give * or an origin as browsers send it: http://HOST or https://HOST, with a port where it is \
                         not the usual one, and nothing behind"
                    .to_owned())
            }
        }
    }
}

/// A host name (in lower case, without a port), or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// Any host name.
    Any,
    /// This host name.
    Name(String),
}

impl FromStr for HostName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if is_name {
            Ok(Self::Name(text.trim_end_matches('.').to_ascii_lowercase()))
        } else {
            Err("give * or a name without scheme, port and path, such as metrograph.example.org")
        }
    }
}
