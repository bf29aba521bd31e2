//! A span for each request, sent to a small collector that reads OTLP.

use std::{
    io::{Read as _, Write as _},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message as _;
use tokio::net::TcpListener;

use crate::support::program::{Server, run};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What a collector was sent: the name of the service, and spans.
type Sent = Arc<Mutex<Vec<(String, Span)>>>;

/// Starts a collector. Returns its address and what it is sent.
async fn collector(status: StatusCode) -> (String, Sent) {
    let sent = Sent::default();
    let all = Arc::clone(&sent);
    let take = async move |headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            let service = resource.resource.unwrap().attributes;
            let name = service.iter().find(|attribute| attribute.key == "service.name").unwrap();
            let Some(Value::StringValue(name)) = name.value.clone().unwrap().value else { panic!("{name:?}") };
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                all.lock().unwrap().push((name.clone(), span));
            }
        }
        status
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(take))).await });
    (format!("http://{address}"), sent)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns an attribute as text.
fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{name}: {other:?}: {span:?}"),
    }
}

fn send(server: &Server, request: &str, headers: &str) {
    let mut stream = server.connect();
    let text = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_a_span_below_that_of_its_client() {
    let (endpoint, sent) = collector(StatusCode::OK).await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--otlp-endpoint", &endpoint], &[ANYWHERE]);
    send(
        &server,
        "GET /api/v1/metrics/count",
        &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\nX-Request-Id: mine\r\n"),
    );
    send(&server, "GET /nowhere", "traceparent: nonsense\r\n");
    // Its client has decided that this one is not recorded.
    send(&server, "GET /health", &format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n"));
    server.record("test_a");
    let log = server.log();
    // What waits is sent at the stop.
    server.stop();
    let sent = sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 3, "{sent:#?}");
    assert!(sent.iter().all(|(service, span)| service == "metrograph" && span.kind == SpanKind::Server as i32));
    let of = |path: &str| {
        let found = sent.iter().find(|(_, span)| attribute(span, "url.path") == path);
        found.map_or_else(|| panic!("{path}: {sent:#?}"), |(_, span)| span.clone())
    };
    let count = of("/api/v1/metrics/count");
    assert_eq!((hex(&count.trace_id), hex(&count.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert!(count.name.starts_with("GET ") && count.end_time_unix_nano > count.start_time_unix_nano, "{count:#?}");
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
        ("metrograph.request_id", "mine"),
    ] {
        assert_eq!(attribute(&count, name), value, "{name}");
    }
    assert!(log.contains(&format!("trace=\"{TRACE}\"")), "{log}");
    let nowhere = of("/nowhere");
    assert!(nowhere.parent_span_id.is_empty() && hex(&nowhere.trace_id) != TRACE, "{nowhere:#?}");
    assert_eq!(attribute(&nowhere, "error.type"), "NOT_FOUND");
    // The client's fault.
    assert!(nowhere.status.as_ref().is_none_or(|status| status.code != SpanStatus::Error as i32), "{nowhere:#?}");
    let metric = of("/api/v1/metrics/");
    assert_eq!(
        (metric.name.as_str(), attribute(&metric, "metrograph.operation")),
        ("POST createMetric", "createMetric".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_or_refuses_holds_nothing_up() {
    let (refusing, _) = collector(StatusCode::INTERNAL_SERVER_ERROR).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for endpoint in [refusing, format!("http://{gone}/"), "http://127.0.0.1:1/prefix".to_owned()] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &["--otlp-endpoint", &endpoint], &[ANYWHERE]);
        server.record("test_a");
        assert_eq!(server.count(), 1);
        server.stop();
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_repeating_it() {
    let folder = tempfile::tempdir().unwrap();
    for given in
        ["collector:4318", "https://collector.example", "http://ann:s3cret@127.0.0.1:4318", "http://h/?key=s3cret", ""]
    {
        let ended = run(folder.path(), &[], &[ANYWHERE, ("METROGRAPH_OTLP_ENDPOINT", given)]);
        if given.is_empty() {
            ended.assert_refused(&["METROGRAPH_OTLP_ENDPOINT"]);
        } else {
            ended.assert_refused(&["METROGRAPH_OTLP_ENDPOINT", "http://127.0.0.1:4318"]);
        }
        assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
    }
}
