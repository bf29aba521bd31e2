//! The command line: which command takes which setting, and the precedence of flags and variables.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, str::FromStr as _};

use clap::{
    Arg, ArgAction, ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    builder::{NonEmptyStringValueParser, PathBufValueParser, Resettable, TypedValueParser as _},
    error::ErrorKind,
};
use clap_complete::Shell;

use crate::version::VERSION_AND_COMMIT;

use super::{
    access::AccessSettings,
    arguments::{address, folder},
    database::DatabaseUrl,
    delete::DeleteCommand,
    exposure::Exposure,
    graphql::GraphqlSettings,
    import::{ExportCommand, ImportCommand},
    keep::{BackupCommand, CheckCommand, RestoreCommand},
    limits::HttpLimits,
    live::LiveSettings,
    push::PushCommand,
    refusal::{Given, Stop, refusal},
    server::{LogFilter, LogFormat, OtlpEndpoint, PageSize, TagName},
    stop::StopSettings,
    storage::{ConnectionFlags, PoolFlags},
    tls::TlsFlags,
    token::TokenCommand,
};

/// The history of your pytest runs as a graph: what every test cost, in which session, on which machine, from which build.
#[derive(Debug, Parser)]
#[command(name = "metrograph", version = VERSION_AND_COMMIT, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

/// The command to run.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Start the server (the default command)
    Serve,
    /// Print the GraphQL schema
    Schema,
    /// Print the OpenAPI description of a REST API
    Openapi {
        /// The API: v1 or v2
        #[arg(long, default_value = "v1", value_name = "NAME")]
        api: String,
        /// OpenAPI version
        #[arg(long, default_value = "3.1", value_name = "VERSION")]
        version: OpenApiVersion,
    },
    /// Create, list and revoke access tokens
    #[command(subcommand, arg_required_else_help = false)]
    Token(TokenCommand),
    /// Delete sessions and their metrics, also while servers run
    #[command(arg_required_else_help = false)]
    Delete(DeleteCommand),
    /// Bring what pytest-monitor, its server or another Metrograph has stored into the database, each row once
    #[command(arg_required_else_help = false)]
    Import(ImportCommand),
    /// Write the whole history to a file, in an order of its own
    #[command(arg_required_else_help = false)]
    Export(ExportCommand),
    /// Send files of pytest-monitor to a running server, each row once: the last step of a CI job. It fails only with
    /// --strict
    #[command(arg_required_else_help = false)]
    Push(PushCommand),
    /// Check counters, lists and checksums against the stored metrics, also while servers run
    Check(CheckCommand),
    /// Back up a SQLite database to a new file, also while the server runs
    #[command(arg_required_else_help = false)]
    Backup(BackupCommand),
    /// Restore a SQLite database from a backup; the file that was there is kept
    #[command(arg_required_else_help = false)]
    Restore(RestoreCommand),
    /// Print a shell completion script
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Print the man page, or write one for each command
    Man {
        /// Directory for the man pages, such as /usr/local/share/man/man1
        #[arg(long, value_name = "FOLDER", value_parser = PathBufValueParser::new().try_map(folder))]
        output: Option<PathBuf>,
    },
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

/// The flag that errors of the database name.
pub(super) const DATABASE: &str = "--database-url";

// No doc comment: clap would use it as the help of each command with these arguments.
#[derive(Debug, Args)]
#[command(next_help_heading = "Database")]
pub(super) struct DatabaseFlags {
    /// Database URL: `sqlite://PATH?mode=rwc` or `postgres://USER:PASSWORD@HOST/NAME` [default: metrograph.db in the
    /// current directory; `MONITOR_SERVER_DATABASE_URI` is honoured]
    #[arg(long, env = "METROGRAPH_DATABASE_URL", value_name = "URL")]
    pub database_url: Option<DatabaseUrl>,

    #[command(flatten)]
    pub connection: ConnectionFlags,

    #[arg(long = "monitor-server-database-uri", hide = true, env = "MONITOR_SERVER_DATABASE_URI", hide_env = true,
        value_parser = NonEmptyStringValueParser::new().try_map(|text| DatabaseUrl::from_sqlalchemy(&text)))]
    pub monitor_server_database_uri: Option<DatabaseUrl>,
}

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    pub server: ServerFlags,

    #[command(flatten)]
    pub database: DatabaseFlags,

    #[command(flatten)]
    pub pool: PoolFlags,

    #[command(flatten)]
    pub access: AccessSettings,

    #[command(flatten)]
    pub tls: TlsFlags,

    #[command(flatten)]
    pub limits: HttpLimits,

    #[command(flatten)]
    pub graphql: GraphqlSettings,

    #[command(flatten)]
    pub live: LiveSettings,

    #[command(flatten)]
    pub exposure: Exposure,

    #[command(flatten)]
    pub stop: StopSettings,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerFlags {
    /// Address and port to listen on; port 0 picks a free port
    #[arg(long, env = "METROGRAPH_LISTEN", default_value = "127.0.0.1:8181", value_name = "HOST:PORT",
        value_parser = NonEmptyStringValueParser::new().try_map(|text| address(&text)))]
    pub listen: SocketAddr,

    /// Log filter: error, warn, info, debug or trace, or a list such as info,metrograph=debug
    #[arg(long, env = "METROGRAPH_LOG", default_value = "info", value_name = "FILTER",
        value_parser = NonEmptyStringValueParser::new().try_map(|text| LogFilter::from_str(&text)))]
    pub log: LogFilter,

    /// Form of the log: text, or json with an object on each line
    #[arg(
        long,
        env = "METROGRAPH_LOG_FORMAT",
        default_value = "text",
        value_name = "text|json",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,

    /// Another address and port at which /metrics shows the server's figures to Prometheus, without a token, such as
    /// 127.0.0.1:9181 [default: none; /metrics of the server takes a token where reading does]
    #[arg(long, env = "METROGRAPH_METRICS_LISTEN", value_name = "HOST:PORT",
        value_parser = NonEmptyStringValueParser::new().try_map(|text| address(&text)))]
    pub metrics_listen: Option<SocketAddr>,

    /// Collector of OpenTelemetry that is sent a span for each request (OTLP over HTTP), such as `http://127.0.0.1:4318`
    /// [default: none]
    #[arg(long, env = "METROGRAPH_OTLP_ENDPOINT", value_name = "URL",
        value_parser = NonEmptyStringValueParser::new().try_map(|text| OtlpEndpoint::from_str(&text)))]
    pub otlp_endpoint: Option<OtlpEndpoint>,

    /// Rows per numbered page (REST v1) [default: 500; `MONITOR_SERVER_PAGINATION_COUNT` is honoured]
    #[arg(long, env = "METROGRAPH_PAGE_SIZE", value_name = "ROWS")]
    pub page_size: Option<PageSize>,

    /// Directory of GraphQL operations to serve as additional REST endpoints: team.graphql as /api/team
    #[arg(long, env = "METROGRAPH_REST_DIR", value_name = "FOLDER",
        value_parser = PathBufValueParser::new().try_map(folder))]
    pub rest_dir: Option<PathBuf>,

    #[command(flatten)]
    pub branch: BranchFlags,

    #[arg(
        long = "monitor-server-pagination-count",
        hide = true,
        env = "MONITOR_SERVER_PAGINATION_COUNT",
        hide_env = true
    )]
    pub monitor_server_pagination_count: Option<PageSize>,
}

// No doc comment: clap would use it as the help of each command with these arguments.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct BranchFlags {
    /// Names of the tags that name the branch of a session, separated by commas: the first one that a session has counts
    /// [default: branch, `git_branch`, or the pipeline of Drone]
    #[arg(long, env = "METROGRAPH_BRANCH_TAG", value_name = "TAGS", value_delimiter = ',')]
    pub branch_tag: Vec<TagName>,
}

/// Returns the commands with their settings. Without a command, the program takes those of `serve`.
pub fn commands() -> clap::Command {
    let serving = |command: clap::Command| {
        let about = command.get_about().cloned();
        Flags::augment_args(command).about(about.unwrap_or_default())
    };
    let asking = |command: clap::Command| {
        let about = command.get_about().cloned();
        DatabaseFlags::augment_args(command).about(about.unwrap_or_default())
    };
    serving(CommandLine::command())
        .mut_subcommand("serve", serving)
        .mut_subcommand("token", |token| asking(token.mut_subcommands(asking)))
        .mut_subcommand("delete", asking)
        .mut_subcommand("export", asking)
        .mut_subcommand("import", |import| BranchFlags::augment_args(PoolFlags::augment_args(asking(import))))
        .mut_subcommand("check", asking)
        .mut_subcommand("backup", asking)
        .mut_subcommand("restore", asking)
}

/// Applies `change` to the arguments of a command and of its subcommands.
fn throughout(command: clap::Command, change: &impl Fn(Arg) -> Arg) -> clap::Command {
    command.mut_args(change).mut_subcommands(|inner| throughout(inner, change))
}

/// Removes variable and default of a setting, so that it is present only if the command line has it.
fn bare(argument: Arg) -> Arg {
    let argument = argument.env(Resettable::Reset).default_value(Resettable::Reset).required(false);
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        // A switch is always present otherwise, as false.
        argument.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument
    }
}

/// Reads the command line, then the variables of settings that the command takes and no flag overrides. Also returns
/// the name by which the database was given.
pub(super) fn read(arguments: &[OsString]) -> Result<(Command, Flags, &'static str), Stop> {
    let settings = Flags::augment_args(clap::Command::new("metrograph")).no_binary_name(true);
    let is_setting = |argument: &Arg| settings.get_arguments().any(|setting| setting.get_id() == argument.get_id());
    let bare = throughout(commands(), &|argument| if is_setting(&argument) { bare(argument) } else { argument });
    let texts: Vec<String> = arguments.iter().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let given = bare.try_get_matches_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayVersion => Stop::Answered(error.to_string()),
        ErrorKind::DisplayHelp => Stop::Answered(help(arguments).unwrap_or(error).to_string()),
        _ => Stop::Refused(refusal(&error, &settings, Given::Arguments(&texts))),
    })?;
    let internal = |error: clap::Error| Stop::Refused(refusal(&error, &settings, Given::Arguments(&texts)));
    let command = CommandLine::from_arg_matches(&given).map_err(internal)?.command.unwrap_or(Command::Serve);

    let levels: Vec<_> =
        std::iter::successors(Some(&given), |level| level.subcommand().map(|(_, inner)| inner)).collect();
    let is_given = |argument: &Arg| {
        levels.iter().any(|level| level.try_contains_id(argument.get_id().as_str()).is_ok_and(|given| given))
    };
    let database = DatabaseFlags::augment_args(clap::Command::new("metrograph"));
    let storing = BranchFlags::augment_args(PoolFlags::augment_args(database.clone()));
    let is_among = |command: &clap::Command, argument: &Arg| {
        command.get_arguments().any(|setting| setting.get_id() == argument.get_id())
    };
    let is_taken = |argument: &Arg| match command {
        Command::Serve => true,
        Command::Token(_)
        | Command::Delete(_)
        | Command::Check(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Export(_) => is_among(&database, argument),
        Command::Import(_) => is_among(&storing, argument),
        Command::Push(_)
        | Command::Schema
        | Command::Openapi { .. }
        | Command::Completions { .. }
        | Command::Man { .. } => false,
    };
    let merged = settings.clone().mut_args(|argument| {
        if is_taken(&argument) && !is_given(&argument) { argument } else { argument.env(Resettable::Reset) }
    });
    let merged = merged.try_get_matches_from::<_, OsString>([]);
    let merged = merged.map_err(|error| Stop::Refused(refusal(&error, &settings, Given::Environment)))?;
    let mut flags = Flags::from_arg_matches(&merged).map_err(internal)?;
    let by_variable = (flags.database.database_url.is_some(), flags.database.monitor_server_database_uri.is_some());
    update(&mut flags, &command, &levels).map_err(internal)?;
    let database = match by_variable {
        (true, _) => "METROGRAPH_DATABASE_URL (--database-url)",
        (_, true) if flags.database.database_url.is_none() => "MONITOR_SERVER_DATABASE_URI",
        _ => DATABASE,
    };
    Ok((command, flags, database))
}

/// Overrides variables by the command line, and what precedes a command by what follows it.
fn update(flags: &mut Flags, command: &Command, levels: &[&ArgMatches]) -> Result<(), clap::Error> {
    let Some((first, inner)) = levels.split_first() else { return Ok(()) };
    flags.update_from_arg_matches(first)?;
    for level in inner {
        match command {
            Command::Serve => flags.update_from_arg_matches(level)?,
            Command::Token(_)
            | Command::Delete(_)
            | Command::Check(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::Export(_) => {
                flags.database.update_from_arg_matches(level)?;
            }
            Command::Import(_) => {
                flags.database.update_from_arg_matches(level)?;
                flags.pool.update_from_arg_matches(level)?;
                flags.server.branch.update_from_arg_matches(level)?;
            }
            Command::Push(_)
            | Command::Schema
            | Command::Openapi { .. }
            | Command::Completions { .. }
            | Command::Man { .. } => {}
        }
    }
    Ok(())
}

/// Returns the requested help, with defaults and variable names, but without the values of variables.
fn help(arguments: &[OsString]) -> Option<clap::Error> {
    let shown = throughout(commands(), &|argument| argument.hide_env_values(true));
    shown.try_get_matches_from(arguments).err()
}
