//! The accept loop: limits the number of connections, and ends them when the server stops.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::util::MapResponseLayer;

use crate::{
    config::HttpLimits,
    error::{Code, Error},
    web::{
        graphql::refusal::refused,
        guard::{paths::is_graphql, security_headers},
        health,
        limits::{ACCEPT_BACKOFF, ACCEPT_LOG_INTERVAL, MAX_REFUSED_CONNECTIONS, REFUSED_CONNECTION_TIMEOUT},
        observer::Observer,
        server::{connection::Connection, tls::Tls},
    },
};

/// Serves `listener` until `stopping` is true, then waits for requests in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &HttpLimits,
    mut tls: Option<Tls>,
    mut stopping: watch::Receiver<bool>,
    observer: Observer,
) {
    let free = Arc::new(Semaphore::new(limits.max_connections.get() as usize));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSED_CONNECTIONS));
    let full = full(limits, tls.is_some());
    let mut connections = JoinSet::new();
    let is_stopping = stopping.clone();
    let mut last_logged = None;
    loop {
        let changed = async {
            match &mut tls {
                Some(tls) => tls.changed().await,
                None => std::future::pending().await,
            }
        };
        let (socket, peer) = tokio::select! {
            accepted = accept(&listener, &mut last_logged) => accepted,
            () = changed => {
                if let Some(tls) = &mut tls {
                    tls.reload();
                }
                continue;
            }
            Some(_) = connections.join_next() => continue,
            // A dropped sender stops the server, too.
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let mut connection = Connection {
            peer,
            router: router.clone(),
            observer: observer.clone(),
            time: limits.request_timeout,
            tls: tls.as_ref().map(Tls::current),
            stopping: is_stopping.clone(),
        };
        if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
            connections.spawn(connection.serve(socket, permit));
        } else if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
            connection.router = full.clone();
            connection.time = connection.time.min(REFUSED_CONNECTION_TIMEOUT);
            connections.spawn(connection.serve(socket, permit));
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns the next connection. `last_logged`: when a failure was last logged.
async fn accept(listener: &TcpListener, last_logged: &mut Option<Instant>) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => match error.kind() {
                // The client closed the connection before it was accepted.
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                _ => {
                    if last_logged.is_none_or(|at| at.elapsed() > ACCEPT_LOG_INTERVAL) {
                        *last_logged = Some(Instant::now());
                        tracing::error!(%error, "cannot accept connections at the moment");
                    }
                    sleep(ACCEPT_BACKOFF).await;
                }
            },
        }
    }
}

/// Returns the router for connections over the limit.
fn full(limits: &HttpLimits, is_tls: bool) -> Router {
    let message =
        format!("{} connections are open already (--max-connections): try again in a moment", limits.max_connections);
    // A busy server is alive: liveness checks must succeed, or a supervisor would restart it.
    let router = health::live().fallback(async move |request: Request| {
        let error = Error::new(Code::TooManyConnections, message);
        if is_graphql(request.uri().path()) { refused(request.headers(), error) } else { error.into_response() }
    });
    router.layer(MapResponseLayer::new(move |mut response: Response| {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        security_headers::add(response, is_tls)
    }))
}
