//! Ingest and health checks while every read connection is busy.

use std::time::Duration;

use entity::driver::source::Source as _;
use metrograph::version::{COMMIT, VERSION};
use sea_orm::{DbBackend, Statement};
use serde_json::json;
use tokio::{task::JoinSet, time::timeout};

use crate::support::{Engine, TestApp, builders::rest::metric_of, on_both_engines};

/// Reads that wait for each read connection. On PostgreSQL each takes a second.
const WAITING: usize = 60;
/// Only a wait for a read connection takes this long.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Occupies every read connection until the reads are given up.
struct Readers(JoinSet<()>);

impl Readers {
    async fn on(app: &TestApp) -> Self {
        let long = match app.engine() {
            Engine::Sqlite => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            // An abandoned read goes on there, and keeps its connection.
            Engine::Postgres => "SELECT 1::bigint FROM pg_sleep(1)",
        };
        let backend = match app.engine() {
            Engine::Sqlite => DbBackend::Sqlite,
            Engine::Postgres => DbBackend::Postgres,
        };
        let mut readers = JoinSet::new();
        let connections = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get) * 2;
        for _ in 0..connections * WAITING {
            let reader = app.store().clone();
            readers.spawn(async move {
                loop {
                    // Reads that timed out are started again.
                    let _ = reader.all_of::<i64>(Statement::from_string(backend, long)).await;
                }
            });
        }
        let one = || app.store().all_of::<i64>(Statement::from_string(backend, "SELECT CAST(1 AS BIGINT)"));
        while timeout(Duration::from_millis(200), one()).await.is_ok() {}
        Self(readers)
    }

    async fn end(mut self) {
        self.0.shutdown().await;
    }
}

on_both_engines! {
    async fn ingest_does_not_wait_for_them(app: &TestApp) {
        let readers = Readers::on(app).await;
        let all = async {
            let stored = app.post("/api/v1/metrics/", &metric_of("test_unseen")).await.expect(201);
            assert_eq!(stored, metric_of("test_unseen"));
            app.announce("unseen", json!({ "pipeline_branch": "unseen", "color": "blue" })).await;
            let mut other = metric_of("test_also_unseen");
            other["session_h"] = json!("unseen_session");
            other["context_h"] = json!("unseen_context");
            other["component"] = json!("unseen.component");
            assert_eq!(app.post("/api/v1/metrics/", &other).await.expect(201), other);
            let input = "{sessionHash: \"s\", contextHash: \"c\", startedAt: \"2025-01-06T02:00:00\", componentName: \"core\", \
                itemPath: \"tests.a\", itemName: \"test_graph\", variantName: \"test_graph[1]\", location: \"a.py\", \
                kind: \"function\", totalTime: 1, userTime: 1, kernelTime: 1, cpuUsage: 1, memoryUsage: 1}";
            let selected = "id variantName itemPath itemName componentName location kind sessionHash contextHash";
            let answer = app.graphql(&format!(
                "mutation {{ recordMetrics(input: {{metrics: [{input}, {input}]}}) {{ metrics {{ {selected} }} }} }}"
            )).await;
            let recorded = &answer["recordMetrics"]["metrics"];
            assert_eq!(recorded[1]["variantName"], "test_graph[1]", "{answer}");
            assert_eq!(recorded[0]["sessionHash"], "s", "{answer}");
        };
        timeout(MAX_WAIT, all).await.expect("it waits for a read connection");
        readers.end().await;
        // The answer without a read equals the one with a read.
        let names = "{ metrics { nodes { variantName itemName componentName location kind sessionHash } } }";
        let read = app.graphql(names).await;
        assert_eq!(read["metrics"]["nodes"].as_array().unwrap().len(), 4, "{read}");
        let other = app.second_server().await;
        assert_eq!(other.graphql(names).await, read);
        other.finish().await;
    }

    async fn health_checks_do_not_wait_for_them(app: &TestApp) {
        let readers = Readers::on(app).await;
        for path in ["/health", "/health/ready", "/health/live"] {
            let answer = timeout(MAX_WAIT, app.get(path)).await.expect("it waits for a read connection");
            assert_eq!(answer.expect(200), json!({ "status": "ok", "version": VERSION, "commit": COMMIT }), "{path}");
        }
        readers.end().await;
    }
}
