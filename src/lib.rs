//! Metrograph: the history of pytest runs as a graph.
//!
//! From the outside in: [`commands`] reads the command line ([`config`]) and calls [`App::serve`]. `web` serves HTTP: GraphQL, the
//! pages, and `rest`, which turns documents of GraphQL operations into REST entry points. Both use `graphql`, the product. Rows are
//! read from `entity` through `db` and stored through `ingest`, one queue and one committer. `access` decides what a caller may do.
//! `error` is the table of failures, `http` what web and rest have in common, `telemetry` the log.
//!
//! This file is the one place where these modules are joined.

pub mod commands;
pub mod config;
pub mod version;

mod access;
mod db;
mod error;
mod graphql;
mod http;
mod ingest;
mod process;
mod rest;
mod telemetry;
mod web;

use std::{pin::pin, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};

use config::{HttpLimits, Settings};
use db::OpenError;
use ingest::Committer;
use web::{Health, Tls};

// What benchmarks, examples and tests call. Everything else is private, so that the compiler finds what nobody calls.
pub use access::Access;
pub use db::Database;
pub use graphql::{DocumentError, Documents, Graph, Stock, Told, sdl};
pub use ingest::Ingest;
pub use rest::{Facade, load as load_rest};
pub use web::TlsError;

/// How long a stop waits for requests in flight. Docker kills after ten seconds what it asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// How long a stop then waits for the database.
const LAST_ROWS: Duration = Duration::from_secs(3);
/// How long a stop may take after the port was closed.
pub(crate) const LONGEST_STOP: Duration = LAST_REQUESTS.saturating_add(LAST_ROWS);
/// How long requests in flight have where nothing more is stored.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the database may go on after a request was given up: so the request is told that, not that the database failed.
const LAST_READS: Duration = Duration::from_secs(1);

/// Why the server can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// A document of REST operations, or a trusted one.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A part without which the server is none ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Died(String);

/// The server with its database open.
pub struct App {
    router: Router,
    limits: HttpLimits,
    tls: Option<Tls>,
    /// Tells subscriptions to end.
    ending: watch::Sender<bool>,
    health: Health,
    /// How long the port stays open when the server is to stop.
    drain: Duration,
    database: Database,
    committer: Committer,
}

impl App {
    /// Reads the certificate, checks the documents of REST operations and the trusted ones, opens the database and starts the
    /// committer.
    ///
    /// # Errors
    /// A certificate that can't be used; a document that does not fit the schema; a database that can't be used.
    pub async fn open(settings: &Settings) -> Result<Self, StartError> {
        let tls = settings.tls.as_ref().map(Tls::load).transpose()?;
        let schema = sdl();
        let facades = rest::load(&schema, settings.rest_dir.as_deref())?;
        let exposure = &settings.exposure;
        let told = Told { introspection: exposure.introspection.is_on(), suggestions: exposure.suggestions.is_on() };
        let documents = Documents::open(&schema, &settings.graphql, told, web::DOCUMENTS)?;
        let ignored = settings.database_url.ignored();
        if !ignored.is_empty() {
            tracing::warn!("--database-url: {} of the address changes nothing here", ignored.join(", "));
        }
        let longest_read = settings.limits.request_timeout + LAST_READS;
        let database = Database::open(&settings.database_url, &settings.storage, longest_read).await?;
        let (ingest, committer) = Ingest::start(&database).await?;
        let access = Access::new(settings.access.mode, &database, ingest.clone());
        access.warn(settings.listen.ip()).await.map_err(|error| database.unusable(error))?;
        let buffer = usize::try_from(settings.live.buffer.get()).unwrap_or(usize::MAX);
        let health = Health::new(database.clone(), ingest.clone());
        let graph = Graph::new(database.clone(), ingest, settings.page_size.rows(), buffer, documents);
        let (ending, ended) = watch::channel(false);
        let router = web::router(&graph, facades, &access, &health, &ended, settings);
        let (limits, drain) = (settings.limits.clone(), settings.stop.drain);
        Ok(Self { router, limits, tls, ending, health, drain, database, committer })
    }

    /// What answers requests.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The open database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Serves `listener` until `end`, finishes what is in flight, then stores what was handed over and closes.
    ///
    /// # Errors
    /// A part without which the server is none ended by itself; the reason is in the log as well.
    pub async fn serve(self, listener: TcpListener, end: impl Future<Output = ()> + Send) -> Result<(), Died> {
        let Self { router, limits, tls, ending, health, drain, database, mut committer } = self;
        let mut serving = pin!(web::serve(listener, router, &limits, tls, ending.subscribe()));
        let patience = async {
            end.await;
            tracing::info!("stopping: requests in flight are finished");
            health.leave();
            tokio::time::sleep(drain).await;
            ending.send_replace(true);
            tokio::time::sleep(LAST_REQUESTS).await;
        };
        tokio::select! {
            () = &mut serving => {}
            () = patience => tracing::warn!("some connections did not end in time and were cut"),
            reason = committer.died() => {
                tracing::error!("{reason}: the server ends, since it can't store anything");
                health.leave();
                ending.send_replace(true);
                // Whoever waits is told so.
                let _ = tokio::time::timeout(LAST_WORDS, serving).await;
                return Err(Died(reason));
            }
        }
        Self::finish(database, committer).await;
        Ok(())
    }

    /// Stores what was handed over and closes the database.
    pub async fn close(self) {
        let Self { router, ending, database, committer, .. } = self;
        ending.send_replace(true);
        drop(router);
        Self::finish(database, committer).await;
    }

    async fn finish(database: Database, committer: Committer) {
        let finished = async {
            // First whoever reads, so that the log can be folded into the file.
            if let Err(error) = database.close().await {
                tracing::warn!(%error, "the database did not close cleanly");
            }
            committer.finish().await;
        };
        if tokio::time::timeout(LAST_ROWS, finished).await.is_err() {
            tracing::warn!(
                "the database did not take in time what was handed over: whoever sent it was not told that it is stored"
            );
        }
    }
}
