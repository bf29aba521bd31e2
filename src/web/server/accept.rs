//! Accepts connections: so many at a time, and all of them asked to end when the server stops.

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
        server::{connection::Connection, tls::Tls},
    },
};

/// Serves `listener` until `stopping`, then finishes what is in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &HttpLimits,
    mut tls: Option<Tls>,
    mut stopping: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(limits.max_connections.get() as usize));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSED_CONNECTIONS));
    let full = full(limits, tls.is_some());
    let mut connections = JoinSet::new();
    let is_stopping = stopping.clone();
    let mut said = None;
    loop {
        let changed = async {
            match &mut tls {
                Some(tls) => tls.changed().await,
                None => std::future::pending().await,
            }
        };
        let (socket, peer) = tokio::select! {
            accepted = accept(&listener, &mut said) => accepted,
            () = changed => {
                if let Some(tls) = &mut tls {
                    tls.reload();
                }
                continue;
            }
            Some(_) = connections.join_next() => continue,
            // Without a sender there is nobody left to wait for either.
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let mut connection = Connection {
            peer,
            router: router.clone(),
            time: limits.request_timeout,
            tls: tls.as_ref().map(Tls::current),
            stopping: is_stopping.clone(),
        };
        if let Ok(place) = Arc::clone(&free).try_acquire_owned() {
            connections.spawn(connection.serve(socket, place));
        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
            connection.router = full.clone();
            connection.time = connection.time.min(REFUSED_CONNECTION_TIMEOUT);
            connections.spawn(connection.serve(socket, place));
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection. `said` is when it was last said that none can be accepted.
async fn accept(listener: &TcpListener, said: &mut Option<Instant>) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => match error.kind() {
                // The client was gone before it was greeted.
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                _ => {
                    if said.is_none_or(|at| at.elapsed() > ACCEPT_LOG_INTERVAL) {
                        *said = Some(Instant::now());
                        tracing::error!(%error, "no connection can be accepted at the moment");
                    }
                    sleep(ACCEPT_BACKOFF).await;
                }
            },
        }
    }
}

/// Answers whoever comes when as many connections are open as there may be.
fn full(limits: &HttpLimits, is_tls: bool) -> Router {
    let message =
        format!("{} connections are open already (--max-connections): try again in a moment", limits.max_connections);
    // Whoever is busy works: a supervisor is not to end it for that.
    let told = health::live().fallback(async move |request: Request| {
        let error = Error::new(Code::TooManyConnections, message);
        if is_graphql(request.uri().path()) { refused(request.headers(), error) } else { error.into_response() }
    });
    told.layer(MapResponseLayer::new(move |mut response: Response| {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        security_headers::add(response, is_tls)
    }))
}
