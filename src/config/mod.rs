//! Every setting: its flag, its environment variable, its default and its meaning. Nothing else reads the environment.

mod access;
mod database;
mod exposure;
mod graphql;
mod limits;
mod live;
mod storage;
mod tls;

use std::{
    ffi::OsString,
    net::{SocketAddr, ToSocketAddrs as _},
    num::NonZeroU32,
    path::PathBuf,
    str::FromStr,
};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{NonEmptyStringValueParser, PathBufValueParser, TypedValueParser as _},
    error::ErrorKind,
};

pub use access::{AccessMode, AccessSettings, Lifetime, NewToken, Scope, TokenCommand, TokenName};
pub use database::DatabaseUrl;
pub use exposure::{CorsOrigin, Exposure, HostName, Switch};
pub use graphql::{Documents, GraphqlSettings, Limits};
pub use limits::{HttpLimits, Rate, RateLimit};
pub use live::LiveSettings;
pub use storage::{Connections, DirectUrl, StorageSettings};
pub use tls::TlsFiles;

/// The history of your pytest runs as a graph: what every test cost, in which session, on which machine, from which build.
#[derive(Debug, Parser)]
#[command(name = "metrograph", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Flags,
}

/// What the program is asked to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Store and serve (what happens without a command)
    Serve,
    /// Print the GraphQL schema
    Schema,
    /// Print the OpenAPI description of REST v1
    Openapi {
        /// The version of OpenAPI
        #[arg(long, default_value = "3.1", value_name = "VERSION")]
        version: OpenApiVersion,
    },
    /// Make, list and revoke the tokens that --access asks for
    #[command(subcommand, arg_required_else_help = false)]
    Token(TokenCommand),
}

/// A version of OpenAPI, which generators of clients read or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OpenApiVersion {
    /// 3.1.0
    #[value(name = "3.1")]
    V3_1,
    /// 3.0.3
    #[value(name = "3.0")]
    V3_0,
}

#[derive(Debug, Args)]
struct Flags {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, global = true, env = "METROGRAPH_LISTEN", default_value = "127.0.0.1:8181", value_name = "HOST:PORT",
        value_parser = NonEmptyStringValueParser::new().try_map(|text| address(&text)))]
    listen: SocketAddr,

    /// Database: <sqlite://PATH?mode=rwc>, or <postgres://USER:PASSWORD@HOST/NAME> [default: metrograph.db in the
    /// current directory; `MONITOR_SERVER_DATABASE_URI`, in its own spellings, is honoured]
    #[arg(long, global = true, env = "METROGRAPH_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,

    #[command(flatten)]
    storage: StorageSettings,

    /// Rows on a page of REST v1 [default: 500; `MONITOR_SERVER_PAGINATION_COUNT` is honoured]
    #[arg(long, global = true, env = "METROGRAPH_PAGE_SIZE", value_name = "ROWS")]
    page_size: Option<PageSize>,

    /// Folder of operation documents to serve as REST entry points of your own: team.graphql under /api/team
    #[arg(long, global = true, env = "METROGRAPH_REST_DIR", value_name = "FOLDER",
        value_parser = PathBufValueParser::new().try_map(folder))]
    rest_dir: Option<PathBuf>,

    /// What to log: error, warn, info, debug or trace, or a list like info,metrograph=debug
    #[arg(long, global = true, env = "METROGRAPH_LOG", default_value = "info", value_name = "FILTER",
        value_parser = NonEmptyStringValueParser::new().try_map(|text| LogFilter::from_str(&text)))]
    log: LogFilter,

    #[command(flatten)]
    graphql: GraphqlSettings,

    #[command(flatten)]
    access: AccessSettings,

    #[command(flatten)]
    live: LiveSettings,

    #[command(flatten)]
    tls: tls::TlsFlags,

    #[command(flatten)]
    limits: HttpLimits,

    #[command(flatten)]
    exposure: Exposure,

    #[arg(long = "monitor-server-database-uri", hide = true, env = "MONITOR_SERVER_DATABASE_URI", hide_env = true,
        value_parser = NonEmptyStringValueParser::new().try_map(|text| DatabaseUrl::from_sqlalchemy(&text)))]
    monitor_server_database_uri: Option<DatabaseUrl>,

    #[arg(
        long = "monitor-server-pagination-count",
        hide = true,
        env = "MONITOR_SERVER_PAGINATION_COUNT",
        hide_env = true
    )]
    monitor_server_pagination_count: Option<PageSize>,
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What to store in.
    pub database_url: DatabaseUrl,
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
pub fn from(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<(Command, Settings), Stop> {
    let CommandLine { command, settings } =
        CommandLine::try_parse_from(arguments).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Answered(error.to_string()),
            _ => Stop::Refused(one_line(&error.to_string())),
        })?;
    let Flags {
        listen,
        database_url,
        storage,
        page_size,
        rest_dir,
        log,
        graphql,
        access,
        live,
        tls,
        limits,
        exposure,
        monitor_server_database_uri,
        monitor_server_pagination_count,
    } = settings;
    let settings = Settings {
        listen,
        database_url: database_url.or(monitor_server_database_uri).unwrap_or_default(),
        storage,
        page_size: page_size.or(monitor_server_pagination_count).unwrap_or_default(),
        rest_dir,
        log,
        graphql,
        access,
        live,
        tls: tls.files(),
        limits,
        exposure,
    };
    Ok((command.unwrap_or(Command::Serve), settings))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| format!("{error}; give HOST:PORT"))?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}

fn folder(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.is_dir() { Ok(path) } else { Err("there is no such folder") }
}

/// The part of clap's message that says what is wrong.
fn one_line(message: &str) -> String {
    let said: Vec<_> = message.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let said = said.join(" ");
    without_password(said.strip_prefix("error: ").unwrap_or(&said))
}

/// The text with the password of an address in it hidden.
fn without_password(text: &str) -> String {
    let hidden = || {
        let (scheme, rest) = text.split_once("://")?;
        let (login, host) = rest.split_at(rest.find('@').filter(|at| !rest[..*at].contains(['/', ' ']))?);
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***{host}"))
    };
    hidden().unwrap_or_else(|| text.to_owned())
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
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match tracing_subscriber::EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(error.to_string()),
        }
    }
}
