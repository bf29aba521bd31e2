//! Serves the graph with async-graphql-axum's own handlers, on the database and with the settings of a Metrograph:
//!
//! ```text
//! cargo run --example stock -- --listen 127.0.0.1:0 --database-url sqlite://metrograph.db
//! ```
//!
//! This is what Metrograph's answers are held against (`tests/clients/judges.py`), not a way to serve it: see ARCHITECTURE.md.

use std::{error::Error, time::Duration};

use async_graphql::Executor as _;
use async_graphql_axum::{GraphQLRequest, GraphQLResponse, GraphQLSubscription};
use axum::{Router, extract::State, routing::get};
use metrograph::{
    Access, BranchRules, Database, Disclosure, DocumentStore, Graph, Ingest, Stock,
    config::{self, AccessMode},
};
use tokio::net::TcpListener;

/// As async-graphql-axum's own examples have it.
async fn answer(State(stock): State<Stock>, request: GraphQLRequest) -> GraphQLResponse {
    stock.execute(request.into_inner()).await.into()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (_, settings) = config::read().map_err(|stop| format!("{stop:?}"))?;
    let database = Database::open(&settings.database_url, &settings.storage, settings.limits.request_timeout).await?;
    let (ingest, committer) = Ingest::start(&database, BranchRules::default(), Duration::from_secs(10)).await?;
    let caller = Access::new(AccessMode::Open, &database, ingest.clone()).caller_of(None).await;
    let documents = DocumentStore::open(
        &metrograph::sdl(),
        &settings.graphql,
        Disclosure { introspection: true, suggestions: true },
        &[],
        &[],
    )?;
    let graph = Graph::new(database.clone(), ingest, settings.page_size.rows(), 1_000, documents);
    let stock = graph.stock(caller);
    drop(graph);
    let router = Router::new()
        .route("/graphql", get(answer).post(answer))
        .route_service("/ws", GraphQLSubscription::new(stock.clone()));
    let router = router.with_state(stock);
    let listener = TcpListener::bind(settings.listen).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    committer.finish().await;
    Ok(database.close().await?)
}
