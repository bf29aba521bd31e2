//! Limits of responses: the cost of lists of unknown length, the length of texts, and `--max-answer`.

use metrograph::config::Limits;
use serde_json::{Map, Value, json};

use crate::support::{
    Engine, TestApp,
    builders::graphql,
    live::{Events, settle},
    on_both_engines,
};

async fn app(change: impl FnOnce(&mut Limits)) -> TestApp {
    TestApp::with(Engine::Sqlite, |settings| change(&mut settings.graphql.limits)).await.unwrap()
}

fn tags(count: usize) -> Value {
    (0..count).map(|n| (format!("name {n}"), json!("value"))).collect::<Map<_, _>>().into()
}

const RECORD: &str = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { metrics { id } } }";

/// Returns the cost of the request.
async fn cost(app: &TestApp, query: &str, variables: Value) -> i64 {
    let body = json!({ "query": query, "variables": variables, "extensions": { "cost": true } });
    let answer = app.post("/graphql", &body).await.json();
    answer["extensions"]["cost"]["complexity"].as_i64().unwrap_or_else(|| panic!("{answer}"))
}

/// Asserts the error of a response that exceeds its budget.
fn takes_too_much(answer: &Value, most: usize) {
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED", "{answer}");
    assert!(
        error["message"].as_str().unwrap().starts_with(&format!("max-answer: the answer takes more than {most} bytes"))
    );
}

#[tokio::test]
async fn a_list_that_is_no_connection_costs_as_much_as_it_may_have() {
    let app = app(|_| ()).await;
    let of = async |query: &str| cost(&app, query, json!({})).await;
    let lists_alone = of("{ sessions(first: 10) { nodes { hash } } }").await;
    assert_eq!(of("{ sessions(first: 10) { nodes { hash tags { name value } } } }").await - lists_alone, 10 * 100 * 2);
    let nested = "{ sessions(first: 1) { nodes { tags { sessions(first: 50) { nodes { tags { sessions(first: 50) { nodes { id } } } } } } } } }";
    assert!(of(nested).await > 100 * 50 * 100 * 50);
    assert_eq!(of("{ pipelineNames }").await, 500);
    assert_eq!(of("{ buildNames { names } }").await, 501);
    assert_eq!(cost(&app, RECORD, json!({ "m": [] })).await, 10_001);
    // Groups cost the reading of the history besides their rows, and statistics some of it.
    assert_eq!(
        of("{ metricGroups(groupBy: [{by: KIND}], first: 10) { nodes { metricCount } } }").await,
        10_000 + 10 * 2
    );
    let statistics = "stats(resource: CPU) { sum p95 }";
    assert_eq!(of(&format!("{{ component(name: \"a\") {{ {statistics} }} }}")).await, 1 + 200 + 2);
    assert_eq!(of(&format!("{{ variants(first: 500) {{ nodes {{ {statistics} }} }} }}")).await, 500 * 203);
    assert_eq!(
        app.post("/graphql", &json!({ "query": nested })).await.json()["errors"][0]["extensions"]["limit"],
        "max-complexity"
    );
}

on_both_engines! {
    async fn a_session_has_so_many_tags_and_no_more(app: &TestApp) {
        app.announce_session(graphql::session("fits", json!({ "tags": tags(100) }))).await;
        let stored = app.graphql("{ session(hash: \"fits\") { tags { name } } }").await;
        assert_eq!(stored["session"]["tags"].as_array().unwrap().len(), 100);
        let over = graphql::session("over", json!({ "tags": tags(101) }));
        let query = "mutation($s: AnnounceSessionInput!) { announceSession(input: $s) { session { hash } } }";
        let answer = app.graphql_with(query, json!({ "s": over })).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("$s.tags:") && message.ends_with("at most 100 tags, not 101: leave some out"), "{message}");
        let posted = crate::support::builders::rest::session(json!({ "session_h": "over", "description": tags(101) }));
        app.post("/api/v1/sessions/", &posted).await.refuses(400, "a session has at most 100 tags, not 101");
        assert_eq!(app.graphql("{ session(hash: \"over\") { hash } }").await["session"], Value::Null);
    }

    async fn a_text_has_so_many_bytes_and_no_more(app: &TestApp) {
        let (fits, over) = ("é".repeat(128 * 1024), "é".repeat(128 * 1024) + "a");
        app.record(json!({ "item_variant": fits })).await;
        let posted = crate::support::builders::rest::metric(json!({ "item_variant": over }));
        app.post("/api/v1/metrics/", &posted).await.refuses(400, "item_variant: a text has at most 262144 bytes, not 262145");
        let answer = app.graphql_with(RECORD, json!({ "m": [graphql::metric(json!({ "location": over }))] })).await;
        assert_eq!(answer["errors"][0]["message"], "$m[0].location: a text has at most 262144 bytes, not 262145: shorten it");
        let literal = |text: &str| format!("{{ session(hash: \"{text}\") {{ hash }} }}");
        assert_eq!(app.graphql(&literal(&fits)).await["session"], Value::Null);
        assert_eq!(app.graphql_error(&literal(&over)).await, "BAD_USER_INPUT");
        let found = app.graphql_with("query($v: String) { metricCount(where: {variant: {eq: $v}}) }", json!({ "v": fits })).await;
        assert_eq!(found["data"]["metricCount"], 1);
    }

    async fn an_answer_takes_so_much_and_no_more(app: &TestApp) {
        for n in 0..20 {
            let tags = json!({ "pipeline_branch": format!("{n}{}", "p".repeat(1_000)), "pipeline_build_no": "1" });
            app.announce_session(graphql::session(&format!("s{n}"), json!({ "tags": tags, "scmRef": "r".repeat(1_000) }))).await;
        }
        let narrow = app.second_server_with(|settings| settings.graphql.limits.max_answer = 16 * 1024).await;
        for list in [
            "sessions { nodes { scmRef } }", "sessions { edges { node { scmRef } } }", "sessions { nodes { pipeline { name } } }",
            "sessions { nodes { tags { name value } } }", "sessionPage { items { scmRef } }", "pipelineNames",
            "sessions { nodes { scmRef @include(if: true) } }", "pipelines { edges { node { name } } }",
        ] {
            let query = format!("{{ {list} }}");
            takes_too_much(&narrow.post("/graphql", &json!({ "query": query })).await.json(), 16 * 1024);
            app.graphql(&query).await;
            if list.contains('(') || !list.starts_with("sessions {") {
                continue;
            }
            narrow.graphql(&query.replace("sessions", "sessions(first: 5)")).await;
        }
        // Our own documents are exempt.
        assert_eq!(narrow.v1("/sessions/").await["sessions"].as_array().unwrap().len(), 20);
        assert_eq!(narrow.v1("/pipelines/").await["pipelines"].as_array().unwrap().len(), 20);
        narrow.finish().await;
    }
}

#[tokio::test]
async fn every_event_has_the_budget_of_an_answer() {
    let app = app(|limits| limits.max_answer = 1024).await;
    let mut events = Events::post(&app, "subscription { metricRecorded { variantName } }").await;
    settle().await;
    for _ in 0..5 {
        app.record(json!({ "item_variant": "v".repeat(600) })).await;
        assert_eq!(events.field().await["variantName"].as_str().unwrap().len(), 600);
    }
    app.record(json!({ "item_variant": "v".repeat(1_025) })).await;
    takes_too_much(&events.next().await, 1024);
}

#[tokio::test]
async fn groups_are_charged_to_the_response() {
    let app = app(|limits| limits.max_answer = 4_000).await;
    let metrics = (0..200).map(|number| graphql::metric(json!({ "variantName": format!("v{number}") })));
    app.record_all(metrics.collect()).await;
    for fields in [
        "nodes { variant { name } stats(resource: CPU) { sum } }",
        "edges { node { stats(resource: CPU) { sum mean p95 } } }",
        "edges { cursor }",
    ] {
        let query = format!("{{ metricGroups(groupBy: [{{by: VARIANT}}], first: 200) {{ {fields} }} }}");
        takes_too_much(&app.post("/graphql", &json!({ "query": query })).await.json(), 4_000);
        app.graphql(&query.replace("200", "2")).await;
    }
    app.finish().await;
}
