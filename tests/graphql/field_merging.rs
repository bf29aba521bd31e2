//! Fields with the same response name are merged (sections 5.3.2 and 6.3.2 of the specification): run once, counted once, from one row.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::metric,
    live::{Events, Socket},
    on_both_engines,
};

/// A mutation whose fields are selected twice: in a fragment and directly.
const TWICE: &[&str] = &[
    "mutation($i: MetricInput!) { recordMetric(input: $i) { metric { id } } ...F } \
     fragment F on Mutation { recordMetric(input: $i) { metric { itemName } } }",
    "mutation($i: MetricInput!) { ...F recordMetric(input: $i) { metric { id } } ...F } \
     fragment F on Mutation { ...G } fragment G on Mutation { recordMetric(input: $i) { metric { itemName } } }",
    "mutation($i: MetricInput!) { recordMetric(input: $i) { metric { id } } ... { recordMetric(input: $i) { metric { itemName } } } }",
    "mutation($i: MetricInput!) { ... on Mutation { recordMetric(input: $i) { metric { id } } } recordMetric(input: $i) { metric { itemName } } }",
    "mutation($i: MetricInput!) { recordMetric(input: $i) { metric { id } } recordMetric(input: $i) { metric { itemName } } }",
    "mutation($i: MetricInput!, $true: Boolean = true) { recordMetric(input: $i) { metric { id } } \
     ... @include(if: $true) { recordMetric(input: $i) @skip(if: false) { metric { itemName } } } }",
    "mutation($i: MetricInput!) { recordMetric: recordMetric(input: $i) { metric { id } } recordMetric(input: $i) { metric { itemName } } }",
    "mutation($i: MetricInput!) { recordMetrics(input: {metrics: [$i]}) { metrics { id } } ...F } \
     fragment F on Mutation { recordMetrics(input: {metrics: [$i]}) { metrics { itemName } userErrors { code } } }",
];

/// Lists whose fields are selected twice, each with two numbers that are equal in every row.
const LISTS: &[&str] = &[
    "{ m: metrics(last: 20) { nodes { a: totalTime } } ...F } fragment F on Query { m: metrics(last: 20) { nodes { b: userTime } } }",
    "{ m: metrics(last: 20) { nodes { a: totalTime } nodes { b: userTime variant { metrics(last: 1) { totalCount } } } } }",
    "{ m: metrics(last: 20) { edges { node { a: totalTime } } ... { edges { ... on MetricEdge { node { b: userTime } } } } } }",
    "{ m: topMetrics(resource: TOTAL_TIME, first: 20) { a: totalTime } m: topMetrics(first: 20, resource: TOTAL_TIME) { b: userTime } }",
    "{ m: metricPage(page: -1) { items { a: totalTime } } ... on Query { m: metricPage(page: -1) { items { b: userTime } } } }",
    "{ m: component(name: \"busy\") { metrics(last: 20) { nodes { a: totalTime } } } m: component(name: \"busy\") { ...C } } \
     fragment C on Component { metrics(last: 20) { nodes { b: userTime } } }",
];

/// Collects the objects that have both numbers, anywhere in `value`.
fn pairs<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) if members.contains_key("a") => found.push(value),
        Value::Object(members) => members.values().for_each(|value| pairs(value, found)),
        Value::Array(items) => items.iter().for_each(|value| pairs(value, found)),
        _ => {}
    }
}

async fn count(app: &TestApp) -> Value {
    app.bare("{ metricCount }").await
}

async fn cost(app: &TestApp, query: &str) -> Value {
    let request = json!({ "query": query, "extensions": { "cost": true } });
    app.post("/graphql", &request).await.expect(200)["extensions"]["cost"].clone()
}

on_both_engines! {
    async fn a_mutation_asked_for_twice_is_run_once(app: &TestApp) {
        for (number, query) in TWICE.iter().enumerate() {
            let name = format!("t{number}");
            let answer = app.run(query, json!({ "i": metric(json!({ "itemName": name })) })).await;
            assert_eq!(count(app).await, json!(number + 1), "{query}");
            // Both selections return the one row.
            let payload = answer.as_object().unwrap().values().next().unwrap();
            let stored = if payload["metric"].is_object() { &payload["metric"] } else { &payload["metrics"][0] };
            assert!(stored["id"].is_string(), "{answer}");
            assert_eq!(stored["itemName"], name, "{answer}");
        }
        // With different response names there are two.
        let two = "mutation($i: MetricInput!) { recordMetric(input: $i) { metric { id } } again: recordMetric(input: $i) { metric { id } } }";
        app.run(two, json!({ "i": metric(json!({})) })).await;
        assert_eq!(count(app).await, json!(TWICE.len() + 2));
    }

    async fn batches_and_sockets_run_it_once_as_well(app: &TestApp) {
        let request = |query: &&str| json!({ "query": query, "variables": { "i": metric(json!({})) } });
        let batch: Vec<Value> = TWICE.iter().map(request).collect();
        let answers = app.post("/graphql", &json!(batch)).await.expect(200);
        assert!(answers.as_array().unwrap().iter().all(|answer| answer.get("errors").is_none()), "{answers}");
        assert_eq!(count(app).await, json!(TWICE.len()));
        let mut socket = Socket::initialized(app).await;
        for (number, query) in TWICE.iter().enumerate() {
            let id = number.to_string();
            socket.send_json(json!({ "id": id, "type": "subscribe", "payload": request(query) })).await;
            let answer = socket.receive().await;
            assert_eq!((&answer["type"], answer["payload"].get("errors")), (&json!("next"), None), "{query}: {answer}");
            assert_eq!(socket.receive().await["type"], "complete");
        }
        assert_eq!(count(app).await, json!(2 * TWICE.len()));
    }

    async fn announcements_in_fragments_are_made_once(app: &TestApp) {
        let mut events = Events::of(app, "subscription { sessionAnnounced { hash } }").await;
        let input = "input: {hash: \"s\", runDate: \"2026-01-05T03:00:00\", tags: {}}";
        let query = format!(
            "mutation {{ announceSession({input}) {{ session {{ hash }} }} ...F }} \
             fragment F on Mutation {{ announceSession({input}) {{ session {{ metricCount }} userErrors {{ message }} }} }}"
        );
        let answer = app.graphql(&query).await;
        assert_eq!(answer["announceSession"], json!({ "session": { "hash": "s", "metricCount": 0 }, "userErrors": [] }));
        assert_eq!(events.field().await["hash"], "s");
        events.assert_silent().await;
    }

    async fn an_object_is_of_one_row_while_rows_arrive(app: &TestApp) {
        let row = |number: usize| {
            let figure = f64::from(u32::try_from(number).unwrap());
            metric(json!({ "componentName": "busy", "totalTime": figure, "userTime": figure }))
        };
        app.record_all((0..20).map(row).collect()).await;
        let is_over = AtomicBool::new(false);
        let arriving = async {
            let mut number = 20;
            while !is_over.load(Ordering::Relaxed) {
                app.record_all((number..number + 3).map(row).collect()).await;
                number += 3;
            }
        };
        let asking = async {
            let mut seen = 0;
            for query in LISTS.iter().cycle().take(LISTS.len() * 12) {
                let answer = app.graphql(query).await;
                let mut found = Vec::new();
                pairs(&answer, &mut found);
                assert!(!found.is_empty(), "{query}: {answer}");
                for object in found {
                    assert_eq!(object["a"], object["b"], "{query}");
                    seen += 1;
                }
            }
            is_over.store(true, Ordering::Relaxed);
            seen
        };
        let ((), seen) = tokio::join!(arriving, asking);
        assert!(seen > 1_000);
    }

    async fn what_is_asked_for_twice_costs_once(app: &TestApp) {
        for (once, twice) in [
            ("{ metrics(first: 100) { nodes { id kind } } }",
                "{ metrics(first: 100) { nodes { id } } ...F } fragment F on Query { metrics(first: 100) { nodes { kind id } } }"),
            ("{ sessions(first: 9) { totalCount nodes { hash build { name } } } }",
                "{ sessions(first: 9) { nodes { hash build { name } } totalCount } sessions(first: 9) { nodes { build { name } ... { hash } } } }"),
            ("query($y: Boolean = true) { metricCount ... @skip(if: $y) { sessions { totalCount } } }", "{ metricCount metricCount ... { metricCount } }"),
        ] {
            let (once, twice) = (cost(app, once).await, cost(app, twice).await);
            assert!(once["complexity"].is_number());
            assert_eq!(once, twice);
        }
    }

    async fn fields_of_an_interface_are_merged_for_each_type(app: &TestApp) {
        app.seed().await;
        let ids = app.graphql("{ session(hash: \"s1\") { id } component(name: \"core\") { id } context(hash: \"c1\") { id } }").await;
        let ids = [&ids["session"]["id"], &ids["component"]["id"], &ids["context"]["id"]];
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) {
            ... on Session { hash build { name } id } ...C __typename id ... on Node { ... on Session { build { pipeline { name } } scmRef } }
            ... on ExecutionContext { metrics(first: 1) { totalCount } } ... on Node { ... on ExecutionContext { metrics(first: 1) { nodes { kind } } } } } }
            fragment C on Component { name id ... on Node { __typename } }";
        let answer = app.run(query, json!({ "ids": ids })).await;
        let [session, component, context] = [0, 1, 2].map(|place| answer["nodes"][place].to_string());
        assert_eq!(session, format!("{{\"hash\":\"s1\",\"build\":{{\"name\":\"1\",\"pipeline\":{{\"name\":\"main\"}}}},\"id\":{},\"__typename\":\"Session\",\"scmRef\":\"aaa\"}}", ids[0]));
        assert_eq!(component, format!("{{\"name\":\"core\",\"id\":{},\"__typename\":\"Component\"}}", ids[1]));
        assert_eq!(context, format!("{{\"__typename\":\"ExecutionContext\",\"id\":{},\"metrics\":{{\"totalCount\":{},\"nodes\":[{{\"kind\":\"function\"}}]}}}}",
            ids[2], answer["nodes"][2]["metrics"]["totalCount"]));
    }

    async fn fields_that_share_nothing_but_a_name_are_refused(app: &TestApp) {
        for query in [
            "{ x: metrics { nodes { a: id } } x: metrics { nodes { a: kind } } }",
            "{ x: metrics(first: 1) { totalCount } x: metrics(first: 2) { totalCount } }",
            "{ nodes(ids: [\"a\"]) { id } nodes(ids: [\"a\", \"b\"]) { id } }",
            "{ metricCount(where: {or: [{kind: {eq: \"a\"}}]}) metricCount(where: {or: [{kind: {eq: \"a\"}}, {}]}) }",
            "{ node(id: \"x\") { ... on Session { v: hash } ... on Tag { v: sessions { totalCount } } } }",
            "{ node(id: \"x\") { ... on Session { v: scmRef } ... on Tag { v: name } } }",
            "{ node(id: \"x\") { ... on Session { v: build { w: name } } ... on Build { v: pipeline { w: id } } } }",
            "{ a: component(name: \"x\") { metrics(first: 1) { totalCount } } ... { a: component(name: \"x\") { metrics(first: 2) { totalCount } } } }",
        ] {
            assert_eq!(app.graphql_error(query).await, "GRAPHQL_VALIDATION_FAILED", "{query}");
        }
    }

    async fn a_subscription_may_come_in_fragments(app: &TestApp) {
        for query in [
            "subscription { ...F } fragment F on Subscription { metricRecorded { itemName } }",
            "subscription { ... on Subscription { metricRecorded { itemName } } }",
            "subscription { ... { ... { metricRecorded { itemName } } } }",
            "subscription { metricRecorded { id } metricRecorded { itemName } }",
            "subscription { metricRecorded { id } ...F } fragment F on Subscription { metricRecorded { itemName } ...G } fragment G on Subscription { metricRecorded { kind } }",
            "subscription($c: String!) { ...F metricRecorded(where: {component: {eq: $c}}) { id } } fragment F on Subscription { metricRecorded(where: {component: {eq: $c}}) { itemName } }",
        ] {
            let request = json!({ "query": query, "variables": { "c": "core" } });
            let mut events = Events::of_request(app, &request).await;
            app.record_all(vec![metric(json!({ "itemName": "sent", "componentName": "core" }))]).await;
            let answer = events.next().await;
            assert_eq!(answer["data"]["metricRecorded"]["itemName"], "sent", "{query}");
            // One root field is one stream.
            events.assert_silent().await;
        }
    }

    async fn a_subscription_whose_root_is_not_one_field_is_refused(app: &TestApp) {
        for query in [
            "subscription { metricRecorded { id } sessionAnnounced { id } }",
            "subscription { a: metricRecorded { id } b: metricRecorded { id } }",
            "subscription { metricRecorded { id } ...F } fragment F on Subscription { sessionAnnounced { id } }",
            "subscription { metricRecorded { id } ...F } fragment F on Subscription { ... { b: metricRecorded { id } } }",
            "subscription { __typename }",
            "subscription { ... { __typename } }",
            "subscription($y: Boolean!) { metricRecorded @include(if: $y) { id } }",
            "subscription { metricRecorded @skip(if: false) { id } }",
            "subscription($y: Boolean!) { ... @skip(if: $y) { metricRecorded { id } } }",
            "subscription($y: Boolean!) { ...F @include(if: $y) } fragment F on Subscription { metricRecorded { id } }",
            "subscription($y: Boolean!) { ...F } fragment F on Subscription { metricRecorded @include(if: $y) { id } }",
        ] {
            let mut events = Events::post_request(app, &json!({ "query": query, "variables": { "y": true } })).await;
            let answer = events.next().await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{query}: {answer}");
        }
    }
}
