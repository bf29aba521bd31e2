//! A small history for tests, and short ways to add to one.

use metrograph::{
    commands::{self, DeleteError, Output},
    config::{self, Command},
};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
};

/// JSON nested inside strings: each is the value of a key that a reader may expand to JSON, which would reset its depth limit.
pub fn nested_in_texts() -> String {
    (0..60).fold("1".to_owned(), |inner, _| {
        let nested = format!("{}{inner}{}", "[".repeat(100), "]".repeat(100));
        let quoted = nested.replace('\\', "\\u005c").replace('"', "\\u0022");
        format!("{{\"$serde_json::private::RawValue\":\"{quoted}\"}}")
    })
}

/// Unwraps objects that have a single member: `{"a": {"nodes": [{"name": 1}]}}` becomes `[1]`.
pub fn bare(value: Value) -> Value {
    match value {
        Value::Object(members) if members.len() == 1 => bare(members.into_iter().next().unwrap().1),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, bare(value))).collect(),
        Value::Array(items) => items.into_iter().map(bare).collect(),
        value => value,
    }
}

impl TestApp {
    /// Returns the data of a document with variables; panics on errors.
    pub async fn run(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.graphql_with(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].take()
    }

    /// Returns the data of a query, unwrapped by [`bare`].
    pub async fn bare(&self, query: &str) -> Value {
        bare(self.graphql(query).await)
    }

    /// Asserts the unwrapped ([`bare`]) data of each query.
    pub async fn answers(&self, expected: &[(&str, Value)]) {
        for (query, expected) in expected {
            assert_eq!(&self.bare(query).await, expected, "{query}");
        }
    }

    /// Records metrics; panics on errors.
    pub async fn record_all(&self, metrics: Vec<Value>) {
        let query = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { userErrors { message } } }";
        let answer = self.run(query, json!({ "m": metrics })).await;
        assert_eq!(answer["recordMetrics"]["userErrors"], json!([]));
    }

    /// Announces a session; panics on errors.
    pub async fn announce_session(&self, input: Value) {
        let query = "mutation($i: AnnounceSessionInput!) { announceSession(input: $i) { userErrors { message } } }";
        let answer = self.run(query, json!({ "i": input })).await;
        assert_eq!(answer["announceSession"]["userErrors"], json!([]));
    }

    /// Announces an execution context; panics on errors.
    pub async fn announce_machine(&self, input: Value) {
        let query = "mutation($i: AnnounceContextInput!) { announceContext(input: $i) { userErrors { message } } }";
        let answer = self.run(query, json!({ "i": input })).await;
        assert_eq!(answer["announceContext"]["userErrors"], json!([]));
    }

    /// Runs `metrograph delete` on its database.
    pub async fn delete(&self, sessions: &[&str]) -> Result<Output, DeleteError> {
        let arguments: Vec<&str> = sessions.iter().flat_map(|hash| ["--session", hash]).collect();
        self.delete_as(&arguments).await
    }

    /// Runs `metrograph delete` with these arguments.
    pub async fn delete_as(&self, arguments: &[&str]) -> Result<Output, DeleteError> {
        let line = ["metrograph", "delete"].iter().chain(arguments);
        let (command, _) = config::from(line.copied()).unwrap();
        let Command::Delete(command) = command else { panic!("{command:?}") };
        commands::delete_sessions(&command, &self.settings().database_url, &self.settings().storage).await
    }

    /// Stores the small history. Its eight metrics are identified by `memoryUsage`, which counts from 1:
    ///
    /// | | session | context | component | variant | seconds |
    /// |---|---|---|---|---|---|
    /// | 1 | s1 | c1 | core | `test_a[1]` | 1 |
    /// | 2 | s1 | c1 | core | `test_a[2]` | 2 |
    /// | 3 | s1 | c2 | net | `test_b` | 3 |
    /// | 4 | s2 | c1 | core | `test_a[1]` | 4 |
    /// | 5 | s2 | c2 | | `test_c` | 5 |
    /// | 6 | s3 | c1 | net | `test_b` | 3 |
    /// | 7 | s5 | c2 | core | `test_d` | 0.5 |
    /// | 8 | s9 | c9 | core | `test_a[1]` | 8 |
    ///
    /// s1 and s2 are builds 1 and 2 of main, s3 is build 1 of next, s4 ran in main without a build and measured nothing, s5 has
    /// no tags; s9 and c9 are never announced.
    pub async fn seed(&self) {
        self.announce_machine(context("c1", json!({}))).await;
        let s1 = json!({ "pipeline_branch": "main", "pipeline_build_no": "1", "python": "3.12" });
        self.announce_session(session("s1", json!({ "scmRef": "aaa", "tags": s1 }))).await;
        self.record_all(SMALL.iter().map(small).collect()).await;
        let c2 = json!({ "cpuCount": 4, "cpuVendor": null, "ramTotal": 16000, "machineNode": "small" });
        self.announce_machine(context("c2", c2)).await;
        let s2 = json!({ "pipeline_branch": "main", "pipeline_build_no": "2", "python": "3.13" });
        self.announce_session(session("s2", json!({ "scmRef": "bbb", "runDate": "2026-01-06T03:00:00", "tags": s2 })))
            .await;
        let s3 = json!({ "pipeline_branch": "next", "pipeline_build_no": "1", "python": "3.12" });
        self.announce_session(session("s3", json!({ "runDate": "2025-12-31T23:59:59.5", "tags": s3 }))).await;
        self.announce_session(session("s4", json!({ "tags": { "pipeline_branch": "main" } }))).await;
        self.announce_session(session("s5", json!({ "runDate": "2026-01-07T00:00:00" }))).await;
    }
}

type Small = (u8, &'static str, &'static str, &'static str, &'static str, &'static str, f64, &'static str);

const SMALL: [Small; 8] = [
    (1, "s1", "c1", "core", "test_a", "test_a[1]", 1.0, "2026-01-05T03:00:01"),
    (2, "s1", "c1", "core", "test_a", "test_a[2]", 2.0, "2026-01-05T03:00:02"),
    (3, "s1", "c2", "net", "test_b", "test_b", 3.0, "2026-01-05T03:00:03.250000"),
    (4, "s2", "c1", "core", "test_a", "test_a[1]", 4.0, "2026-01-06T03:00:00"),
    (5, "s2", "c2", "", "test_c", "test_c", 5.0, "2026-01-06T03:00:00"),
    (6, "s3", "c1", "net", "test_b", "test_b", 3.0, "2026-01-01T00:00:00"),
    (7, "s5", "c2", "core", "test_d", "test_d", 0.5, "2026-01-07T00:00:00"),
    (8, "s9", "c9", "core", "test_a", "test_a[1]", 8.0, "2025-06-01T00:00:00"),
];

fn small((number, session, context, component, item, variant, seconds, started_at): &Small) -> Value {
    let passed = if *number < 8 { json!(*number != 3) } else { Value::Null };
    metric(json!({
        "sessionHash": session, "contextHash": context, "componentName": component, "itemName": item,
        "variantName": variant, "totalTime": seconds, "memoryUsage": number, "startedAt": started_at, "passed": passed,
    }))
}
