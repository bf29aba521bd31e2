//! `metrograph token`: manages tokens in the database, also while servers run on it.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use entity::{
    driver::executor::Writer,
    table::access_token::{self as row, Model},
    time,
};
use sea_orm::DbErr;

use crate::{
    access::{hash, now, random_token},
    commands::output::print,
    config::{Connections, DatabaseUrl, NewToken, Scope, Settings, StorageSettings, TokenCommand, TokenName},
    db::{Database, OpenError},
};

/// The output of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// The result, for standard output.
    pub result: String,
    /// A note for people, for standard error.
    pub note: String,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The database cannot be opened.
    #[error(transparent)]
    Unusable(#[from] OpenError),
    /// The database failed later.
    #[error("--database-url: the database failed: {0}")]
    Database(#[from] DbErr),
    /// The database does not exist.
    #[error(
        "--database-url: there is no database of Metrograph at {0}: give the server's, or start the server once{1}"
    )]
    Missing(String, &'static str),
    /// A live token has that name.
    #[error("--name: a live token is called '{0}' already: choose another name, or revoke it first")]
    Taken(String),
    /// No live token has that name.
    #[error("no live token is called '{0}' in {1}: see metrograph token list")]
    Unknown(String, String),
    /// The system's random number generator failed.
    #[error("the system gives no random bits: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// Maximum time of a query.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a command and prints its output. A token that cannot be printed is revoked.
pub(crate) async fn print_result(command: &TokenCommand, settings: &Settings) -> Result<(), String> {
    let (url, storage) = (&settings.database_url, &settings.storage);
    let output = run(command, url, storage).await.map_err(|error| settings.named(&error))?;
    match command {
        TokenCommand::Create(NewToken { name, .. }) => {
            if let Err(error) = io::stdout().write_all(output.result.as_bytes()) {
                // Nobody can use a token that was never displayed.
                let revocation = TokenCommand::Revoke { name: name.clone() };
                let revoked =
                    run(&revocation, url, storage).await.map_or_else(|error| error.to_string(), |output| output.note);
                return Err(format!("the token can't be shown: standard output: {error}. {}", revoked.trim_end()));
            }
        }
        TokenCommand::List | TokenCommand::Revoke { .. } => print(&output.result)?,
    }
    // Standard error is closed, so nothing can be reported.
    let _ = io::stderr().write_all(output.note.as_bytes());
    Ok(())
}

/// Creates, lists or revokes tokens in the database at `url`, with as few connections as possible.
///
/// # Errors
/// [`TokenError`]; nothing was changed.
pub async fn run(command: &TokenCommand, url: &DatabaseUrl, storage: &StorageSettings) -> Result<Output, TokenError> {
    if storage.read_only && !matches!(command, TokenCommand::List) {
        return Err(OpenError::ReadOnly.into());
    }
    let or_make = match command {
        TokenCommand::Create(NewToken { create_database: true, .. }) => None,
        TokenCommand::Create(_) => Some(", or add --create-database to have it made now"),
        TokenCommand::List | TokenCommand::Revoke { .. } => Some(""),
    };
    if let Some(or_make) = or_make
        && !Database::is_there(url, storage).await?
    {
        return Err(TokenError::Missing(url.shown().to_owned(), or_make));
    }
    let place = url.shown();
    let storage = StorageSettings { connections: Some(Connections::MIN), ..storage.clone() };
    let database = Database::open(url, &storage, READ_TIMEOUT).await?;
    let output = match command {
        TokenCommand::List => row::all(&database.access).await.map(|tokens| list(&tokens)).map_err(TokenError::from),
        TokenCommand::Create(new) => change(&database, async |writer| create(writer, new, place).await).await,
        TokenCommand::Revoke { name } => change(&database, async |writer| revoke(writer, name, place).await).await,
    };
    database.close().await?;
    output
}

async fn change(
    database: &Database,
    act: impl AsyncFnOnce(&Writer) -> Result<Output, TokenError>,
) -> Result<Output, TokenError> {
    let writer = database.writer().await?;
    let output = act(&writer).await;
    writer.close().await?;
    output
}

async fn create(writer: &Writer, new: &NewToken, place: &str) -> Result<Output, TokenError> {
    let (name, scope, token) = (new.name.as_str(), new.scope.as_str(), random_token()?);
    let tx = writer.begin().await?;
    let now = now();
    if row::live(&tx, now).await?.iter().any(|live| live.name == name) {
        return Err(TokenError::Taken(name.to_owned()));
    }
    let lifetime = new.expires.map(|expires| i64::try_from(expires.duration().as_micros()).unwrap_or(i64::MAX));
    let end = lifetime.map(|lifetime| now.saturating_add(lifetime));
    row::add(&tx, name, hash(&token), scope, now, end).await?;
    tx.commit().await?;
    let end = end.map_or("it does not expire".to_owned(), |end| format!("it expires at {}", utc(end)));
    let used = match new.scope {
        Scope::Ingest | Scope::Admin => "pytest --remote-server http://ingest:TOKEN@HOST:8181/api/v1",
        Scope::Read => "curl --user read http://HOST:8181/api/v1/metrics/ prompts for it. It can read, not write",
    };
    let note = format!(
        "This is the token '{name}' of the scope {scope} for servers on {place}; {end}. It cannot be shown again: store it with your secrets.\n\
         It is sent as Authorization: Bearer TOKEN, or as a password: {used}\n"
    );
    Ok(Output { result: format!("{token}\n"), note })
}

async fn revoke(writer: &Writer, name: &TokenName, place: &str) -> Result<Output, TokenError> {
    let name = name.as_str();
    let tx = writer.begin().await?;
    let now = now();
    if !row::live(&tx, now).await?.iter().any(|live| live.name == name) {
        return Err(TokenError::Unknown(name.to_owned(), place.to_owned()));
    }
    row::revoke(&tx, name, now).await?;
    tx.commit().await?;
    let note = format!("The token '{name}' is revoked: servers that run on {place} refuse it within a second.\n");
    Ok(Output { result: String::new(), note })
}

const HEADINGS: [&str; 6] = ["NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USE", "STATE"];

fn list(tokens: &[Model]) -> Output {
    let now = now();
    let cells = |token: &Model| {
        let state = match token.revoked_at {
            Some(at) => format!("revoked {}", utc(at)),
            None if token.is_live(now) => "live".to_owned(),
            None => "expired".to_owned(),
        };
        let time = |at: Option<i64>| at.map_or("never".to_owned(), utc);
        let Model { name, scope, made_at, expires_at, last_used_at, .. } = token;
        [name.clone(), scope.clone(), utc(*made_at), time(*expires_at), time(*last_used_at), state]
    };
    let lines: Vec<_> = std::iter::once(HEADINGS.map(str::to_owned)).chain(tokens.iter().map(cells)).collect();
    let widths = [0, 1, 2, 3, 4, 5].map(|i| lines.iter().map(|line| line[i].len()).max().unwrap_or_default());
    let line = |cells: &[String; 6]| {
        let padded: String = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        format!("{}\n", padded.trim_end())
    };
    Output { result: lines.iter().map(line).collect(), note: String::new() }
}

/// Formats a time, rounded down to seconds.
fn utc(micros: i64) -> String {
    format!("{}Z", time::canonical(micros - micros.rem_euclid(1_000_000)))
}
