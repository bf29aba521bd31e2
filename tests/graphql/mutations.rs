//! Mutations: they return what was stored, and store all or nothing.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    history::bare,
    on_both_engines,
};

const METRIC: &str = "id sessionHash contextHash startedAt componentName itemPath itemName variantName location kind
    totalTime userTime kernelTime cpuUsage memoryUsage passed";

async fn record(app: &TestApp, metrics: Vec<Value>) -> Value {
    let query = format!(
        "mutation($m: [MetricInput!]!) {{ recordMetrics(input: {{metrics: $m}}) {{
            metrics {{ {METRIC} }} userErrors {{ code message field }} }} }}"
    );
    app.graphql_with(&query, json!({ "m": metrics })).await
}

async fn announce(app: &TestApp, input: Value) -> Value {
    let query = "mutation($i: AnnounceSessionInput!) { announceSession(input: $i) {
        session { id hash runDate scmRef tags { name value } pipeline { name } build { name } metricCount }
        userErrors { code message field } } }";
    app.run(query, json!({ "i": input })).await["announceSession"].take()
}

async fn announce_context(app: &TestApp, input: Value) -> Value {
    let query = "mutation($i: AnnounceContextInput!) { announceContext(input: $i) {
        context { hash cpuCount cpuFrequency cpuType cpuVendor ramTotal machineNode machineType machineArch systemInfo pythonInfo }
        userErrors { code message field } } }";
    app.run(query, json!({ "i": input })).await["announceContext"].take()
}

/// Returns the key in an id.
fn row(id: &Value) -> u64 {
    let text = BASE64_URL_SAFE_NO_PAD.decode(id.as_str().unwrap()).unwrap();
    String::from_utf8(text).unwrap().strip_prefix("Metric:").unwrap().parse().unwrap()
}

/// Returns the fields that were sent, without the key that the server adds.
fn without_id(mut metric: Value) -> Value {
    metric.as_object_mut().unwrap().remove("id");
    metric
}

on_both_engines! {
    async fn what_was_stored_stays_stored_where_a_field_below_it_fails(app: &TestApp) {
        let fails = "{ metrics(after: \"x\") { totalCount } }";
        for (number, query) in [
            format!("mutation($m: MetricInput!) {{ recordMetric(input: $m) {{ metric {{ id variant {fails} }} userErrors {{ code }} }} }}"),
            format!("mutation($m: MetricInput!) {{ recordMetric(input: $m) {{ metric {{ itemName item {fails} }} userErrors {{ code }} }} }}"),
            format!("mutation($m: MetricInput!) {{ recordMetric(input: $m) {{ userErrors {{ code }} metric {{ component {fails} }} }} }}"),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = app.graphql_with(&query, json!({ "m": metric(json!({})) })).await;
            // As described in the schema.
            assert_eq!(answer["data"]["recordMetric"]["metric"], Value::Null, "{answer}");
            assert_eq!(answer["data"]["recordMetric"]["userErrors"], json!([]), "{answer}");
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
            assert_eq!(app.bare("{ metricCount }").await, json!(number + 1));
        }
        for payload in ["RecordMetricPayload", "AnnounceSessionPayload", "AnnounceContextPayload"] {
            let query = format!("{{ __type(name: \"{payload}\") {{ fields {{ description type {{ kind }} }} }} }}");
            let fields = app.graphql(&query).await["__type"]["fields"].take();
            let object = fields.as_array().unwrap().iter().find(|field| field["type"]["kind"] == "OBJECT").unwrap();
            assert!(object["description"].as_str().unwrap().contains("stored nevertheless"), "{payload}: {object}");
        }
    }

    async fn a_metric_is_answered_as_it_is_read_back(app: &TestApp) {
        let input = metric(json!({
            "startedAt": "2026-01-05 03:00:00.125+02:00", "memoryUsage": -0.000_000_1, "totalTime": 1e300, "cpuUsage": 0,
            "variantName": "test_a[ü🙂\n\"']", "componentName": "", "passed": false,
        }));
        let query = format!("mutation($i: MetricInput!) {{ recordMetric(input: $i) {{ metric {{ {METRIC} session {{ id }} }} userErrors {{ code }} }} }}");
        let mut answer = app.run(&query, json!({ "i": input })).await["recordMetric"].take();
        assert_eq!((&answer["userErrors"], &answer["metric"]["session"]), (&json!([]), &Value::Null));
        answer["metric"].as_object_mut().unwrap().remove("session");
        assert_eq!(bare(app.graphql(&format!("{{ metrics {{ nodes {{ {METRIC} }} }} }}")).await)[0], answer["metric"]);
        for (name, value) in input.as_object().unwrap() {
            let same = value.as_f64().map_or(answer["metric"][name] == *value, |number| answer["metric"][name].as_f64() == Some(number));
            assert!(same, "{name}: {} for {value}", answer["metric"][name]);
        }
    }

    async fn metrics_are_answered_in_the_order_given(app: &TestApp) {
        let inputs: Vec<_> = (0..3000)
            .map(|n| metric(json!({
                "sessionHash": format!("s{}", n % 7), "contextHash": format!("c{}", n % 3), "itemName": format!("i{}", n % 11),
                "variantName": format!("v{}", n % 600), "totalTime": f64::from(n) + 0.5, "passed": n % 2 == 0,
            })))
            .collect();
        let mut answer = record(app, inputs.clone()).await;
        let stored: Vec<Value> = serde_json::from_value(answer["data"]["recordMetrics"]["metrics"].take()).unwrap();
        let ids: Vec<_> = stored.iter().map(|metric| row(&metric["id"])).collect();
        assert_eq!(ids, (1..=3000).collect::<Vec<_>>());
        assert!(stored.into_iter().map(without_id).eq(inputs));
        let read = app.bare("{ metricCount variants { totalCount } items { totalCount } }").await;
        assert_eq!(read, json!({ "metricCount": 3000, "variants": 3000, "items": 11 }));
    }

    async fn none_are_stored_without_complaint(app: &TestApp) {
        let answer = record(app, vec![]).await;
        assert_eq!(answer, json!({ "data": { "recordMetrics": { "metrics": [], "userErrors": [] } } }));
    }

    async fn ten_thousand_go_in_at_once_and_no_more(app: &TestApp) {
        let answer = record(app, vec![metric(json!({})); 10_001]).await["data"]["recordMetrics"].take();
        let error = &answer["userErrors"][0];
        assert_eq!((&answer["metrics"], &error["code"], &error["field"]), (&json!([]), &json!("TOO_MANY"), &json!(["metrics"])));
        assert!(error["message"].as_str().unwrap().contains("10000"), "{error}");
        assert_eq!(app.bare("{ metricCount }").await, json!(0));
        app.record_all(vec![metric(json!({})); 10_000]).await;
        assert_eq!(app.bare("{ metricCount }").await, json!(10_000));
    }

    async fn one_wrong_metric_keeps_the_whole_batch_out(app: &TestApp) {
        for wrong in [
            json!({ "startedAt": "yesterday" }), json!({ "startedAt": "" }), json!({ "totalTime": "1" }), json!({ "totalTime": null }),
            json!({ "sessionHash": null }), json!({ "passed": "yes" }), json!({ "unknown": 1 }), json!({ "variantName": "a\0b" }),
        ] {
            let answer = record(app, vec![metric(json!({})), metric(wrong.clone()), metric(json!({}))]).await;
            assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{wrong}: {answer}");
        }
        assert_eq!(app.bare("{ metricCount }").await, json!(0));
        assert_eq!(app.bare("{ components { totalCount } }").await, json!(0));
    }

    async fn a_session_is_answered_as_it_is_read_back(app: &TestApp) {
        let tags = json!({ "pipeline_branch": "main", "pipeline_build_no": 7, "z": true, "a": 1.5, "none": null });
        let stored = announce(app, session("s1", json!({ "scmRef": "abc", "runDate": "2026-01-05T03:00:00.5", "tags": tags }))).await;
        let fields = &stored["session"];
        assert_eq!(fields["tags"], json!([
            { "name": "pipeline_branch", "value": "main" }, { "name": "pipeline_build_no", "value": "7" },
            { "name": "z", "value": "true" }, { "name": "a", "value": "1.5" }, { "name": "none", "value": "" },
        ]));
        assert_eq!((&fields["runDate"], &fields["scmRef"]), (&json!("2026-01-05T03:00:00.5"), &json!("abc")));
        let read = app.graphql("{ session(hash: \"s1\") { id hash runDate scmRef tags { name value } pipeline { name } build { name } metricCount } }").await;
        assert_eq!(&read["session"], fields);
        assert_eq!((&fields["pipeline"]["name"], &fields["build"]["name"]), (&json!("main"), &json!("7")));
    }

    async fn a_session_announced_again_is_the_stored_one_or_a_conflict(app: &TestApp) {
        let input = session("s1", json!({ "scmRef": "abc", "tags": { "a": "1", "b": "2" } }));
        let first = announce(app, input.clone()).await;
        assert_eq!(announce(app, input).await, first);
        assert_eq!(announce(app, session("s1", json!({ "scmRef": "abc", "tags": { "b": 2, "a": 1 } }))).await, first);
        for other in [
            json!({ "scmRef": "abc", "tags": { "a": "1" } }), json!({ "scmRef": "abc", "tags": { "a": "1", "b": "3" } }),
            json!({ "tags": { "a": "1", "b": "2" } }), json!({ "scmRef": "", "tags": { "a": "1", "b": "2" } }),
            json!({ "scmRef": "abc", "tags": { "a": "1", "b": "2" }, "runDate": "2026-01-05T03:00:01" }),
        ] {
            let answer = announce(app, session("s1", other.clone())).await;
            let error = &answer["userErrors"][0];
            assert_eq!((&answer["session"], &error["code"], &error["field"]), (&Value::Null, &json!("CONFLICT"), &json!(["hash"])), "{other}");
        }
        let read = app.bare("{ sessions { nodes { scmRef tags { value } } } }").await;
        assert_eq!(read, json!([{ "scmRef": "abc", "tags": ["1", "2"] }]));
    }

    async fn a_context_is_answered_as_it_is_read_back_and_the_first_one_stays(app: &TestApp) {
        let input = context("c1", json!({ "cpuVendor": null, "cpuFrequency": 2400.75 }));
        let expected = json!({ "context": input, "userErrors": [] });
        assert_eq!(announce_context(app, input).await, expected);
        assert_eq!(announce_context(app, context("c1", json!({ "ramTotal": 1, "cpuVendor": "other" }))).await, expected);
        assert_eq!(app.bare("{ contexts { nodes { ramTotal cpuVendor } } }").await, json!([{ "ramTotal": 32000, "cpuVendor": null }]));
    }

    async fn counters_and_bounds_are_right_after_several_batches(app: &TestApp) {
        app.announce_session(session("s1", json!({ "tags": { "pipeline_branch": "main", "pipeline_build_no": "1" } }))).await;
        let of = |variant: &str, seconds: f64| metric(json!({ "variantName": variant, "totalTime": seconds, "memoryUsage": -seconds, "userTime": seconds * 2.0 }));
        for batch in [vec![of("v", 3.0), of("w", 9.0), of("v", 5.0)], vec![of("v", 4.0)], vec![of("v", 1.0), of("v", 7.0)]] {
            app.record_all(batch).await;
        }
        let query = "{ variants { nodes { metricCount totalTime { least greatest } userTime { least greatest }
            kernelTime { least greatest } cpuUsage { least greatest } memoryUsage { least greatest } } } }";
        let bounds = |least: f64, greatest: f64| json!({ "least": least, "greatest": greatest });
        let same = (bounds(0.25, 0.25), bounds(0.75, 0.75));
        assert_eq!(app.bare(query).await, json!([
            { "metricCount": 5, "totalTime": bounds(1.0, 7.0), "userTime": bounds(2.0, 14.0), "kernelTime": same.0, "cpuUsage": same.1,
              "memoryUsage": bounds(-7.0, -1.0) },
            { "metricCount": 1, "totalTime": bounds(9.0, 9.0), "userTime": bounds(18.0, 18.0), "kernelTime": same.0, "cpuUsage": same.1,
              "memoryUsage": bounds(-9.0, -9.0) },
        ]));
        app.announce_machine(context("c1", json!({}))).await;
        app.answers(&[
            ("{ session(hash: \"s1\") { metricCount } }", json!(6)),
            ("{ context(hash: \"c1\") { metricCount } }", json!(6)),
            ("{ component(name: \"core\") { metricCount builds { nodes { metrics { totalCount } } } } }", json!({ "metricCount": 6, "builds": [6] })),
            ("{ items { nodes { metricCount } } }", json!([6])),
        ]).await;
    }

    async fn concurrent_mutations_are_all_stored_with_dense_ids(app: &TestApp) {
        let writers = (0..32).map(async |n| {
            let hash = format!("s{n}");
            let batch = vec![metric(json!({ "sessionHash": hash, "variantName": format!("v{}", n % 5), "itemName": "i" })); 1 + n % 4];
            let mut mine = Vec::new();
            for _ in 0..3 {
                let answer = record(app, batch.clone()).await;
                let ids: Vec<_> = answer["data"]["recordMetrics"]["metrics"].as_array().unwrap().iter().map(|metric| row(&metric["id"])).collect();
                assert_eq!(ids.len(), batch.len());
                assert!(ids.is_sorted());
                mine.extend(ids);
            }
            app.announce_session(session(&hash, json!({ "tags": { "n": n % 2 } }))).await;
            app.announce_machine(context("c1", json!({}))).await;
            mine
        });
        let mut ids: Vec<_> = join_all(writers).await.concat();
        ids.sort_unstable();
        assert_eq!(ids, (1..=240).collect::<Vec<_>>());
        app.answers(&[
            ("{ metricCount sessionCount contextCount variants { totalCount } items { totalCount } tags { totalCount } }",
                json!({ "metricCount": 240, "sessionCount": 32, "contextCount": 1, "variants": 5, "items": 1, "tags": 2 })),
            ("{ context(hash: \"c1\") { metricCount } }", json!(240)),
            ("{ session(hash: \"s3\") { metricCount metrics { totalCount } } }", json!({ "metricCount": 12, "metrics": 12 })),
        ]).await;
    }

    async fn several_mutations_of_one_document_run_in_their_order(app: &TestApp) {
        let answer = app.graphql("mutation {
            one: announceSession(input: {hash: \"a\", runDate: \"2026-01-01\", tags: {}}) { session { hash } }
            two: announceSession(input: {hash: \"a\", runDate: \"2026-01-02\", tags: {}}) { userErrors { code } }
            three: announceSession(input: {hash: \"b\", runDate: \"2026-01-01\", tags: {x: y, n: 1}}) { session { tags { name value } } }
        }").await;
        assert_eq!(answer["one"]["session"]["hash"], "a");
        assert_eq!(answer["two"]["userErrors"][0]["code"], "CONFLICT");
        assert_eq!(answer["three"]["session"]["tags"], json!([{ "name": "x", "value": "y" }, { "name": "n", "value": "1" }]));
    }
}
