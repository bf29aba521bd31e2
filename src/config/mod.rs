//! Settings: flags, environment variables, defaults and help. No other module reads the environment.

mod access;
mod arguments;
mod ci;
mod command_line;
mod database;
mod delete;
mod exposure;
mod graphql;
mod import;
mod keep;
mod limits;
mod live;
mod push;
mod redaction;
mod refusal;
mod server;
mod stop;
mod storage;
mod tls;
mod token;
mod units;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

pub use access::{AccessMode, AccessSettings, Scope};
pub(crate) use ci::CiBuild;
pub(crate) use command_line::commands;
pub use command_line::{Command, OpenApiVersion};
use command_line::{DatabaseFlags, Flags, ServerFlags};
pub use database::DatabaseUrl;
pub(crate) use database::quoted;
pub use delete::DeleteCommand;
pub use exposure::{CorsOrigin, Exposure, HostName, Switch};
pub use graphql::{Documents, GraphqlSettings, Limits};
pub use import::{ExportCommand, ExportFormat, ImportCommand, SourceAddress};
pub use keep::{BackupCommand, CheckCommand, RestoreCommand};
pub use limits::{HttpLimits, Rate, RateLimit};
pub use live::LiveSettings;
pub use push::{PushCommand, RetryTime, ServerAddress, TagDefault};
pub(crate) use redaction::{redacted_name, redacted_path};
pub use refusal::Stop;
pub use server::{LogFilter, LogFormat, OtlpEndpoint, PageSize, TagName};
pub use stop::StopSettings;
use storage::ConnectionFlags;
pub use storage::{Connections, DirectUrl, SegmentSizes, StorageSettings};
pub use tls::TlsFiles;
pub use token::{Lifetime, NewToken, TokenCommand, TokenName};

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The database.
    pub database_url: DatabaseUrl,
    /// The flag or variable that named the database.
    pub database_given_by: &'static str,
    /// How the database is used.
    pub storage: StorageSettings,
    /// Rows on a page of REST v1.
    pub page_size: PageSize,
    /// The folder of additional REST operations.
    pub rest_dir: Option<PathBuf>,
    /// The tags that name the branch of a session; empty for the default rules.
    pub branch_tags: Vec<TagName>,
    /// The filter of the log.
    pub log: LogFilter,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Another address at which the server's figures are shown.
    pub metrics_listen: Option<SocketAddr>,
    /// The collector that is sent traces.
    pub otlp_endpoint: Option<OtlpEndpoint>,
    /// Settings of `/graphql`.
    pub graphql: GraphqlSettings,
    /// The access mode.
    pub access: AccessSettings,
    /// Settings of subscriptions.
    pub live: LiveSettings,
    /// The TLS certificate, for HTTPS.
    pub tls: Option<TlsFiles>,
    /// Limits of HTTP.
    pub limits: HttpLimits,
    /// What other origins and unauthenticated clients may see.
    pub exposure: Exposure,
    /// How the server stops.
    pub stop: StopSettings,
}

impl Settings {
    /// Formats an error of the database with the name of the flag or variable that was used.
    pub(crate) fn named(&self, error: &impl std::error::Error) -> String {
        let message = error.to_string();
        match message.strip_prefix(command_line::DATABASE) {
            Some(reason) if reason.starts_with(':') => format!("{}{reason}", self.database_given_by),
            _ => message,
        }
    }
}

/// Reads command line and environment.
///
/// # Errors
/// [`Stop`], if there is nothing to run.
pub fn read() -> Result<(Command, Settings), Stop> {
    from(std::env::args_os())
}

/// Like [`read`], with these arguments, which start with the program's name.
///
/// # Errors
/// [`Stop`], if there is nothing to run.
pub fn from(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<(Command, Settings), Stop> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let (command, flags, database_given_by) = command_line::read(&arguments)?;
    let Flags { server, database, pool, access, tls, limits, graphql, live, exposure, stop } = flags;
    let ServerFlags {
        listen,
        log,
        log_format,
        metrics_listen,
        otlp_endpoint,
        page_size,
        rest_dir,
        branch,
        monitor_server_pagination_count,
    } = server;
    let DatabaseFlags { database_url, connection, monitor_server_database_uri } = database;
    let ConnectionFlags { direct_url, read_only } = connection;
    let storage = StorageSettings {
        connections: pool.connections,
        direct_url,
        read_only,
        keep_rows: pool.keep_rows,
        segments: SegmentSizes::default(),
        replaced_grace: None,
    };
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
        branch_tags: branch.branch_tag,
        log,
        log_format,
        metrics_listen,
        otlp_endpoint,
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
