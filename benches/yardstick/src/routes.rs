//! The three endpoints.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;

use crate::{Failure, readers::Readers, writer::Writer};

/// What the endpoints need.
pub struct App {
    /// The way out.
    pub readers: Readers,
    /// The way in.
    pub writer: Writer,
}

#[derive(Deserialize)]
struct Place {
    after: i64,
}

/// Everything that is served.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(page))
        .route("/sessions/{hash}/metrics", get(of_session))
        .route("/metrics/", post(store))
        .with_state(Arc::new(app))
}

async fn page(State(app): State<Arc<App>>, Query(Place { after }): Query<Place>) -> Response {
    found(app.readers.list("ITEM_PK > ?", [after]))
}

async fn of_session(State(app): State<Arc<App>>, Path(hash): Path<String>) -> Response {
    found(app.readers.list("SESSION_H = ?", [hash]))
}

async fn store(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let metric = match serde_json::from_slice(&body) {
        Ok(metric) => metric,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    match app.writer.store(metric).await {
        Ok(()) => (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(failure) => failed(&failure),
    }
}

fn found(json: Result<Vec<u8>, Failure>) -> Response {
    match json {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, failure.to_string()).into_response()
}
