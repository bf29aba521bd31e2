//! Health checks: liveness of the process, and readiness to be sent requests.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use serde_json::{Map, Value, json};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    db::Database,
    error::Error,
    ingest::Ingest,
    version::{COMMIT, VERSION},
    web::limits::{HEALTH_MAX_AGE, HEALTH_TIMEOUT},
};

/// The state of the server that health checks report.
#[derive(Clone)]
pub(crate) struct Health(Arc<Inner>);

struct Inner {
    database: Database,
    ingest: Ingest,
    is_stopping: AtomicBool,
    /// Time and result of the last check of the database.
    last_check: Mutex<Option<(Instant, Option<String>)>>,
}

impl Health {
    /// Returns the health of a server on `database` that stores through `ingest`.
    pub(crate) fn new(database: Database, ingest: Ingest) -> Self {
        Self(Arc::new(Inner { database, ingest, is_stopping: AtomicBool::new(false), last_check: Mutex::default() }))
    }

    /// Makes readiness checks fail from now on: the server is stopping.
    pub(crate) fn set_stopping(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Returns the reasons against sending requests, by failed component.
    async fn failed(&self) -> Map<String, Value> {
        let Inner { database, ingest, is_stopping, last_check } = &*self.0;
        let mut failed = Map::new();
        if is_stopping.load(Ordering::Relaxed) {
            failed.insert("server".to_owned(), "it is stopping".into());
        }
        if ingest.is_outdated() {
            failed.insert(
                "version".to_owned(),
                "a newer version has changed the tables: start that one in place of this server".into(),
            );
        }
        if !ingest.is_alive() {
            failed.insert(
                "committer".to_owned(),
                "it has ended: nothing is stored any more; see the server's log".into(),
            );
        } else if ingest.is_failing() {
            failed.insert("committer".to_owned(), "the last attempt to store failed: see the server's log".into());
        }
        let reason = if let Err(reason) = database.check() {
            Some(reason)
        } else {
            let mut last_check = last_check.lock().await;
            match last_check.take().filter(|(at, _)| at.elapsed() < HEALTH_MAX_AGE) {
                Some(fresh) => last_check.insert(fresh).1.clone(),
                None => last_check.insert((Instant::now(), check_database(database).await)).1.clone(),
            }
        };
        failed.extend(reason.map(|reason| ("database".to_owned(), reason.into())));
        failed
    }
}

/// Returns the reason why the database cannot be used, if any.
async fn check_database(database: &Database) -> Option<String> {
    match timeout(HEALTH_TIMEOUT, database.ping()).await {
        Ok(asked) => asked.err().map(|error| Error::from(error).message),
        Err(_) => Some(format!("it did not answer within {} s", HEALTH_TIMEOUT.as_secs())),
    }
}

/// Returns the routes of the health checks.
pub(crate) fn router(health: &Health) -> Router {
    let ready = |health: Health| -> MethodRouter { get(async move || answer(&health.failed().await)) };
    let mut router = live();
    for path in ["/health", "/health/", "/health/ready", "/health/ready/"] {
        router = router.route(path, ready(health.clone()));
    }
    router
}

/// Returns the route of the liveness check, which succeeds whenever the process can respond.
pub(crate) fn live() -> Router {
    let live = || get(async || answer(&Map::new()));
    Router::new().route("/health/live", live()).route("/health/live/", live())
}

fn answer(failed: &Map<String, Value>) -> Response {
    let (status, body) = if failed.is_empty() {
        (StatusCode::OK, json!({ "status": "ok", "version": VERSION, "commit": COMMIT }))
    } else {
        let body = json!({ "status": "unavailable", "failed": failed, "version": VERSION, "commit": COMMIT });
        (StatusCode::SERVICE_UNAVAILABLE, body)
    };
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}
