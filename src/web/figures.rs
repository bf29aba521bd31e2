//! The server's own figures, in the text format of Prometheus.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Router,
    http::header,
    response::{IntoResponse as _, Response},
    routing::get,
};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use tokio::time::timeout;

use crate::{
    access::Caller,
    error::Error,
    graphql::Graph,
    version::{COMMIT, VERSION},
    web::{guard::subscriptions::SubscriptionLimit, limits::HEALTH_TIMEOUT},
};

/// The media type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Where they are: where Prometheus looks, and where the path is nobody else's.
const PATHS: [&str; 4] = ["/metrics", "/metrics/", "/-/metrics", "/-/metrics/"];
/// Upper bounds of times in seconds.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The figures of one server.
#[derive(Clone)]
pub(crate) struct Figures(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: IntCounterVec,
    request_time: HistogramVec,
    /// What is looked up when somebody asks, one at a time.
    sources: Mutex<Option<Sources>>,
    gauges: Gauges,
}

/// Where figures are looked up.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) graph: Graph,
    pub(crate) subscriptions: SubscriptionLimit,
}

/// Figures that are looked up.
struct Gauges {
    queued: IntGauge,
    subscriptions: IntGauge,
    connections: IntGaugeVec,
    log: IntGauge,
    metrics: IntGauge,
    sessions: IntGauge,
    cache_hits: IntCounterVec,
    cache_misses: IntCounterVec,
}

impl Figures {
    /// Creates the figures of a server that has answered nothing yet.
    ///
    /// # Errors
    /// None: names and labels are valid, and different.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let request_time = HistogramOpts::new(
            "metrograph_http_request_duration_seconds",
            "Time from the head of a request to the end of its response, apart from streams.",
        );
        let counter = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let inner = Inner {
            registry: Registry::new(),
            requests: counter(
                "metrograph_http_requests_total",
                "Requests that were answered.",
                &["operation", "status"],
            )?,
            request_time: HistogramVec::new(request_time.buckets(SECONDS.to_vec()), &["operation"])?,
            sources: Mutex::default(),
            gauges: Gauges {
                queued: IntGauge::new("metrograph_queued_rows", "Rows that wait to be stored.")?,
                subscriptions: IntGauge::new("metrograph_subscriptions", "Open subscriptions.")?,
                connections: IntGaugeVec::new(
                    Opts::new("metrograph_database_connections", "Connections to the database for reading."),
                    &["state"],
                )?,
                log: IntGauge::new(
                    "metrograph_database_wal_bytes",
                    "Size of the write-ahead log next to the database's file.",
                )?,
                metrics: IntGauge::new("metrograph_stored_metrics", "Metrics in the database.")?,
                sessions: IntGauge::new("metrograph_stored_sessions", "Announced sessions in the database.")?,
                cache_hits: counter("metrograph_cache_hits_total", "Look-ups that a cache answered.", &["cache"])?,
                cache_misses: counter(
                    "metrograph_cache_misses_total",
                    "Look-ups that a cache could not answer.",
                    &["cache"],
                )?,
            },
        };
        let build = IntGaugeVec::new(Opts::new("metrograph_build_info", "The version."), &["version", "commit"])?;
        build.with_label_values(&[VERSION, COMMIT.unwrap_or_default()]).set(1);
        let Inner { registry, requests, request_time, gauges, .. } = &inner;
        registry.register(Box::new(build))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(request_time.clone()))?;
        let Gauges { queued, subscriptions, connections, log: _, metrics, sessions, cache_hits, cache_misses } = gauges;
        for gauge in [queued, subscriptions, metrics, sessions] {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(connections.clone()))?;
        for counter in [cache_hits, cache_misses] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(Self(Arc::new(inner)))
    }

    /// Looks up the others here from now on.
    ///
    /// # Errors
    /// None: this is called once.
    pub(crate) fn show(&self, sources: Sources) -> prometheus::Result<()> {
        let Inner { registry, gauges, .. } = &*self.0;
        sources.graph.ingest().figures().register(registry)?;
        if sources.graph.database().log_bytes().is_some() {
            registry.register(Box::new(gauges.log.clone()))?;
        }
        *self.0.sources.lock().unwrap_or_else(PoisonError::into_inner) = Some(sources);
        Ok(())
    }

    /// Counts a request. `operation` is one of few names.
    pub(crate) fn answered(&self, operation: &str, status: u16, time: Duration, is_stream: bool) {
        let Inner { requests, request_time, .. } = &*self.0;
        requests.with_label_values(&[operation, status.to_string().as_str()]).inc();
        if !is_stream {
            request_time.with_label_values(&[operation]).observe(time.as_secs_f64());
        }
    }

    /// Returns all of them.
    async fn text(&self) -> prometheus::Result<String> {
        let Inner { registry, sources, gauges, .. } = &*self.0;
        let sources = sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sources) = sources {
            // A database that does not answer must not hide the others.
            if let Ok(Ok((metrics, sessions))) = timeout(HEALTH_TIMEOUT, sources.graph.row_counts()).await {
                gauges.metrics.set(whole(metrics));
                gauges.sessions.set(whole(sessions));
            }
            gauges.look_up(&sources);
        }
        TextEncoder::new().encode_to_string(&registry.gather())
    }
}

impl Gauges {
    fn look_up(&self, sources: &Sources) {
        let Sources { graph, subscriptions } = sources;
        let database = graph.database();
        self.queued.set(whole(graph.ingest().queued_rows()));
        self.subscriptions.set(whole(subscriptions.count()));
        let (open, idle) = database.connections();
        self.connections.with_label_values(&["idle"]).set(whole(idle));
        self.connections.with_label_values(&["busy"]).set(whole(open.saturating_sub(idle)));
        self.log.set(whole(database.log_bytes().unwrap_or_default()));
        for cache in graph.cache_uses() {
            for (counter, count) in [(&self.cache_hits, cache.hits), (&self.cache_misses, cache.misses)] {
                let counter = counter.with_label_values(&[cache.name]);
                // A cache that was emptied begins anew.
                if let Some(more) = count.checked_sub(counter.get()) {
                    counter.inc_by(more);
                } else {
                    counter.reset();
                    counter.inc_by(count);
                }
            }
        }
    }
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Returns the routes of an address of their own, without a token.
pub(crate) fn router(figures: &Figures) -> Router {
    let routes = PATHS.iter().fold(Router::new(), |router, path| router.route(path, get(shown)));
    routes.layer(Extension(figures.clone()))
}

/// Returns the routes next to those of requests, for callers that may read.
pub(crate) fn checked_router(figures: &Figures) -> Router {
    let routes = PATHS.iter().fold(Router::new(), |router, path| router.route(path, get(checked)));
    routes.layer(Extension(figures.clone()))
}

/// Responds with all figures to callers that may read.
async fn checked(Extension(caller): Extension<Caller>, Extension(figures): Extension<Figures>) -> Response {
    match caller.may_read() {
        Ok(()) => shown(Extension(figures)).await,
        Err(error) => error.into_response(),
    }
}

/// Responds with all figures to anybody.
async fn shown(Extension(figures): Extension<Figures>) -> Response {
    match figures.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the figures can't be written");
            Error::defect().into_response()
        }
    }
}
