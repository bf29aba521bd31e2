//! The mutations that clients send files through.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{metric, session},
    on_both_engines,
};

async fn record(app: &TestApp, metrics: &[Value], ordinals: Value) -> Value {
    let query = "mutation($i: RecordMissingMetricsInput!) { recordMissingMetrics(input: $i) { storedCount presentCount userErrors { code message field } } }";
    app.run(query, json!({ "i": { "metrics": metrics, "ordinals": ordinals } })).await["recordMissingMetrics"].take()
}

fn counts(stored: u32, present: u32) -> Value {
    json!({ "storedCount": stored, "presentCount": present, "userErrors": [] })
}

fn numbered(n: u32) -> Value {
    metric(
        json!({ "sessionHash": format!("s{}", n % 3), "totalTime": f64::from(n), "startedAt": format!("2026-01-01T00:00:{:02}", n % 60) }),
    )
}

on_both_engines! {
    async fn only_what_is_missing_is_recorded_also_after_it_was_sealed(app: &TestApp) {
        let all: Vec<Value> = (0..400).map(numbered).collect();
        assert_eq!(record(app, &all[..150], Value::Null).await, counts(150, 0));
        assert_eq!(record(app, &all[100..300], Value::Null).await, counts(150, 50));
        for part in all.chunks(37) {
            record(app, part, Value::Null).await;
        }
        assert_eq!(record(app, &all, Value::Null).await, counts(0, 400));
        assert_eq!(app.bare("{ metricCount }").await, json!(400));
    }

    async fn equal_ones_are_numbered(app: &TestApp) {
        let three = vec![numbered(1), numbered(1), numbered(1)];
        assert_eq!(record(app, &three, Value::Null).await, counts(3, 0));
        assert_eq!(record(app, &three, json!([1, 2, 3])).await, counts(0, 3));
        assert_eq!(record(app, &three, json!([3, 4, 5])).await, counts(2, 1));
        for (given, words) in [(json!([1]), "give one for each"), (json!([0, 1, 2]), "they begin with 1"), (json!([1, -2, 2]), "they begin with 1")] {
            let query = "mutation($i: RecordMissingMetricsInput!) { recordMissingMetrics(input: $i) { storedCount } }";
            let answer = app.graphql_with(query, json!({ "i": { "metrics": three, "ordinals": given } })).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
            assert!(answer["errors"][0]["message"].as_str().unwrap().contains(words), "{answer}");
        }
        assert_eq!(record(app, &vec![numbered(2); 3], json!([1, 1, 1])).await, counts(1, 2));
        // A test that passed is not the same as one of which that is unclear.
        let mut passed = numbered(1);
        passed["passed"] = json!(true);
        assert_eq!(record(app, &[passed], Value::Null).await, counts(1, 0));
    }

    async fn those_that_are_sent_at_once_are_recorded_once(app: &TestApp) {
        let all: Vec<Value> = (0..200).map(numbered).collect();
        let answers = futures_util::future::join_all((0..6).map(|_| record(app, &all, Value::Null))).await;
        let stored: u64 = answers.iter().map(|answer| answer["storedCount"].as_u64().unwrap()).sum();
        assert_eq!((stored, app.bare("{ metricCount }").await), (200, json!(200)));
    }

    async fn a_session_gets_defaults_once_and_stays_the_same_session(app: &TestApp) {
        let announce = async |scm_ref: Value, tags: Value, defaults: Value| {
            let query = "mutation($i: AnnounceSessionInput!) { announceSession(input: $i) { session { scmRef tags { name value } } userErrors { code } } }";
            let input = session("s", json!({ "scmRef": scm_ref, "tags": tags, "defaults": defaults }));
            app.run(query, json!({ "i": input })).await["announceSession"].take()
        };
        let stored = json!({ "session": { "scmRef": "abc", "tags": [{ "name": "branch", "value": "main" }, { "name": "project", "value": "x" }] },
            "userErrors": [] });
        let defaults = |build: u32| json!({ "scmRef": "abc", "tags": { "branch": "other", "project": if build == 1 { "x" } else { "y" } } });
        assert_eq!(announce(Value::Null, json!({ "branch": "main" }), defaults(1)).await, stored);
        assert_eq!(announce(Value::Null, json!({ "branch": "main" }), defaults(2)).await, stored);
        assert_eq!(announce(json!("abc"), json!({}), json!({ "tags": {} })).await, stored);
        for (scm_ref, tags, defaults) in [
            (Value::Null, json!({ "branch": "main" }), Value::Null),
            (Value::Null, json!({ "branch": "next" }), defaults(1)),
            (json!("def"), json!({}), defaults(1)),
        ] {
            assert_eq!(announce(scm_ref, tags, defaults).await["userErrors"][0]["code"], "CONFLICT");
        }
    }
}
