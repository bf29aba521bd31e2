//! Connections to PostgreSQL: how they are opened, and their settings.

use std::{sync::atomic::Ordering, time::Duration};

use entity::driver::{executor::Sessions, rusqlite::Counter};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{open_error::OpenError, reason};
use crate::config::{DatabaseUrl, DirectUrl, StorageSettings};

/// How long a request waits for a connection: well below `--request-timeout`, so that the answer can name the database as the cause.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for a pool of one connection: it is never in use, so it can't be opened.
const WRITER_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first connections may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is tested before use: it may be broken. Testing each time would cost as much as a small query.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Overrides the settings of role, database and pooler: a statement sees what was committed, may write, and waits as long as it takes.
/// Older servers lack some of these settings.
const SESSION_SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
    SET default_transaction_deferrable = off; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
    SET standard_conforming_strings = on; SELECT set_config(name, '0', false) \
    FROM unnest(ARRAY['idle_session_timeout', 'transaction_timeout']) AS name WHERE current_setting(name, true) IS NOT NULL";

/// The tables of the schema in which tables are created, including those that the role may not read.
pub(super) const TABLES: &str = "SELECT relname::text AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
    WHERE nspname = current_schema() AND relkind IN ('r', 'p', 'v', 'f')";

/// How to reach the server. The driver logs no statements, and sends no startup parameters that poolers refuse.
pub(super) fn options(url: &DatabaseUrl) -> Result<PgConnectOptions, DbErr> {
    let options: PgConnectOptions = url.as_str().parse().map_err(failed)?;
    let is_named = options.get_application_name().is_some();
    let options = if is_named { options } else { options.application_name("metrograph") };
    Ok(options.extra_float_digits(None).disable_statement_logging())
}

/// A pool of connections with sessions of their own. `longest_statement` is the statement timeout.
pub(super) async fn pool(
    url: &DatabaseUrl,
    connections: u32,
    longest_statement: Option<Duration>,
) -> Result<PgPool, DbErr> {
    let timeout = longest_statement.unwrap_or_default().as_millis();
    pool_with(options(url)?, connections, format!("{SESSION_SETTINGS}; SET statement_timeout = {timeout}")).await
}

/// A pool of one connection. Errors of connecting are returned at once.
pub(super) async fn single_connection(url: &DatabaseUrl) -> Result<PgPool, OpenError> {
    look(url, 1).await?;
    Ok(pool(url, 1, None).await?)
}

/// A pool of connections, each of which runs `first`.
async fn pool_with(options: PgConnectOptions, connections: u32, first: String) -> Result<PgPool, DbErr> {
    // The connection that writes: a batch of many clients must not fail because the connection broke a moment ago.
    let is_single = connections == 1;
    PgPoolOptions::new()
        .max_connections(connections)
        // Opened at start, so that no other client can take them.
        .min_connections(connections)
        .acquire_timeout(if is_single { WRITER_ACQUIRE_TIMEOUT } else { ACQUIRE_TIMEOUT })
        .test_before_acquire(false)
        .before_acquire(move |connection, use_of| {
            Box::pin(async move {
                if is_single || use_of.idle_for > PING_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let first = first.clone();
            Box::pin(async move {
                is_utf8(connection).await?;
                connection.execute(sqlx::AssertSqlSafe(first)).await.map(drop)
            })
        })
        .connect_with(options)
        .await
        .map_err(failed)
}

/// The pool as SeaORM's connection, with its statements counted.
pub(super) fn counted(pool: PgPool, statements: &Counter) -> DatabaseConnection {
    let mut connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let statements = Counter::clone(statements);
    connection.set_metric_callback(move |_| {
        statements.fetch_add(1, Ordering::Relaxed);
    });
    connection
}

/// Texts are UTF-8: another encoding would refuse or change some of them.
async fn is_utf8(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let encoding = encoding(connection).await?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(format!("the database is in {encoding}, not in UTF8").into()))
}

async fn encoding(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    // Nothing is prepared, for poolers in transaction mode.
    let row = connection.fetch_one("SHOW server_encoding").await?;
    sqlx::Row::try_get(&row, 0)
}

/// The kind of sessions of connections for reading. `longest_read` is their statement timeout.
pub(super) fn sessions(storage: &StorageSettings, longest_read: Duration) -> Sessions {
    if storage.direct_url.is_none() {
        return Sessions::Own;
    }
    let timeout = longest_read.as_millis();
    let begin = format!(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY; SET LOCAL statement_timeout = {timeout}; \
         SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
    );
    Sessions::Shared(begin.into())
}

/// The pool of the one connection that writes, if the role may write.
pub(super) async fn writer(url: &DatabaseUrl, storage: &StorageSettings) -> Result<PgPool, OpenError> {
    let Some(direct) = storage.direct_url.as_ref().map(DirectUrl::url) else {
        let pool = pool(url, 1, None).await?;
        may_write(&pool).await?;
        return Ok(pool);
    };
    let sure = pool(direct, 1, None).await?;
    may_write(&sure).await.map_err(|error| explained(direct, error))?;
    sure.close().await;
    Ok(shared(url, 1).await?)
}

/// A pool of connections to a pooler in transaction mode.
pub(super) async fn shared(url: &DatabaseUrl, connections: u32) -> Result<PgPool, DbErr> {
    pool_with(options(url)?.statement_cache_capacity(0), connections, String::new()).await
}

/// Opens as many connections as the server is going to use, so that errors show at start, and refuses a database that is not in UTF-8.
pub(super) async fn look(url: &DatabaseUrl, connections: u32) -> Result<(), OpenError> {
    let options = options(url)?;
    let (first, encoding) = connect(&options).await?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { place: reason::place(&options), encoding });
    }
    let others = (1..connections).map(|_| connect(&options));
    let mut opened = vec![first];
    let mut refused = None;
    for other in futures_util::future::join_all(others).await {
        match other {
            Ok((connection, _)) => opened.push(connection),
            Err(error) => refused = Some(error),
        }
    }
    let got = opened.len();
    futures_util::future::join_all(opened.into_iter().map(PgConnection::close)).await;
    match refused {
        None => Ok(()),
        Some(error) => Err(OpenError::TooFew { got, wanted: connections, reason: reason::of(&options, &error) }),
    }
}

/// A connection, and the encoding of the database. Asking for it makes sure that a pooler has a session for the connection.
async fn connect(options: &PgConnectOptions) -> Result<(PgConnection, String), DbErr> {
    let connect = async {
        let mut connection = PgConnection::connect_with(options).await?;
        let encoding = encoding(&mut connection).await?;
        Ok((connection, encoding))
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connect).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failed)
}

/// Checks that the role may write.
async fn may_write(pool: &PgPool) -> Result<(), OpenError> {
    if sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(pool).await.map_err(failed)? {
        return Err(OpenError::MayNotWrite("this PostgreSQL is a standby".to_owned()));
    }
    let tables: Vec<String> = migration::tables().map(ToOwned::to_owned).collect();
    let closed: Option<String> = sqlx::query_scalar(CLOSED).bind(tables).fetch_one(pool).await.map_err(failed)?;
    match closed {
        None => Ok(()),
        Some(closed) => Err(OpenError::MayNotWrite(closed)),
    }
}

/// Those of the tables `$1` that the role may not write to.
const CLOSED: &str = "SELECT 'the role \"' || current_user || '\" may not write to ' || string_agg(name, ', ' ORDER BY name) \
    FROM unnest($1) AS name WHERE NOT (has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT') \
    AND has_table_privilege(name, 'UPDATE') AND (name <> 'committer' OR has_table_privilege(name, 'DELETE')))";

/// An error of sqlx, as SeaORM returns it.
pub(super) fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

/// An error of PostgreSQL, with its address and a remedy.
pub(super) fn explained(url: &DatabaseUrl, error: OpenError) -> OpenError {
    match (error, options(url)) {
        (OpenError::Unusable(error), Ok(options)) => OpenError::Server(reason::of(&options, &error)),
        (error, _) => error,
    }
}
