//! The HTTP server: routes of `/graphql`, REST, pages and health, and the middleware around them.

mod fallback;
mod figures;
mod graphql;
mod guard;
mod health;
mod limits;
mod observer;
mod pages;
mod request_id;
mod server;
mod state;

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
    config::Settings,
    error::Error,
    graphql::Graph,
    http::{encodings, options},
    rest::{self, Paths, RestApi},
    web::{
        figures::Sources,
        graphql::{handlers, refusal::refused, websocket},
        guard::{Guard, authentication, security_headers},
        limits::MIN_COMPRESSED_BYTES,
        state::AppState,
    },
};

pub(crate) use figures::{Figures, router as figures_router};
pub(crate) use health::Health;
pub(crate) use observer::Observer;
pub use server::TlsError;
pub(crate) use server::{Tls, serve};

/// The documents that the built-in pages send, by file name.
pub(crate) const DOCUMENTS: &[(&str, &str)] = &[("overview.graphql", include_str!("../../web/src/overview.graphql"))];

/// The questions of every week, by id: trusted documents for clients.
pub(crate) const QUESTIONS: &[(&str, &str)] = &[
    ("appeared-and-vanished", include_str!("../../web/questions/appeared-and-vanished.graphql")),
    ("cpu-time-by-week", include_str!("../../web/questions/cpu-time-by-week.graphql")),
    ("half-of-the-time", include_str!("../../web/questions/half-of-the-time.graphql")),
    ("history-of-a-test", include_str!("../../web/questions/history-of-a-test.graphql")),
    ("slow-machines", include_str!("../../web/questions/slow-machines.graphql")),
    ("what-a-version-changed", include_str!("../../web/questions/what-a-version-changed.graphql")),
    ("what-got-slower", include_str!("../../web/questions/what-got-slower.graphql")),
];

/// Builds the router of the server.
///
/// # Errors
/// None: figures have different names.
pub(crate) fn router(
    graph: &Graph,
    rest_apis: Vec<RestApi>,
    access: &Access,
    health: &Health,
    stopping: &watch::Receiver<bool>,
    figures: &Figures,
    settings: &Settings,
) -> Result<Router, prometheus::Error> {
    let guard = Guard::new(settings, refused);
    let is_tls = settings.tls.is_some();
    let state = AppState::new(graph, access, stopping, settings);
    figures.show(Sources { graph: graph.clone(), subscriptions: state.subscriptions.clone() })?;
    // Streams are not compressed: a compressor would hold pieces back.
    let is_worth_it = SizeAbove::new(MIN_COMPRESSED_BYTES)
        .and(DefaultPredicate::new())
        .and(NotForContentType::const_new("multipart/mixed"));
    let sockets = from_fn_with_state(state.clone(), websocket::upgrade_or_pass);
    let paths = Paths::of(&rest_apis);
    let graphql = get(handlers::get).post(handlers::post).fallback(handlers::other_method).layer(sockets);
    let guarded = Router::new()
        .route("/graphql", graphql.clone())
        .route("/graphql/", graphql)
        .route("/graphql/ws", get(websocket::open))
        .route("/graphql/ws/", get(websocket::open))
        .with_state(state)
        .merge(rest::router(rest_apis, graph))
        .merge(figures::checked_router(figures))
        .route_layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(access.clone(), authentication::identify))
                .layer(from_fn_with_state(guard.clone(), guard::check))
                .layer(DefaultBodyLimit::max(settings.limits.max_body)),
        );
    // Pages hold no data, so they are served without a token.
    let mode = access.mode();
    let page = |name| get(async move |uri: Uri| pages::page(name, &uri, mode));
    let routes = Router::new()
        .merge(guarded)
        .route("/", page("index.html"))
        .route("/index.html", page("index.html"))
        .route("/graphiql", page("graphiql.html"))
        .route("/graphiql/", page("graphiql.html"))
        .route("/favicon.svg", get(async |headers| pages::file("favicon.svg", &headers)))
        .route("/assets/{*path}", get(pages::asset))
        .merge(health::router(health))
        .method_not_allowed_fallback(fallback::other_method);
    let routes = fallback::with_other_spellings(routes, &paths);
    // One builder instead of one `layer` each: axum boxes every layer separately, for every request.
    let around = ServiceBuilder::new()
        // Without the query string, which may hold values of variables. Handlers log failures themselves.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(|request: &Request<_>| {
                    tracing::debug_span!("request", method = %request.method(), path = request.uri().path())
                        })
                .on_failure(()),
        )
        .layer(MapResponseLayer::new(move |response| security_headers::add(response, is_tls)))
        .layer(MapRequestLayer::new(options::mark_plain_options))
        .layer(option_layer(guard.origins.cors()))
        .layer(CatchPanicLayer::custom(|_| -> Response { Error::defect().into_response() }))
        .layer(MapRequestLayer::new(encodings::settle))
        .layer(CompressionLayer::new().compress_when(is_worth_it))
        .layer(from_fn_with_state(guard.clone(), guard::limit_time));
    Ok(routes.layer(around))
}
