//! The server's own figures, for Prometheus.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    builders::rest::metric_of,
    on_both_engines,
    program::{Server, run, until},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

/// Reads the samples of the text format: name with labels, and value.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn scraped(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

on_both_engines! {
    async fn what_is_stored_and_what_waits_is_shown(app: &TestApp) {
        app.announce("one", json!({})).await;
        for item in ["test_a", "test_b"] {
            app.post("/api/v1/metrics/", &metric_of(item)).await.expect(201);
        }
        app.graphql("{ metrics { nodes { variantName } } }").await;
        for path in ["/metrics", "/metrics/", "/-/metrics", "/-/metrics/"] {
            let reply = app.get(path).await;
            assert_eq!(reply.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
            let found = samples(&reply.text());
            for (name, value) in [
                ("metrograph_stored_metrics", 2.0),
                ("metrograph_stored_sessions", 1.0),
                ("metrograph_queued_rows", 0.0),
                ("metrograph_subscriptions", 0.0),
                ("metrograph_commit_failures_total", 0.0),
                ("metrograph_commit_rows_sum", 3.0),
            ] {
                assert_eq!(found.get(name), Some(&value), "{path}: {name}: {found:#?}");
            }
            assert!(found["metrograph_commit_duration_seconds_count"] >= 3.0);
            let connections = ["idle", "busy"].map(|state| found[&format!("metrograph_database_connections{{state=\"{state}\"}}")]);
            assert!(connections.iter().sum::<f64>() >= 1.0, "{connections:?}");
            assert!(found.contains_key("metrograph_cache_hits_total{cache=\"columns\"}"));
            assert!(found["metrograph_cache_misses_total{cache=\"documents\"}"] >= 1.0);
            assert_eq!(found.contains_key("metrograph_database_wal_bytes"), app.engine() == Engine::Sqlite);
        }
        // What is posted there is a metric, as before.
        app.post("/metrics/", &metric_of("test_c")).await.expect(201);
        app.post("/metrics", &metric_of("test_d")).await.expect(201);
        assert_eq!(samples(&app.get("/metrics").await.text()).get("metrograph_stored_metrics"), Some(&4.0));
    }

    async fn sealing_is_measured(app: &TestApp) {
        let record = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { metrics { id } } }";
        let metrics: Vec<Value> = (0..150).map(|n| crate::support::builders::graphql::metric(json!({ "itemName": format!("t{n}") }))).collect();
        app.graphql_with(record, json!({ "m": metrics })).await;
        for _ in 0..500 {
            if samples(&app.get("/metrics").await.text())["metrograph_sealing_duration_seconds_count"] > 0.0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{}", app.get("/metrics").await.text());
    }
}

#[test]
fn requests_are_counted_by_few_names() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    for n in 0..5 {
        server.record(&format!("test_{n}"));
        let query = json!({ "query": format!("query Made_up_{n} {{ metricCount }}") });
        assert_eq!(server.request("POST", "/graphql", &query).0, 200);
        assert_eq!(server.request("GET", &format!("/nowhere/{n}"), &Value::Null).0, 404);
        server.get("/health/live");
    }
    let wanted = [
        ("metrograph_http_requests_total{operation=\"createMetric\",status=\"201\"}", 5.0),
        ("metrograph_http_requests_total{operation=\"query\",status=\"200\"}", 5.0),
        ("metrograph_http_requests_total{operation=\"other\",status=\"404\"}", 5.0),
        ("metrograph_http_requests_total{operation=\"health\",status=\"200\"}", 5.0),
        ("metrograph_http_request_duration_seconds_count{operation=\"createMetric\"}", 5.0),
    ];
    let text = || scraped(server.address, "/metrics").1;
    until("all are counted", || {
        let found = samples(&text());
        wanted.iter().all(|(name, value)| found.get(*name) == Some(value))
    });
    assert!(!text().contains("Made_up") && !text().contains("nowhere"));
    server.stop();
}

#[tokio::test]
async fn a_closed_server_shows_them_to_those_that_may_read() {
    let Some(app) = TestApp::start(Engine::Sqlite, 500).await else { return };
    // Before the server reads them: a new token may take it a second.
    let tokens = [app.token("read").await, app.token("admin").await, app.token("ingest").await];
    let closed = app.guarded(metrograph::config::AccessMode::Closed).await;
    for ((scope, status), token) in [("read", 200), ("admin", 200), ("ingest", 403)].into_iter().zip(tokens) {
        for path in ["/metrics", "/-/metrics"] {
            let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
            assert_eq!(closed.send(request.body(Body::empty()).unwrap()).await.status, status, "{scope} {path}");
        }
    }
    assert_eq!(closed.get("/metrics").await.status, 401);
    closed.finish().await;
    app.finish().await;
}

/// Returns the address of the figures that the log names.
fn metrics_address(server: &Server) -> SocketAddr {
    let place = |log: &str| {
        let (_, rest) = log.split_once("figures for Prometheus at http://")?;
        rest.split('/').next()?.parse().ok()
    };
    until("the address is logged", || place(&server.log()).is_some());
    place(&server.log()).unwrap()
}

#[test]
fn an_address_of_their_own_takes_no_token_and_has_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--access", "closed", "--metrics-listen", "127.0.0.1:0"];
    let server = Server::start(folder.path(), &arguments, &[ANYWHERE]);
    let address = metrics_address(&server);
    for path in ["/metrics", "/-/metrics"] {
        let (status, text) = scraped(address, path);
        assert!(status == 200 && text.contains("metrograph_build_info{"), "{status} {text}");
        assert_eq!(scraped(server.address, path).0, 401);
    }
    assert_eq!(scraped(address, "/api/v1/metrics/count").0, 404);
    let used = run(folder.path(), &["--metrics-listen", &address.to_string()], &[ANYWHERE]);
    used.assert_refused(&["--metrics-listen", &address.to_string()]);
    server.stop();
}

/// Prometheus' own judge.
#[test]
fn promtool_accepts_them() {
    let is_there = env::split_paths(&env::var_os("PATH").unwrap()).any(|folder| folder.join("promtool").is_file());
    assert!(is_there || env::var_os("METROGRAPH_REQUIRE_POSTGRES").is_none(), "promtool is not installed");
    if !is_there {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    server.record("test_a");
    assert_eq!(server.request("POST", "/graphql", &json!({ "query": "{ metricCount }" })).0, 200);
    let (_, text) = scraped(server.address, "/metrics");
    let mut judge = Command::new("promtool");
    judge.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judge = judge.spawn().unwrap();
    judge.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let judged = judge.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&judged.stderr).into_owned() + &String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success() && said.is_empty(), "{said}\n{text}");
    server.stop();
}

#[test]
fn the_dashboard_asks_for_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    server.record("test_a");
    server.count();
    let names = || {
        let (_, text) = scraped(server.address, "/metrics");
        let names = samples(&text).into_keys().map(|name| name.split('{').next().unwrap().to_owned());
        names.collect::<BTreeSet<_>>()
    };
    until("requests are counted", || names().contains("metrograph_http_requests_total"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana/metrograph.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let words =
                target["expr"].as_str().unwrap().split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'));
            asked.extend(words.filter(|word| word.starts_with("metrograph_")).map(str::to_owned));
        }
    }
    let shown = names();
    let unknown: Vec<_> = asked.difference(&shown).collect();
    assert!(asked.len() > 12 && unknown.is_empty(), "{unknown:?}");
    server.stop();
}
