//! HTTP: `/graphql`, the pages, and what holds for every answer.

mod assets;
mod fence;
mod graphql;
mod headers;
mod live;
mod origin;
mod rate;
mod serve;
mod tls;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::Request,
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::sync::watch;
use tower::util::{MapResponseLayer, option_layer};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, trace::TraceLayer};

use crate::{
    config::Settings,
    error::{Code, Error},
    graphql::Graph,
    rest::{self, Facade},
};

pub use serve::serve;
pub use tls::{Tls, TlsError};

use fence::Fence;

/// What GraphQL over HTTP needs: the graph, the word that the server stops, and what stands before every request.
#[derive(Clone)]
struct Ways {
    graph: Graph,
    ended: watch::Receiver<bool>,
    fence: Fence,
}

/// Everything that is served.
pub fn router(graph: &Graph, facades: Vec<Facade>, ended: &watch::Receiver<bool>, settings: &Settings) -> Router {
    let fence = Fence::new(settings);
    let is_tls = settings.tls.is_some();
    let guard = from_fn_with_state(fence.clone(), fence::guard);
    let ways = Ways { graph: graph.clone(), ended: ended.clone(), fence: fence.clone() };
    Router::new()
        .route("/graphql", get(graphql::get).post(graphql::post).layer(DefaultBodyLimit::max(fence.max_body)))
        .route("/graphql/ws", get(live::socket))
        .with_state(ways)
        .merge(rest::router(facades, graph, fence.max_body))
        .layer(guard)
        .route("/", get(async || assets::page("index.html")))
        .route("/index.html", get(async || assets::page("index.html")))
        .route("/graphiql", get(async || assets::page("graphiql.html")))
        .route("/favicon.svg", get(async |headers| assets::file("favicon.svg", &headers)))
        .route("/assets/{*path}", get(assets::asset))
        .route("/health", get(async || Json(serde_json::json!({ "status": "ok" }))))
        .fallback(async || Error::new(Code::NotFound, "nothing is served at this path"))
        .method_not_allowed_fallback(async || {
            Error::new(Code::MethodNotAllowed, "this path is served, but not with this method")
        })
        .layer(from_fn_with_state(fence.clone(), fence::in_time))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(|_| -> Response {
            Error::new(Code::Internal, "a defect of the server; see its log").into_response()
        }))
        .layer(option_layer(fence.origins.cors()))
        .layer(MapResponseLayer::new(move |response| headers::add(response, is_tls)))
        // Without the query string: it may hold the values of variables.
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
            tracing::debug_span!("request", method = %request.method(), path = request.uri().path())
        }))
}
