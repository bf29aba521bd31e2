//! Every setting: its flag, its environment variable, its default and its meaning. Nothing else reads the environment.

mod access;
mod command_line;
mod database;
mod exposure;
mod graphql;
mod limits;
mod live;
mod refusal;
mod stop;
mod storage;
mod tls;
mod token;
mod units;

use std::{
    ffi::OsString,
    net::{SocketAddr, ToSocketAddrs as _},
    num::NonZeroU32,
    path::PathBuf,
    str::FromStr,
};

pub use access::{AccessMode, AccessSettings, Scope};
pub(crate) use command_line::commands;
pub use command_line::{Command, OpenApiVersion};
use command_line::{DatabaseFlags, Flags, ServerFlags};
pub use database::DatabaseUrl;
pub(crate) use database::{shown, shown_name};
pub use exposure::{CorsOrigin, Exposure, HostName, Switch};
pub use graphql::{Documents, GraphqlSettings, Limits};
pub use limits::{HttpLimits, Rate, RateLimit};
pub use live::LiveSettings;
pub use stop::StopSettings;
use storage::WayFlags;
pub use storage::{Connections, DirectUrl, StorageSettings};
pub use tls::TlsFiles;
pub use token::{Lifetime, NewToken, TokenCommand, TokenName};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What to store in.
    pub database_url: DatabaseUrl,
    /// The flag or variable that names it.
    pub database_given_by: &'static str,
    /// How that is used.
    pub storage: StorageSettings,
    /// Rows on a page of REST v1.
    pub page_size: PageSize,
    /// An operator's own REST entry points.
    pub rest_dir: Option<PathBuf>,
    /// What to log.
    pub log: LogFilter,
    /// What `/graphql` serves.
    pub graphql: GraphqlSettings,
    /// Who may enter.
    pub access: AccessSettings,
    /// How events reach subscribers.
    pub live: LiveSettings,
    /// The certificate, where HTTPS is spoken.
    pub tls: Option<TlsFiles>,
    /// How much one client may ask.
    pub limits: HttpLimits,
    /// What other sites and people who look around are shown.
    pub exposure: Exposure,
    /// How it stops.
    pub stop: StopSettings,
}

impl Settings {
    /// What is wrong with the database, by the flag or variable that was given.
    pub(crate) fn named(&self, error: &impl std::error::Error) -> String {
        let said = error.to_string();
        match said.strip_prefix(command_line::DATABASE) {
            Some(reason) if reason.starts_with(':') => format!("{}{reason}", self.database_given_by),
            _ => said,
        }
    }
}

/// Why the program ends before it starts.
#[derive(Debug)]
pub enum Stop {
    /// Help or version was asked for: this is its text.
    Answered(String),
    /// A setting makes no sense: one line that names it.
    Refused(String),
}

/// Reads the command line and the environment.
///
/// # Errors
/// [`Stop`], where there is nothing to serve.
pub fn read() -> Result<(Command, Settings), Stop> {
    from(std::env::args_os())
}

/// Reads a command line, the program's name first, and the environment.
///
/// # Errors
/// [`Stop`], where there is nothing to serve.
pub fn from(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<(Command, Settings), Stop> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let (command, flags, database_given_by) = command_line::read(&arguments)?;
    let Flags { server, database, pool, access, tls, limits, graphql, live, exposure, stop } = flags;
    let ServerFlags { listen, log, page_size, rest_dir, monitor_server_pagination_count } = server;
    let DatabaseFlags { database_url, way, monitor_server_database_uri } = database;
    let WayFlags { direct_url, read_only } = way;
    let storage = StorageSettings { connections: pool.connections, direct_url, read_only };
    if graphql.documents.trusted_only && graphql.documents.documents_dir.is_none() {
        return Err(Stop::Refused(
            "--trusted-only: --documents-dir, the folder of the trusted documents, is missing".to_owned(),
        ));
    }
    let settings = Settings {
        listen,
        database_url: database_url.or(monitor_server_database_uri).unwrap_or_default(),
        database_given_by,
        storage,
        page_size: page_size.or(monitor_server_pagination_count).unwrap_or_default(),
        rest_dir,
        log,
        graphql,
        access,
        live,
        tls: tls.files().map_err(|reason| Stop::Refused(reason.to_owned()))?,
        limits,
        exposure,
        stop,
    };
    Ok((command, settings))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| format!("{error}; give HOST:PORT"))?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}

fn folder(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.is_dir() { Ok(path) } else { Err("there is no such folder") }
}

/// Rows on a page of REST v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(NonZeroU32);

impl PageSize {
    /// A larger page would be a list without pages.
    const MOST: u32 = 100_000;

    /// The number of rows.
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
            Ok(rows) if rows.get() <= Self::MOST => Ok(Self(rows)),
            _ => Err(format!("give a whole number from 1 to {}", Self::MOST)),
        }
    }
}

/// What to log.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter's directives.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An address, given by mistake, would be taken for the name of a module.
        let is_address = text.contains('@') || text.contains("://");
        match tracing_subscriber::EnvFilter::try_new(text) {
            Ok(_) if !is_address => Ok(Self(text.to_owned())),
            // Its own reason may repeat the text.
            _ => Err("give error, warn, info, debug or trace, or a list such as info,metrograph=debug"),
        }
    }
}
