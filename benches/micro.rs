//! The hot inner parts, one by one: `cargo bench`. For what a request costs as a whole, see `benches/run.py`.

#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on fails")]

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use divan::{Bencher, counter::ItemsCount};
use http_body_util::BodyExt as _;
use metrograph::{App, config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// The binary's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

#[divan::bench]
fn write_a_time(bencher: Bencher<'_, '_>) {
    bencher.bench(|| entity::time::canonical(divan::black_box(1_767_582_000_125_000)));
}

#[divan::bench]
fn read_a_time(bencher: Bencher<'_, '_>) {
    bencher.bench(|| entity::time::LocalDateTime::parse(divan::black_box("2026-01-05T03:00:00.125000")));
}

#[divan::bench]
fn digest_a_name(bencher: Bencher<'_, '_>) {
    bencher
        .bench(|| entity::digest::digest(divan::black_box(&["tests.core_api.test_load", "test_row[n=7, engine=a]"])));
}

/// Metrics that most of the parts below need.
const SOME: u32 = 2_000;
/// Metrics that fill a block of keys, and some more.
const MANY: u32 = 40_000;

/// A server without a socket.
struct Server {
    router: Router,
    _app: App,
    /// It ends when nothing runs on it any more: after what is above.
    runtime: Runtime,
    _folder: TempDir,
}

impl Server {
    /// Starts one over so many metrics.
    fn with(metrics: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("micro.db").display());
        let (_, settings) = config::from(["metrograph", "--log", "off", "--database-url", &url]).unwrap();
        let runtime = Runtime::new().unwrap();
        let app = runtime.block_on(App::open(&settings)).unwrap();
        let server = Self { router: app.router().clone(), _app: app, runtime, _folder: folder };
        for first in (0..metrics).step_by(SOME as usize) {
            server.post("/graphql", &record_many((first..first + SOME).map(|n| metric(n, GRAPH))));
        }
        server
    }

    fn send(&self, request: Request<Body>) -> usize {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            assert!([StatusCode::OK, StatusCode::CREATED].contains(&response.status()), "{response:?}");
            response.into_body().collect().await.unwrap().to_bytes().len()
        })
    }

    fn get(&self, path: &str) -> usize {
        self.send(Request::get(path).body(Body::empty()).unwrap())
    }

    fn post(&self, path: &str, body: &Value) -> usize {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
    }

    fn graphql(&self, query: &str) -> usize {
        self.post("/graphql", &json!({ "query": query }))
    }
}

/// What the fields of a metric are called, in the order of [`metric`].
type Names = [&'static str; 14];

const GRAPH: Names = [
    "sessionHash",
    "contextHash",
    "startedAt",
    "itemPath",
    "itemName",
    "variantName",
    "location",
    "kind",
    "componentName",
    "totalTime",
    "userTime",
    "kernelTime",
    "cpuUsage",
    "memoryUsage",
];
const REST: Names = [
    "session_h",
    "context_h",
    "item_start_time",
    "item_path",
    "item",
    "item_variant",
    "item_fs_loc",
    "kind",
    "component",
    "total_time",
    "user_time",
    "kernel_time",
    "cpu_usage",
    "mem_usage",
];

fn metric(n: u32, names: Names) -> Value {
    let values = [
        json!(format!("{:032x}", n / 125)),
        json!("c0ffee"),
        json!(format!("2026-01-01T00:00:{:02}.000125", n % 60)),
        json!("tests.core_api.test_load"),
        json!("test_row"),
        json!(format!("test_row[n={}]", n % 400)),
        json!("tests/core_api/test_load.py"),
        json!("function"),
        json!("core.api"),
        json!(f64::from(n) / 7.0),
        json!(0.4),
        json!(0.02),
        json!(0.82),
        json!(f64::from(n) / 3.0),
    ];
    names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value)).collect()
}

fn record_many(metrics: impl Iterator<Item = Value>) -> Value {
    let query = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { userErrors { message } } }";
    json!({ "query": query, "variables": { "m": metrics.collect::<Vec<_>>() } })
}

#[divan::bench]
fn page_of_500(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    bencher.counter(ItemsCount::new(500_usize)).bench(|| server.get("/api/v1/metrics/?page=2"));
}

/// Where the blocks tell where a page begins.
#[divan::bench]
fn page_in_the_middle_of_11_000_of_40_000(bencher: Bencher<'_, '_>) {
    let server = Server::with(MANY);
    let filter = "{variant: {startsWith: \"test_row[n=1\"}}";
    let query = format!("{{ metricPage(where: {filter}, page: 12) {{ totalCount items {{ {} }} }} }}", GRAPH.join(" "));
    bencher.counter(ItemsCount::new(500_usize)).bench(|| server.graphql(&query));
}

#[divan::bench]
fn head_of_10(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    bencher.bench(|| server.get("/api/v1/resources/memory/head/metrics"));
}

#[divan::bench]
fn session_of_125(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    let path = format!("/api/v1/sessions/{:032x}/metrics", 3);
    bencher.counter(ItemsCount::new(125_usize)).bench(|| server.get(&path));
}

#[divan::bench]
fn list_of_500_that_writes_itself(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    let query = format!("{{ metrics(first: 500) {{ nodes {{ {} }} }} }}", GRAPH.join(" "));
    bencher.counter(ItemsCount::new(500_usize)).bench(|| server.graphql(&query));
}

/// A directive leaves the list to the engine.
#[divan::bench]
fn list_of_500_that_the_engine_writes(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    let query = format!("{{ metrics(first: 500) {{ nodes {{ {} @include(if: true) }} }} }}", GRAPH.join(" "));
    bencher.counter(ItemsCount::new(500_usize)).bench(|| server.graphql(&query));
}

#[divan::bench]
fn count(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    bencher.bench(|| server.get("/api/v1/metrics/count"));
}

/// The commit on disk included.
#[divan::bench]
fn record_one(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    let body = metric(1, REST);
    bencher.bench(|| server.post("/api/v1/metrics/", &body));
}

/// The last variable does not fit, so nothing is recorded.
#[divan::bench]
fn check_500_metrics(bencher: Bencher<'_, '_>) {
    let server = Server::with(SOME);
    let body = record_many((0..499).map(|n| metric(n, GRAPH)).chain([json!({})]));
    bencher.counter(ItemsCount::new(500_usize)).bench(|| server.post("/graphql", &body));
}
