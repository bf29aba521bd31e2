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

use std::{net::SocketAddr, pin::pin, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use config::{HttpLimits, Settings};
use db::OpenError;
use ingest::Committer;
use telemetry::Traces;
use web::{Figures, Health, Observer, Tls};

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
/// What is left of the request timeout once a write has waited for a busy database, so that the error is the database's, and sure: at most
/// this, and a tenth.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);
/// So long a write waits in any case: a request that has less time gets its answer before, and is stored nevertheless.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// How long before the end of a stop writes no longer wait for a busy database.
const STOP_MARGIN: Duration = Duration::from_secs(2);

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
    /// The address of the figures.
    #[error("--metrics-listen: {0} can't be listened on: {1}")]
    MetricsListen(SocketAddr, std::io::Error),
    /// The figures.
    #[error("the server's figures can't be kept: {0}")]
    Figures(#[from] prometheus::Error),
    /// The address of a collector.
    #[error("--otlp-endpoint: {0}")]
    Traces(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// A component that the server cannot run without ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Died(String);

/// Listens on the address of the figures.
async fn listen_for_metrics(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(address).await.map_err(|error| StartError::MetricsListen(address, error))?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("figures for Prometheus at http://{address}/metrics");
    }
    Ok(listener)
}

/// A task that ends with its owner.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The server with its database open.
pub struct App {
    router: Router,
    limits: HttpLimits,
    tls: Option<Tls>,
    /// Ends streams when it becomes true.
    stopping: watch::Sender<bool>,
    health: Health,
    observer: Observer,
    traces: Option<Traces>,
    /// The figures, and the address of their own that they are shown at.
    figures: (Figures, Option<TcpListener>),
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
        let listener = match settings.metrics_listen {
            Some(address) => Some(listen_for_metrics(address).await?),
            None => None,
        };
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
        let timeout = settings.limits.request_timeout;
        let patience = timeout.saturating_sub(ANSWER_MARGIN.min(timeout / 10)).max(LEAST_PATIENCE);
        let branch_tags = settings.branch_tags.iter().map(|tag| tag.as_str().to_owned());
        let (ingest, committer) =
            Ingest::start(&database, BranchRules::of_tags(branch_tags.collect()), patience).await?;
        let access = Access::new(settings.access.mode, &database, ingest.clone());
        access.warn(settings.listen.ip()).await.map_err(|error| database.unusable(error))?;
        let buffer = usize::try_from(settings.live.buffer.get()).unwrap_or(usize::MAX);
        let health = Health::new(database.clone(), ingest.clone());
        let graph = Graph::new(database.clone(), ingest, settings.page_size.rows(), buffer, documents);
        let (stopping, is_stopping) = watch::channel(false);
        let figures = Figures::new()?;
        let router = web::router(&graph, rest_apis, &access, &health, &is_stopping, &figures, settings)?;
        let traces = match &settings.otlp_endpoint {
            Some(endpoint) => Some(Traces::start(endpoint.as_str(), version::VERSION)?),
            None => None,
        };
        let observer = Observer::new(figures.clone(), traces.clone());
        let figures = (figures, listener);
        let (limits, drain) = (settings.limits.clone(), settings.stop.drain);
        Ok(Self { router, limits, tls, stopping, health, observer, traces, figures, drain, database, committer })
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
        let Self { router, limits, tls, stopping, health, observer, traces, figures, drain, database, mut committer } =
            self;
        let (figures, own_listener) = figures;
        let _showing = own_listener.map(|listener| {
            let (router, limits) = (web::figures_router(&figures), limits.clone());
            let (stopping, observer) = (stopping.subscribe(), observer.clone());
            AbortOnDrop(tokio::spawn(async move {
                web::serve(listener, router, &limits, None, stopping, observer).await;
            }))
        });
        let hurry = committer.hurry();
        let mut serving = pin!(web::serve(listener, router, &limits, tls, stopping.subscribe(), observer));
        let drained = async {
            end.await;
            tracing::info!("stopping: waiting for requests in flight");
            health.set_stopping();
            tokio::time::sleep(drain).await;
            stopping.send_replace(true);
            hurry.end_after(REQUEST_DRAIN_TIMEOUT.saturating_sub(STOP_MARGIN));
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
        let sent = async {
            if let Some(traces) = traces {
                traces.stop().await;
            }
        };
        tokio::join!(Self::finish(database, committer), sent);
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
