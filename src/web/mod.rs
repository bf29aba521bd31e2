//! HTTP: `/graphql`, the pages, and what holds for every answer.

mod access;
mod again;
mod assets;
mod encodings;
mod fence;
mod graphql;
mod headers;
mod heads;
mod health;
mod hosts;
mod live;
mod origin;
mod rate;
mod serve;
mod socket;
mod tls;
mod underway;
mod unread;
mod wire;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Request, Uri},
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::sync::watch;
use tower::{
    ServiceBuilder,
    util::{MapRequestLayer, MapResponseLayer, option_layer},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, NotForContentType, Predicate as _, SizeAbove},
    },
    trace::TraceLayer,
};

use crate::{
    access::Access,
    config::{GraphqlSettings, Settings},
    error::Error,
    graphql::Graph,
    rest::{self, Facade, Paths},
};

pub use health::Health;
pub use serve::serve;
pub use tls::{Tls, TlsError};

use fence::Fence;

/// The documents that our own pages send, with their names.
pub const DOCUMENTS: &[(&str, &str)] = &[("overview.graphql", include_str!("../../web/src/overview.graphql"))];

/// Smaller answers are sent as they are: there is little to gain.
const LEAST_COMPRESSED: u16 = 1_024;

/// What GraphQL over HTTP needs: the graph, its settings, the door, the word that the server stops, and what stands before every
/// request.
#[derive(Clone)]
struct Ways {
    graph: Graph,
    settings: Arc<GraphqlSettings>,
    access: Access,
    ended: watch::Receiver<bool>,
    fence: Fence,
}

/// Everything that is served.
pub fn router(
    graph: &Graph,
    facades: Vec<Facade>,
    access: &Access,
    health: &Health,
    ended: &watch::Receiver<bool>,
    settings: &Settings,
) -> Router {
    let fence = Fence::new(settings);
    let is_tls = settings.tls.is_some();
    let ways = Ways {
        graph: graph.clone(),
        settings: Arc::new(settings.graphql.clone()),
        access: access.clone(),
        ended: ended.clone(),
        fence: fence.clone(),
    };
    // Streams are sent as they come.
    let is_worth_it = SizeAbove::new(LEAST_COMPRESSED)
        .and(DefaultPredicate::new())
        .and(NotForContentType::const_new("multipart/mixed"));
    let sockets = from_fn_with_state(ways.clone(), socket::open_or_go_on);
    let paths = Paths::of(&facades);
    let graphql = get(graphql::get).post(graphql::post).fallback(graphql::other_method).layer(sockets);
    let guarded = Router::new()
        .route("/graphql", graphql.clone())
        .route("/graphql/", graphql)
        .route("/graphql/ws", get(socket::open))
        .route("/graphql/ws/", get(socket::open))
        .with_state(ways)
        .merge(rest::router(facades, graph))
        .route_layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(access.clone(), access::identify))
                .layer(from_fn_with_state(fence.clone(), fence::guard))
                .layer(DefaultBodyLimit::max(fence.max_body)),
        );
    // Pages hold no data: what they show, they ask for.
    let mode = access.mode();
    let page = |name| get(async move |uri: Uri| assets::page(name, &uri, mode));
    let served = Router::new()
        .merge(guarded)
        .route("/", page("index.html"))
        .route("/index.html", page("index.html"))
        .route("/graphiql", page("graphiql.html"))
        .route("/graphiql/", page("graphiql.html"))
        .route("/favicon.svg", get(async |headers| assets::file("favicon.svg", &headers)))
        .route("/assets/{*path}", get(assets::asset))
        .merge(health::router(health))
        .method_not_allowed_fallback(again::other_method);
    let served = again::spelled_otherwise(served, &paths);
    // Together, not one by one: the router puts each layer that it is given into a box of its own, for every request.
    let around = ServiceBuilder::new()
        // Without the query string: it may hold the values of variables. Whoever fails says why himself.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(|request: &Request<_>| {
                    tracing::debug_span!("request", method = %request.method(), path = request.uri().path())
                        })
                .on_failure(()),
        )
        .layer(MapResponseLayer::new(move |response| headers::add(response, is_tls)))
        .layer(MapRequestLayer::new(again::tell_apart))
        .layer(option_layer(fence.origins.cors()))
        .layer(CatchPanicLayer::custom(|_| -> Response { Error::defect().into_response() }))
        .layer(MapRequestLayer::new(encodings::settle))
        .layer(CompressionLayer::new().compress_when(is_worth_it))
        .layer(from_fn_with_state(fence.clone(), fence::in_time));
    served.layer(around)
}
