//! What a supervisor asks: whether the process works, and whether it can be sent requests.

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

/// What is known of the server's health.
#[derive(Clone)]
pub(crate) struct Health(Arc<Parts>);

struct Parts {
    database: Database,
    ingest: Ingest,
    is_leaving: AtomicBool,
    /// What the database answered last, and when.
    last: Mutex<Option<(Instant, Option<String>)>>,
}

impl Health {
    /// The health of a server on `database` that stores through `ingest`.
    pub(crate) fn new(database: Database, ingest: Ingest) -> Self {
        Self(Arc::new(Parts { database, ingest, is_leaving: AtomicBool::new(false), last: Mutex::default() }))
    }

    /// From now on it says that it stops.
    pub(crate) fn leave(&self) {
        self.0.is_leaving.store(true, Ordering::Relaxed);
    }

    /// What keeps it from being sent requests, by the part that is not well.
    async fn failed(&self) -> Map<String, Value> {
        let Parts { database, ingest, is_leaving, last } = &*self.0;
        let mut failed = Map::new();
        if is_leaving.load(Ordering::Relaxed) {
            failed.insert("server".to_owned(), "it is stopping".into());
        }
        if !ingest.is_alive() {
            failed.insert(
                "committer".to_owned(),
                "it has ended: nothing is stored any more; see the server's log".into(),
            );
        } else if ingest.is_failing() {
            failed.insert("committer".to_owned(), "the last attempt to store failed: see the server's log".into());
        }
        let said = if let Err(reason) = database.look() {
            Some(reason)
        } else {
            let mut last = last.lock().await;
            match last.take().filter(|(at, _)| at.elapsed() < HEALTH_MAX_AGE) {
                Some(known) => last.insert(known).1.clone(),
                None => last.insert((Instant::now(), ask(database).await)).1.clone(),
            }
        };
        failed.extend(said.map(|said| ("database".to_owned(), said.into())));
        failed
    }
}

/// Why the database can't be used, where it can't.
async fn ask(database: &Database) -> Option<String> {
    match timeout(HEALTH_TIMEOUT, database.ask()).await {
        Ok(asked) => asked.err().map(|error| Error::from(error).message),
        Err(_) => Some(format!("it did not answer within {} s", HEALTH_TIMEOUT.as_secs())),
    }
}

/// Where supervisors ask.
pub(crate) fn router(health: &Health) -> Router {
    let ready = |health: Health| -> MethodRouter { get(async move || answer(&health.failed().await)) };
    let mut router = live();
    for path in ["/health", "/health/", "/health/ready", "/health/ready/"] {
        router = router.route(path, ready(health.clone()));
    }
    router
}

/// Whether the process works: it does when it answers.
pub(crate) fn live() -> Router {
    let live = || get(async || answer(&Map::new()));
    Router::new().route("/health/live", live()).route("/health/live/", live())
}

fn answer(failed: &Map<String, Value>) -> Response {
    let (status, said) = if failed.is_empty() {
        (StatusCode::OK, json!({ "status": "ok", "version": VERSION, "commit": COMMIT }))
    } else {
        let said = json!({ "status": "unavailable", "failed": failed, "version": VERSION, "commit": COMMIT });
        (StatusCode::SERVICE_UNAVAILABLE, said)
    };
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(said)).into_response()
}
