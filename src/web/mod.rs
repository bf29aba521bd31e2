//! HTTP: `/graphql`, the pages, and what holds for every answer.

mod access;
mod assets;
mod graphql;
mod live;
mod socket;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue},
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::sync::watch;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, Predicate as _, SizeAbove},
    },
    set_header::SetResponseHeaderLayer,
    trace::TraceLayer,
};

use crate::{
    access::Access,
    config::GraphqlSettings,
    error::{Code, Error},
    graphql::Graph,
    rest::{self, Facade},
};

/// Bytes of a request's body, at most: ten thousand metrics fit with room to spare.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What this server may be shown with: nothing from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'";

/// The documents that our own pages send, with their names.
pub const DOCUMENTS: &[(&str, &str)] = &[("overview.graphql", include_str!("../../web/src/overview.graphql"))];

/// Smaller answers are sent as they are: there is little to gain.
const LEAST_COMPRESSED: u16 = 1_024;

/// What GraphQL over HTTP needs: the graph, its settings, the door, and the word that the server stops.
#[derive(Clone)]
struct Ways {
    graph: Graph,
    settings: Arc<GraphqlSettings>,
    access: Access,
    ended: watch::Receiver<bool>,
}

/// Everything that is served.
pub fn router(
    graph: &Graph,
    facades: Vec<Facade>,
    settings: &GraphqlSettings,
    access: &Access,
    ended: &watch::Receiver<bool>,
) -> Router {
    let settings = Arc::new(settings.clone());
    let ways = Ways { graph: graph.clone(), settings, access: access.clone(), ended: ended.clone() };
    let is_worth_it = SizeAbove::new(LEAST_COMPRESSED).and(DefaultPredicate::new());
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let sockets = from_fn_with_state(ways.clone(), socket::open_or_go_on);
    let graphql = get(graphql::get).post(graphql::post).layer(DefaultBodyLimit::max(MOST_BYTES)).layer(sockets);
    let guarded = Router::new()
        .route("/graphql", graphql)
        .route("/graphql/ws", get(socket::open))
        .with_state(ways)
        .merge(rest::router(facades, graph, MOST_BYTES))
        .route_layer(from_fn_with_state(access.clone(), access::identify));
    // Pages hold no data: what they show, they ask for.
    Router::new()
        .merge(guarded)
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
        .layer(header("content-security-policy", CONTENT_SECURITY_POLICY))
        .layer(header("x-content-type-options", "nosniff"))
        .layer(CompressionLayer::new().compress_when(is_worth_it))
        .layer(CatchPanicLayer::custom(|_| -> Response {
            Error::new(Code::Internal, "a defect of the server; see its log").into_response()
        }))
        .layer(TraceLayer::new_for_http())
}
