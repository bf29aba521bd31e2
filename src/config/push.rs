//! Arguments of `metrograph push`.

use std::{str::FromStr, time::Duration};

use clap::{Args, builder::NonEmptyStringValueParser};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{SourceAddress, ci::CiBuild, units};

/// What to send, and where to.
#[derive(Debug, Clone, Args)]
pub struct PushCommand {
    /// Files of pytest-monitor (.pymon), databases of its server or of another Metrograph (file or postgres:// URL),
    /// exports (NDJSON; - is standard input)
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<SourceAddress>,
    /// Address of the server, as pytest's --remote-server has it: with /p/NAME for a project
    #[arg(long, env = "METROGRAPH_PUSH_TO", value_name = "URL", required = true)]
    pub to: ServerAddress,
    /// Token of the scope ingest
    #[arg(long, env = "METROGRAPH_TOKEN", hide_env_values = true, value_name = "TOKEN",
        value_parser = NonEmptyStringValueParser::new())]
    pub token: Option<String>,
    /// Tags for sessions that have none of these names, besides what the CI system says
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    pub tags: Vec<TagDefault>,
    /// How long to try again while the server is down, busy or limits requests
    #[arg(long, value_name = "TIME", default_value = "2min")]
    pub retry: RetryTime,
    /// Fail (exit code 2) if not everything could be sent. Otherwise the job goes on
    #[arg(long)]
    pub strict: bool,
}

impl PushCommand {
    /// Returns what the CI system says of the build that this runs in.
    pub(crate) fn ci() -> CiBuild {
        CiBuild::of_environment()
    }
}

/// The address of a server.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// Scheme, host and path up to the APIs. Without login.
    base: Url,
    /// The project in the path.
    project: Option<String>,
    /// The password.
    token: Option<String>,
}

/// Without the token.
impl std::fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerAddress").field(&self.base.as_str()).finish()
    }
}

impl ServerAddress {
    /// Returns the address of the GraphQL API.
    pub(crate) fn graphql(&self) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/graphql", url.path().trim_end_matches('/')));
        url
    }

    /// Returns the project that the address names.
    pub(crate) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Returns the token that the address has.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl FromStr for ServerAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const GIVE: &str = "give the address of a server, such as http://HOST:8181";
        let mut base = Url::parse(text.trim()).map_err(|_| GIVE)?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(GIVE);
        }
        let token = base.password().map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
        base.set_password(None).and_then(|()| base.set_username("")).map_err(|()| GIVE)?;
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        let path = path.strip_suffix("/api/v1").or_else(|| path.strip_suffix("/graphql")).unwrap_or(&path);
        let (path, project) = match path.rsplit_once("/p/") {
            Some((before, name)) if !name.is_empty() && !name.contains('/') => {
                (before, Some(percent_decode_str(name).decode_utf8_lossy().into_owned()))
            }
            _ => (path, None),
        };
        base.set_path(path);
        Ok(Self { base, project, token })
    }
}

/// A tag that sessions get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDefault {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

impl FromStr for TagDefault {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("give NAME=VALUE"),
        }
    }
}

/// How long to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryTime(Duration);

impl RetryTime {
    /// Returns the duration.
    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for RetryTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = Duration::ZERO..=Duration::from_hours(24);
        units::time_or_seconds(text, &range)
            .map(Self)
            .ok_or_else(|| "give a time up to 24h, such as 30s or 2min".to_owned())
    }
}
