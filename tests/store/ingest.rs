//! Ingest: concurrent writes are stored once, in one order, with correct counters.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    builders::rest::{self, metric_of, of_build},
    on_both_engines,
};

fn session(hash: &str, build: &str) -> Value {
    rest::session(json!({ "session_h": hash, "description": of_build("main", build) }))
}

fn of_session(item: &str, session: &str) -> Value {
    let mut metric = metric_of(item);
    metric["session_h"] = json!(session);
    metric
}

/// Returns the keys and items of all metrics, in order.
async fn stored(app: &TestApp) -> Vec<(i64, String)> {
    let data = app.graphql("{ metrics(first: 500) { nodes { id itemName } } }").await;
    let row = |node: &Value| {
        let id = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(node["id"].as_str().unwrap()).unwrap()).unwrap();
        (id.strip_prefix("Metric:").unwrap().parse().unwrap(), node["itemName"].as_str().unwrap().to_owned())
    };
    data["metrics"]["nodes"].as_array().unwrap().iter().map(row).collect()
}

async fn assert_dense(app: &TestApp, items: BTreeSet<String>) {
    let stored = stored(app).await;
    let keys: Vec<i64> = stored.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, (1..=i64::try_from(items.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(stored.into_iter().map(|(_, item)| item).collect::<BTreeSet<_>>(), items);
}

on_both_engines! {
    async fn metrics_that_come_at_once_are_all_stored_with_dense_keys(app: &TestApp) {
        let items: Vec<_> = (0..64).map(|number| format!("test_{number}")).collect();
        for reply in join_all(items.iter().map(async |item| app.post("/api/v1/metrics/", &metric_of(item)).await)).await {
            reply.expect(201);
        }
        assert_dense(app, items.into_iter().collect()).await;
    }

    async fn metrics_of_one_client_keep_their_order(app: &TestApp) {
        let clients = (0..8).map(async |client| {
            for number in 0..8 {
                app.post("/api/v1/metrics/", &metric_of(&format!("test_{client}_{number}"))).await.expect(201);
            }
        });
        join_all(clients).await;
        let stored = stored(app).await;
        for client in 0..8 {
            let head = format!("test_{client}_");
            let order: Vec<_> = stored.iter().filter_map(|(_, item)| item.strip_prefix(&head)).collect();
            assert_eq!(order, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        }
    }

    async fn announcements_and_metrics_may_come_at_once(app: &TestApp) {
        let mut posts = Vec::new();
        for number in 0..16 {
            let hash = format!("s{number}");
            posts.push(("/api/v1/metrics/", of_session(&format!("test_{number}_early"), &hash)));
            posts.push(("/api/v1/sessions/", session(&hash, &format!("{}", number % 4))));
            posts.push(("/api/v1/contexts/", rest::context(json!({ "h": format!("c{number}") }))));
            posts.push(("/api/v1/metrics/", of_session(&format!("test_{number}_late"), &hash)));
        }
        for reply in join_all(posts.iter().map(async |(path, body)| app.post(path, body).await)).await {
            reply.expect(201);
        }
        let data = app.graphql("{ sessionCount contextCount sessions { nodes { hash metricCount scmRef } } }").await;
        assert_eq!((&data["sessionCount"], &data["contextCount"]), (&json!(16), &json!(16)));
        for session in data["sessions"]["nodes"].as_array().unwrap() {
            assert_eq!((&session["metricCount"], &session["scmRef"]), (&json!(2), &json!("abc")), "{session}");
        }
        for build in 0..4 {
            let asked = format!("{{ metricCount(where: {{component: {{eq: \"core\"}}, build: {{eq: \"{build}\"}}}}) }}");
            assert_eq!(app.graphql(&asked).await["metricCount"], 8);
        }
    }

    async fn jobs_that_race_to_announce_the_same_all_succeed(app: &TestApp) {
        for (path, body) in [("/api/v1/sessions/", session("same", "1")), ("/api/v1/contexts/", rest::context(json!({ "h": "same" })))] {
            let replies = join_all((0..32).map(async |_| app.post(path, &body).await)).await;
            let first = replies[0].expect(201);
            assert!(replies.iter().all(|reply| reply.expect(201) == first));
            assert_eq!(app.get(&format!("{path}count")).await.json()["count"], 1);
        }
    }

    async fn of_jobs_that_race_with_different_sessions_one_wins(app: &TestApp) {
        let bodies: Vec<_> = (0..16).map(|number| session("same", &number.to_string())).collect();
        let replies = join_all(bodies.iter().map(async |body| app.post("/api/v1/sessions/", body).await)).await;
        let won: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!((won.len(), replies.iter().filter(|reply| reply.status == 409).count()), (1, 15));
        assert_eq!(app.get("/api/v1/sessions/").await.expect(200)["sessions"], json!([won[0].json()]));
    }

    async fn counters_are_what_a_count_gives_after_any_history(app: &TestApp) {
        let mut history = History::default();
        for _ in 0..120 {
            history.go_on(app).await;
        }
        history.check(app).await;
    }
}

/// What was sent, chosen by a generator with a fixed seed.
#[derive(Default)]
struct History {
    seed: u64,
    /// Session, context, component, variant and total time of each metric.
    metrics: Vec<([String; 4], f64)>,
    /// The build of each announced session, and the announced contexts.
    sessions: BTreeMap<String, String>,
    contexts: BTreeSet<String>,
}

impl History {
    fn any(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    async fn go_on(&mut self, app: &TestApp) {
        match self.any(10) {
            0 => {
                let (hash, build) = (format!("s{}", self.any(6)), self.any(3).to_string());
                let build = self.sessions.entry(hash.clone()).or_insert(build).clone();
                app.post("/api/v1/sessions/", &session(&hash, &build)).await.expect(201);
            }
            1 => {
                let hash = format!("c{}", self.any(4));
                app.post("/api/v1/contexts/", &rest::context(json!({ "h": &hash }))).await.expect(201);
                self.contexts.insert(hash);
            }
            _ => {
                let bodies: Vec<_> = (0..=self.any(4)).map(|_| self.metric()).collect();
                for reply in join_all(bodies.iter().map(async |body| app.post("/api/v1/metrics/", body).await)).await {
                    reply.expect(201);
                }
            }
        }
    }

    fn metric(&mut self) -> Value {
        let names =
            [("s", 6), ("c", 4), ("component", 3), ("test_", 5)].map(|(head, n)| format!("{head}{}", self.any(n)));
        let total_time = f64::from(u32::try_from(self.any(1000)).unwrap()) / 8.0;
        let mut sent = metric_of(&names[3]);
        for (member, name) in ["session_h", "context_h", "component", "item_variant"].into_iter().zip(&names) {
            sent[member] = json!(name);
        }
        sent["total_time"] = json!(total_time);
        self.metrics.push((names, total_time));
        sent
    }

    fn count(&self, matches: impl Fn(&[String; 4]) -> bool) -> usize {
        self.metrics.iter().filter(|(names, _)| matches(names)).count()
    }

    async fn check(&self, app: &TestApp) {
        assert!((200..500).contains(&self.metrics.len()), "{}", self.metrics.len());
        assert!(self.sessions.len() > 3 && self.contexts.len() > 2, "{:?} {:?}", self.sessions, self.contexts);
        let data = app.graphql("{ metricCount metrics(first: 500) { nodes { sessionHash contextHash componentName variantName } }
            sessions { nodes { hash metricCount metrics(first: 500) { nodes { id } totalCount } } }
            contexts { nodes { hash metricCount metrics(first: 500) { nodes { id } totalCount } } }
            components { nodes { name metricCount metrics(first: 500) { nodes { id } totalCount } } }
            variants { nodes { name component { name } metricCount totalTime { least greatest } metrics(first: 500) { nodes { id } totalCount } } } }").await;
        assert_eq!(data["metricCount"], self.metrics.len());
        assert_eq!(data["metrics"]["nodes"].as_array().unwrap().len(), self.metrics.len());
        for (noun, place, name) in [("sessions", 0, "hash"), ("contexts", 1, "hash"), ("components", 2, "name")] {
            for node in data[noun]["nodes"].as_array().unwrap() {
                assert_counted(node, self.count(|names| node[name] == names[place]));
            }
        }
        for node in data["variants"]["nodes"].as_array().unwrap() {
            let is_it = |names: &[String; 4]| node["component"]["name"] == names[2] && node["name"] == names[3];
            assert_counted(node, self.count(is_it));
            let times = || self.metrics.iter().filter(|(names, _)| is_it(names)).map(|(_, time)| *time);
            assert_eq!(node["totalTime"]["least"], times().fold(f64::INFINITY, f64::min), "{node}");
            assert_eq!(node["totalTime"]["greatest"], times().fold(f64::NEG_INFINITY, f64::max), "{node}");
        }
        for component in 0..3 {
            for build in ["0", "1", "2"] {
                let component = format!("component{component}");
                let of_both = format!("{{component: {{eq: \"{component}\"}}, build: {{eq: \"{build}\"}}}}");
                let data = app
                    .graphql(&format!(
                        "{{ metricCount(where: {of_both}) metrics(first: 500, where: {of_both}) {{ nodes {{ id }} }} }}"
                    ))
                    .await;
                let counted = self
                    .count(|names| names[2] == component && self.sessions.get(&names[0]).is_some_and(|of| of == build));
                assert_eq!(data["metricCount"], counted, "{component} {build}");
                assert_eq!(data["metrics"]["nodes"].as_array().unwrap().len(), counted);
            }
        }
    }
}

fn assert_counted(node: &Value, expected: usize) {
    assert_eq!(node["metricCount"], expected, "{node}");
    assert_eq!(node["metrics"]["totalCount"], expected, "{node}");
    assert_eq!(node["metrics"]["nodes"].as_array().unwrap().len(), expected, "{node}");
}

async fn two_servers_on_one_database_keep_one_order(engine: Engine) {
    let Some(one) = TestApp::start(engine, 500).await else { return };
    let two = one.second_server().await;
    let items: Vec<_> = (0..100).map(|number| format!("test_{number}")).collect();
    let posts = items.iter().enumerate().map(async |(number, item)| {
        let app = if number % 2 == 0 { &one } else { &two };
        let hash = format!("s{}", number % 5);
        app.post("/api/v1/metrics/", &of_session(item, &hash)).await.expect(201);
        app.post("/api/v1/sessions/", &session(&hash, "1")).await.expect(201);
        app.post("/api/v1/contexts/", &rest::context(json!({ "h": "c" }))).await.expect(201);
    });
    join_all(posts).await;
    for app in [&one, &two] {
        assert_dense(app, items.iter().cloned().collect()).await;
        let data = app
            .graphql(
                "{ metricCount sessionCount contextCount sessions { nodes { metricCount } }
            contexts { nodes { metricCount } } components { nodes { metricCount } }
            inBuild: metricCount(where: {component: {eq: \"core\"}, build: {eq: \"1\"}}) }",
            )
            .await;
        assert_eq!((&data["metricCount"], &data["inBuild"]), (&json!(100), &json!(100)));
        assert_eq!((&data["sessionCount"], &data["contextCount"]), (&json!(5), &json!(1)));
        assert_eq!(data["sessions"]["nodes"], json!(vec![json!({ "metricCount": 20 }); 5]));
        assert_eq!(data["contexts"]["nodes"], json!([{ "metricCount": 100 }]));
        assert_eq!(data["components"]["nodes"], json!([{ "metricCount": 100 }]));
    }
    two.finish().await;
    one.finish().await;
}

#[tokio::test]
async fn two_servers_on_one_database_keep_one_order_on_sqlite() {
    two_servers_on_one_database_keep_one_order(Engine::Sqlite).await;
}

#[tokio::test]
async fn two_servers_on_one_database_keep_one_order_on_postgres() {
    two_servers_on_one_database_keep_one_order(Engine::Postgres).await;
}

/// The table of metrics is removed and restored while the server runs.
async fn what_the_database_refuses_is_stored_when_it_is_back(engine: Engine) {
    let Some(app) = TestApp::start(engine, 500).await else { return };
    app.post("/api/v1/metrics/", &metric_of("test_before")).await.expect(201);
    let outside = Database::connect(app.settings().database_url.as_str()).await.unwrap();
    outside.execute_unprepared("ALTER TABLE metric_row RENAME TO gone").await.unwrap();
    let mut new = of_session("test_new", "new");
    new["component"] = json!("new");
    for _ in 0..2 {
        let reply = app.post("/api/v1/metrics/", &new).await;
        reply.expect(503);
        assert_eq!(reply.headers["retry-after"], "1");
    }
    outside.execute_unprepared("ALTER TABLE gone RENAME TO metric_row").await.unwrap();
    outside.close().await.unwrap();
    app.post("/api/v1/metrics/", &new).await.expect(201);
    assert_dense(&app, ["test_before", "test_new"].map(str::to_owned).into()).await;
    let data = app.graphql("{ components { nodes { name metricCount } } }").await;
    let expected = json!([{ "name": "core", "metricCount": 1 }, { "name": "new", "metricCount": 1 }]);
    assert_eq!(data["components"]["nodes"], expected);
    app.finish().await;
}

#[tokio::test]
async fn what_the_database_refuses_is_stored_when_it_is_back_on_sqlite() {
    what_the_database_refuses_is_stored_when_it_is_back(Engine::Sqlite).await;
}

#[tokio::test]
async fn what_the_database_refuses_is_stored_when_it_is_back_on_postgres() {
    what_the_database_refuses_is_stored_when_it_is_back(Engine::Postgres).await;
}
