//! One connection, with or without TLS, over HTTP/1.1 or HTTP/2, with a timeout for each step.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, Version, header},
    response::{IntoResponse as _, Response},
};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, watch},
    time::timeout,
};
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower::ServiceExt as _;

use crate::{
    http::options::allow_options,
    web::{
        guard::{hosts, security_headers},
        limits::{FIRST_REQUEST_GRACE, HTTP2_GOAWAY_TIMEOUT, HTTP2_KEEP_ALIVE_INTERVAL, MAX_HTTP2_STREAMS},
        observer::Observer,
        server::{
            idle::InFlight,
            tls::H2,
            unread::UnreadBody,
            wire::{ClientStream, Linger, Transport},
        },
    },
};

/// An accepted connection.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) router: Router,
    pub(crate) observer: Observer,
    pub(crate) time: Duration,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Connection {
    /// Serves the connection until it ends. Handshake, request heads and writes each time out after `time`.
    pub(crate) async fn serve(self, socket: TcpStream, permit: OwnedSemaphorePermit) {
        let Self { peer, router, observer, time, tls, mut stopping } = self;
        let is_tls = tls.is_some();
        let mut socket = Box::pin(TimeoutWriter::new(socket));
        socket.as_mut().set_timeout_pinned(Some(time));
        let (transport, is_h2) = match tls {
            None => (Transport::Plain(socket), false),
            Some(config) => match timeout(time, TlsAcceptor::from(config).accept(socket)).await {
                Ok(Ok(stream)) => {
                    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
                    (Transport::Tls(Box::new(stream)), is_h2)
                }
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            },
        };
        let in_flight = InFlight::default();
        let linger = Linger::default();
        let io = TokioIo::new(ClientStream::new(transport, is_h2, in_flight.clone(), linger.clone(), permit));
        let begun = Arc::new(Notify::new());
        let handler = RequestHandler { router, observer, peer, is_tls, linger, begun: Arc::clone(&begun) };
        let answer = move |request| handler.clone().answer(request);
        let stops = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let outcome = if is_h2 {
            let tracked = in_flight.clone();
            let service = service_fn(move |request| {
                let (request, answer) = (tracked.begin(), answer(request));
                async move { answer.await.map(|response| request.until_sent(response)) }
            });
            let mut connection = pin!(
                conn::http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(MAX_HTTP2_STREAMS)
                    .keep_alive_interval(HTTP2_KEEP_ALIVE_INTERVAL)
                    .serve_connection(io, service)
            );
            tokio::select! {
                outcome = &mut connection => outcome,
                () = stops => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
                () = in_flight.idle(time) => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        // A request may have arrived meanwhile.
                        outcome = &mut connection => outcome,
                        // A silent client may not answer GOAWAY either.
                        () = in_flight.idle(HTTP2_GOAWAY_TIMEOUT) => Ok(()),
                    }
                }
            }
        } else {
            let mut connection = pin!(
                conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    // Header names are case-insensitive, but some clients compare them literally: with the usual
                    // capitalisation, or, in a handshake, with their own.
                    .title_case_headers(true)
                    .preserve_header_case(true)
                    .header_read_timeout(time)
                    .serve_connection(io, service_fn(answer))
                    .with_upgrades()
            );
            // hyper closes a connection without a request at once; but the first one may be on its way.
            let may_stop = async {
                stops.await;
                let _ = timeout(FIRST_REQUEST_GRACE, begun.notified()).await;
            };
            tokio::select! {
                biased;
                outcome = &mut connection => outcome,
                () = may_stop => {
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

/// Handles the requests of a connection.
#[derive(Clone)]
struct RequestHandler {
    router: Router,
    observer: Observer,
    peer: SocketAddr,
    is_tls: bool,
    linger: Linger,
    /// Notified of each request.
    begun: Arc<Notify>,
}

impl RequestHandler {
    async fn answer(self, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        let Self { router, observer, peer, is_tls, linger, begun } = self;
        begun.notify_one();
        // The extensions hold the client's capitalisation of header names, which hyper looks up in the response.
        let spelling = request.headers().contains_key(header::UPGRADE).then(|| request.extensions().clone());
        let observed = observer.begin(&mut request, peer);
        if let Err(error) = hosts::check_form(&request) {
            let response = observed.answered(closing(error.into_response(), &linger));
            return Ok(security_headers::add(response, is_tls));
        }
        let is_h1 = request.version() < Version::HTTP_2;
        let (unread, expects_continue) = (UnreadBody::default(), request.headers().contains_key(header::EXPECT));
        let mut request = request.map(|body| unread.watch(body, expects_continue));
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut response = router.oneshot(request).await?;
        response.extensions_mut().extend(spelling.unwrap_or_default());
        let response = allow_options(response);
        // In HTTP/1 the rest of an unread body would be parsed as the next request. In HTTP/2 only its stream ends.
        let is_drained = unread.drain().await;
        Ok(observed.answered(if is_h1 && !is_drained { closing(response, &linger) } else { response }))
    }
}

/// Marks the last response of a connection.
fn closing(mut response: Response, linger: &Linger) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    linger.set();
    response
}
