//! Connections: so many at a time, with TLS or without, each given its time, and all of them asked to end when the server stops.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, Version, header},
    response::{IntoResponse as _, Response},
};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower::{ServiceExt as _, util::MapResponseLayer};

use super::{
    again, fence, headers, health, hosts,
    tls::{H2, Tls},
    underway::Underway,
    unread::Unread,
    wire::{Linger, Placed, Wire},
};
use crate::{
    config::HttpLimits,
    error::{Code, Error},
};

/// Connections over the limit that are told so at the same time; others are closed without a word.
const REFUSED_AT_ONCE: usize = 64;
/// How long they have to ask, so that they can be told.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// Streams that one client of HTTP/2 may have open.
const STREAMS: u32 = 128;
/// How often a client of HTTP/2 that says nothing is asked whether it is still there.
const STILL_THERE: Duration = Duration::from_secs(30);
/// How long a client of HTTP/2 has to take leave.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long nothing is accepted after the system ran out of something.
const BREATH: Duration = Duration::from_millis(100);
/// How often that is said.
const BETWEEN_WORDS: Duration = Duration::from_mins(1);

/// Serves `listener` until `stopping`, then finishes what is in flight.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &HttpLimits,
    mut tls: Option<Tls>,
    mut stopping: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(limits.max_connections.get() as usize));
    let refusals = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
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
            connection.time = connection.time.min(REFUSED_WITHIN);
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
                    if said.is_none_or(|at| at.elapsed() > BETWEEN_WORDS) {
                        *said = Some(Instant::now());
                        tracing::error!(%error, "no connection can be accepted at the moment");
                    }
                    sleep(BREATH).await;
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
        fence::refused(fence::is_graphql(request.uri().path()), request.headers(), error)
    });
    told.layer(MapResponseLayer::new(move |mut response: Response| {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers::add(response, is_tls)
    }))
}

/// A connection that was accepted.
struct Connection {
    peer: SocketAddr,
    router: Router,
    time: Duration,
    tls: Option<Arc<ServerConfig>>,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    /// Serves it to its end. Greeting, and the head of each request, must come in time; what is sent must be taken in.
    async fn serve(self, socket: TcpStream, place: OwnedSemaphorePermit) {
        let Self { peer, router, time, tls, mut stopping } = self;
        let is_tls = tls.is_some();
        let mut socket = Box::pin(TimeoutWriter::new(socket));
        socket.as_mut().set_timeout_pinned(Some(time));
        let (wire, is_h2) = match tls {
            None => (Wire::Plain(socket), false),
            Some(config) => match timeout(time, TlsAcceptor::from(config).accept(socket)).await {
                Ok(Ok(stream)) => {
                    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
                    (Wire::Tls(Box::new(stream)), is_h2)
                }
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            },
        };
        let underway = Underway::default();
        let linger = Linger::default();
        let io = TokioIo::new(Placed::new(wire, is_h2, underway.clone(), linger.clone(), place));
        let asked = Asked { router, peer, is_tls, linger };
        let answer = move |request| asked.clone().answer(request);
        let stops = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let outcome = if is_h2 {
            let counted = underway.clone();
            let service = service_fn(move |request| {
                let (held, answer) = (counted.begin(), answer(request));
                async move { answer.await.map(|response| held.until_made(response)) }
            });
            let mut connection = pin!(
                conn::http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS)
                    .keep_alive_interval(STILL_THERE)
                    .serve_connection(io, service)
            );
            tokio::select! {
                outcome = &mut connection => outcome,
                () = stops => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
                () = underway.idle(time) => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        // A request may have come before this was heard.
                        outcome = &mut connection => outcome,
                        // Whoever says nothing may not hear this either.
                        () = underway.idle(FAREWELL) => Ok(()),
                    }
                }
            }
        } else {
            let mut connection = pin!(
                conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    // Names of headers mean the same in any case, but there are clients that compare them literally: with the
                    // common spelling, or in a handshake with their own.
                    .title_case_headers(true)
                    .preserve_header_case(true)
                    .header_read_timeout(time)
                    .serve_connection(io, service_fn(answer))
                    .with_upgrades()
            );
            tokio::select! {
                outcome = &mut connection => outcome,
                () = stops => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// What is asked over a connection.
#[derive(Clone)]
struct Asked {
    router: Router,
    peer: SocketAddr,
    is_tls: bool,
    linger: Linger,
}

impl Asked {
    async fn answer(self, request: Request<Incoming>) -> Result<Response, Infallible> {
        let Self { router, peer, is_tls, linger } = self;
        if let Err(error) = hosts::check_form(&request) {
            return Ok(headers::add(closing(error.into_response(), &linger), is_tls));
        }
        let is_h1 = request.version() < Version::HTTP_2;
        // They hold how the client spells headers, which hyper looks for in the answer.
        let spelling = request.headers().contains_key(header::UPGRADE).then(|| request.extensions().clone());
        let (unread, awaits_word) = (Unread::default(), request.headers().contains_key(header::EXPECT));
        let mut request = request.map(|body| unread.watch(body, awaits_word));
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut response = router.oneshot(request).await?;
        response.extensions_mut().extend(spelling.unwrap_or_default());
        let response = again::allow_options(response);
        // What a refused request left unread would be taken for the next one; of HTTP/2 its stream alone ends.
        let is_drained = unread.drain().await;
        Ok(if is_h1 && !is_drained { closing(response, &linger) } else { response })
    }
}

/// The last answer of its connection, which says so.
fn closing(mut response: Response, linger: &Linger) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    linger.set();
    response
}
