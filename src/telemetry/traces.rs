//! A span for each request, sent to a collector of OpenTelemetry by OTLP over HTTP.

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Request, Response, Uri, header},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator as _,
    trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider, Span},
};
use tokio::{net::TcpStream, runtime::Handle, time::timeout};

/// How long a collector may take to accept spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stop waits for the last spans.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest answer of a collector that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends the spans of a server.
#[derive(Clone)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Traces {
    /// Sends spans to the collector at `endpoint`, an address without `/v1/traces`, from now on. Must be called on a runtime.
    ///
    /// # Errors
    /// An address that is none.
    pub(crate) fn start(endpoint: &str, version: &'static str) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector(Handle::current()))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let service = Resource::builder_empty()
            .with_service_name("metrograph")
            .with_attribute(KeyValue::new("service.version", version));
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(service.build()).build();
        let tracer = provider.tracer("metrograph");
        Ok(Self { provider, tracer })
    }

    /// Begins the span of a request with these headers: a child of the one that `traceparent` names.
    pub(crate) fn begin(&self, method: &str, path: &str, peer: SocketAddr, headers: &HeaderMap) -> RequestSpan {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let span = self.tracer.span_builder(method.to_owned()).with_kind(SpanKind::Server).with_attributes([
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("url.path", path.to_owned()),
            KeyValue::new("client.address", peer.ip().to_string()),
            KeyValue::new("client.port", i64::from(peer.port())),
        ]);
        let is_remote = parent.span().span_context().is_valid();
        RequestSpan { span: self.tracer.build_with_context(span, &parent), is_remote }
    }

    /// Sends what waits.
    pub(crate) async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last spans could not be sent (--otlp-endpoint)");
        }
    }
}

/// The span of a request that is being answered.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    span: Span,
    /// Whether another program began the trace.
    is_remote: bool,
}

impl RequestSpan {
    /// Returns the id of the trace.
    pub(crate) fn trace_id(&self) -> String {
        self.span.span_context().trace_id().to_string()
    }

    /// Ends it. `operation`: what was asked for; `code` and `reason` of a refusal.
    pub(crate) fn end(
        &mut self,
        method: &str,
        operation: &str,
        status: u16,
        request_id: &str,
        refused: Option<(&str, &str)>,
    ) {
        let Self { span, is_remote } = self;
        span.update_name(format!("{method} {operation}"));
        span.set_attributes([
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("metrograph.operation", operation.to_owned()),
            KeyValue::new("metrograph.request_id", request_id.to_owned()),
            KeyValue::new("metrograph.has_parent", *is_remote),
        ]);
        if let Some((code, _)) = refused {
            span.set_attribute(KeyValue::new("error.type", code.to_owned()));
        }
        // Faults of clients are none of the server's.
        if status >= 500 {
            span.set_status(Status::error(refused.map_or(String::new(), |(_, reason)| reason.to_owned())));
        }
        span.end_with_timestamp(SystemTime::now());
    }
}

/// Sends requests to the collector, on the runtime of the server: the SDK has a thread of its own without one.
#[derive(Debug)]
struct Collector(Handle);

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.0.spawn(async move { timeout(EXPORT_TIMEOUT, send(request)).await }).await??
    }
}

async fn send(mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let authority = request.uri().authority().cloned().ok_or("the address has no host")?;
    let stream =
        TcpStream::connect((authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80))).await?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request.map(Full::new)).await;
    let answer = async {
        let (head, body) = answer?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let answer = answer.await;
    connection.abort();
    answer
}
