//! A client of the GraphQL API of a running server: one connection, which is opened anew whenever it was lost.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{Request, StatusCode, header},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};
use url::Url;

use crate::error::{Code, Error};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes of a response.
const MAX_RESPONSE_BYTES: usize = 1 << 24;
/// The first pause before something is tried again. Each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Statuses of servers that are down, busy or limit requests, and of proxies before them.
const RETRIED: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// A connection that can be read and written.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Sends operations to a server.
pub(crate) struct Client {
    url: Url,
    token: Option<String>,
    /// How long something is tried again.
    patience: Duration,
    tls: Option<TlsConnector>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// Why a request was not answered.
enum Failure {
    /// Trying again may help, after this time if the server says so.
    Passing(String, Option<Duration>),
    /// Trying again won't help.
    Lasting(Code, String),
}

impl Client {
    /// Creates a client of the GraphQL API at `url`.
    ///
    /// # Errors
    /// For HTTPS, certificates of the system that can't be used.
    pub fn new(url: Url, token: Option<String>, patience: Duration) -> Result<Self, String> {
        let tls = (url.scheme() == "https").then(connector).transpose()?;
        Ok(Self { url, token, patience, tls, connection: None })
    }

    /// Runs an operation, and returns the data. While the server is down or busy, it is tried again.
    ///
    /// # Errors
    /// The server's, or that it could not be reached for too long.
    pub async fn run(&mut self, operation: &Value) -> Result<Value, Error> {
        let body = Bytes::from(operation.to_string());
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let (reason, wait) = match self.send(body.clone()).await {
                Ok(data) => return Ok(data),
                Err(Failure::Lasting(code, reason)) => return Err(Error::new(code, reason)),
                Err(Failure::Passing(reason, wait)) => (reason, wait),
            };
            self.connection = None;
            let wait = wait.unwrap_or(pause);
            if began.elapsed() + wait > self.patience {
                let seconds = began.elapsed().as_secs();
                let message = format!("{}: {reason}; it was tried for {seconds} s", self.place());
                return Err(Error::new(Code::DatabaseUnavailable, message));
            }
            sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Returns the server for messages.
    fn place(&self) -> String {
        let port = self.url.port().map_or_else(String::new, |port| format!(":{port}"));
        format!("{}://{}{port}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    async fn send(&mut self, body: Bytes) -> Result<Value, Failure> {
        let passing = |reason: String| Failure::Passing(reason, None);
        let response = timeout(RESPONSE_TIMEOUT, self.response(body)).await;
        let (status, wait, text) = response.map_err(|_| passing("it does not respond".to_owned()))?.map_err(passing)?;
        let mut answer: Value = serde_json::from_slice(&text).unwrap_or_default();
        let error = &answer["errors"][0];
        let message = error["message"].as_str().map(str::to_owned);
        let code = error["extensions"]["code"].as_str().and_then(Code::parse);
        let is_passing = RETRIED.contains(&status.as_u16())
            || code.is_some_and(|code| RETRIED.contains(&code.status()) && code != Code::Internal);
        match message {
            message if is_passing => {
                Err(Failure::Passing(message.unwrap_or_else(|| format!("it responds with {status}")), wait))
            }
            Some(message) => {
                Err(Failure::Lasting(code.unwrap_or(Code::BadUserInput), format!("{}: {message}", self.place())))
            }
            None if answer["data"].is_object() => Ok(answer["data"].take()),
            None => {
                let reason = format!("{}: it responds with {status}: give the address of Metrograph", self.place());
                Err(Failure::Lasting(Code::NotFound, reason))
            }
        }
    }

    /// Returns status, time to wait and body of the response.
    async fn response(&mut self, body: Bytes) -> Result<(StatusCode, Option<Duration>, Bytes), String> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await?,
        };
        connection.ready().await.map_err(|error| error.to_string())?;
        let host = self.url.host_str().unwrap_or_default();
        let host = self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut request = Request::post(self.url.path())
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/graphql-response+json, application/json")
            .header(header::USER_AGENT, concat!("metrograph/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request =
            request.body(Full::new(body)).map_err(|_| "the token has characters that no header can have".to_owned())?;
        let response = connection.send_request(request).await.map_err(|error| error.to_string())?;
        let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        self.connection = Some(connection);
        Ok((status, wait.map(Duration::from_secs), body))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = self.url.port().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((host.as_str(), port))).await;
        let stream = connected.map_err(|_| "it can't be reached in time".to_owned())?;
        let stream = stream.map_err(|error| format!("it can't be reached: {error}"))?;
        // Requests are written as a whole.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
                let connected = timeout(CONNECT_TIMEOUT, tls.connect(name, stream)).await;
                let stream = connected.map_err(|_| "it does not respond to TLS".to_owned())?;
                Box::new(stream.map_err(|error| format!("TLS: {error}"))?)
            }
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Trusts what the system trusts.
fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err("--to: the system trusts no certificate: install ca-certificates".to_owned());
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
