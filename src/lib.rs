//! Metrograph: the history of pytest runs as a graph.
//!
//! From the outside in: [`commands`] reads the command line ([`config`]) and calls [`App::serve`]. `web` serves HTTP: GraphQL, the
//! pages, and `rest`, which turns documents of GraphQL operations into REST endpoints. Both use `graphql`, the product. Rows are
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
mod transfer;
mod web;

use std::{pin::pin, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};

use config::{HttpLimits, Settings};
use db::OpenError;
use ingest::Committer;
use web::{Health, Tls};

// Called by benchmarks, examples and tests. Everything else is private, so that the compiler detects dead code.
pub use access::Access;
pub use db::Database;
pub use graphql::{Disclosure, DocumentError, DocumentStore, Graph, Stock, sdl};
pub use ingest::{BranchRules, Ingest};
pub use rest::{RestApi, load as load_rest};
pub use web::TlsError;

/// How long a stop waits for requests in flight. Docker kills a container ten seconds after it asked it to stop.
const REQUEST_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stop waits for the database after that.
const DATABASE_CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a stop may take after the port was closed.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = REQUEST_DRAIN_TIMEOUT.saturating_add(DATABASE_CLOSE_TIMEOUT);
/// How long requests in flight may take after the committer died.
const FAILURE_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Added to the request timeout for reads of the database, so that the error is the timeout's, not the database's.
const READ_TIMEOUT_MARGIN: Duration = Duration::from_secs(1);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// A document of REST operations, or a trusted document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The TLS certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A component that the server cannot run without ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Died(String);

/// The server with its database open.
pub struct App {
    router: Router,
    limits: HttpLimits,
    tls: Option<Tls>,
    /// Ends streams when it becomes true.
    stopping: watch::Sender<bool>,
    health: Health,
    /// How long the port stays open after a signal to stop.
    drain: Duration,
    database: Database,
    committer: Committer,
}

impl App {
    /// Reads the certificate, checks the documents of REST operations and the trusted documents, opens the database and
    /// starts the committer.
    ///
    /// # Errors
    /// A certificate that cannot be used, a document that does not match the schema, or a database that cannot be
    /// opened.
    pub async fn open(settings: &Settings) -> Result<Self, StartError> {
        let tls = settings.tls.as_ref().map(Tls::load).transpose()?;
        let schema = sdl();
        let rest_apis = rest::load(&schema, settings.rest_dir.as_deref())?;
        let exposure = &settings.exposure;
        let disclosure =
            Disclosure { introspection: exposure.introspection.is_on(), suggestions: exposure.suggestions.is_on() };
        let documents = DocumentStore::open(&schema, &settings.graphql, disclosure, web::DOCUMENTS, web::QUESTIONS)?;
        let ignored = settings.database_url.ignored();
        if !ignored.is_empty() {
            tracing::warn!("--database-url: {} is ignored", ignored.join(", "));
        }
        let read_timeout = settings.limits.request_timeout + READ_TIMEOUT_MARGIN;
        let database = Database::open(&settings.database_url, &settings.storage, read_timeout).await?;
        let branch_tags = settings.branch_tags.iter().map(|tag| tag.as_str().to_owned());
        let (ingest, committer) = Ingest::start(&database, BranchRules::of_tags(branch_tags.collect())).await?;
        let access = Access::new(settings.access.mode, &database, ingest.clone());
        access.warn(settings.listen.ip()).await.map_err(|error| database.unusable(error))?;
        let buffer = usize::try_from(settings.live.buffer.get()).unwrap_or(usize::MAX);
        let health = Health::new(database.clone(), ingest.clone());
        let graph = Graph::new(database.clone(), ingest, settings.page_size.rows(), buffer, documents);
        let (stopping, is_stopping) = watch::channel(false);
        let router = web::router(&graph, rest_apis, &access, &health, &is_stopping, settings);
        let (limits, drain) = (settings.limits.clone(), settings.stop.drain);
        Ok(Self { router, limits, tls, stopping, health, drain, database, committer })
    }

    /// Returns the router.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Returns the open database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Serves `listener` until `end`, finishes requests in flight, stores what was handed over, and closes.
    ///
    /// # Errors
    /// A component that the server cannot run without ended by itself. The log has the reason, too.
    pub async fn serve(self, listener: TcpListener, end: impl Future<Output = ()> + Send) -> Result<(), Died> {
        let Self { router, limits, tls, stopping, health, drain, database, mut committer } = self;
        let mut serving = pin!(web::serve(listener, router, &limits, tls, stopping.subscribe()));
        let drained = async {
            end.await;
            tracing::info!("stopping: waiting for requests in flight");
            health.set_stopping();
            tokio::time::sleep(drain).await;
            stopping.send_replace(true);
            tokio::time::sleep(REQUEST_DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            () = &mut serving => {}
            () = drained => tracing::warn!("some connections did not end in time and were closed"),
            reason = committer.died() => {
                tracing::error!("{reason}: exiting, because the database rejects writes");
                health.set_stopping();
                stopping.send_replace(true);
                // Requests that wait to be stored get an error.
                let _ = tokio::time::timeout(FAILURE_DRAIN_TIMEOUT, serving).await;
                return Err(Died(reason));
            }
        }
        Self::finish(database, committer).await;
        Ok(())
    }

    /// Stores what was handed over and closes the database.
    pub async fn close(self) {
        let Self { router, stopping, database, committer, .. } = self;
        stopping.send_replace(true);
        drop(router);
        Self::finish(database, committer).await;
    }

    async fn finish(database: Database, committer: Committer) {
        let finished = async {
            // Readers first, so that SQLite can checkpoint the write-ahead log.
            if let Err(error) = database.close().await {
                tracing::warn!(%error, "the database did not close cleanly");
            }
            committer.finish().await;
        };
        if tokio::time::timeout(DATABASE_CLOSE_TIMEOUT, finished).await.is_err() {
            tracing::warn!("the database did not store pending writes in time; they were not acknowledged");
        }
    }
}
