//! Long lists of metrics in variables take a faster path that must be indistinguishable from the usual one.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::support::{TestApp, builders::graphql::metric, on_both_engines};

/// The length of a list that takes the faster path.
const MANY: usize = 200;

/// `_` stands for the list and for the operation's name, so that each document is a new one.
const WAYS: [(&str, &str); 2] = [
    (
        "mutation _($i: RecordMetricsInput!) { recordMetrics(input: $i) { userErrors { message } } }",
        r#"{"i":{"metrics":[_]}}"#,
    ),
    (
        "mutation _($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { userErrors { message } } }",
        r#"{"m":[_]}"#,
    ),
];

/// Replacements in a list, and whether the result can be recorded.
const CHANGES: [(&str, &str, bool); 20] = [
    (r#""totalTime":1.0"#, r#""totalTime":1"#, true),
    (r#""totalTime":1.0"#, r#""totalTime":9,"totalTime":12345678901234567890123"#, true),
    (r#""totalTime":1.0"#, r#""totalTime":-0.0"#, true),
    (r#""totalTime":1.0"#, r#""passed":null,"totalTime":1.0"#, true),
    (r#""kind":"function""#, r#""kind":"\ud83d\ude42 \n\u00fc""#, true),
    ("2026-01-05T03:00:00", "2026-01-05 03:00:00.125+02:00", true),
    (r#""totalTime":1.0"#, r#""totalTime":"1.0""#, false),
    (r#""totalTime":1.0"#, r#""totalTime":null"#, false),
    (r#""totalTime":1.0"#, r#""totalTime":[1.0]"#, false),
    (r#""totalTime":1.0"#, r#""totalTime":1e999"#, false),
    (r#""totalTime":1.0"#, r#""totalTime":01"#, false),
    (r#""totalTime":1.0,"#, "", false),
    (r#""totalTime":1.0"#, r#""totalTime":1.0,"more":1"#, false),
    (r#""totalTime":1.0"#, r#""totalTime":1.0,"passed":"yes""#, false),
    (r#""kind":"function""#, r#""kind":5"#, false),
    (r#""kind":"function""#, r#""kind":"a\u0000b""#, false),
    (r#""kind":"function""#, r#""kind":"\ud83d""#, false),
    (r#""kind":"function""#, r#""kind":{"a":"b"}"#, false),
    ("2026-01-05T03:00:00", "yesterday", false),
    (r#""sessionHash""#, r#"[],"sessionHash""#, false),
];

async fn ask(app: &TestApp, query: &str, variables: &str, more: &str) -> (u16, Value) {
    let body = format!(r#"{{"variables":{variables},"query":{}{more}}}"#, json!(query));
    let request = Request::post("/graphql").header("content-type", "application/json").body(Body::from(body)).unwrap();
    let reply = app.send(request).await;
    (reply.status.as_u16(), reply.json())
}

/// Returns `first` and this many more metrics.
fn list(first: &str, more: usize) -> String {
    let usual = metric(json!({})).to_string();
    std::iter::once(first).chain(std::iter::repeat_n(usual.as_str(), more)).collect::<Vec<_>>().join(",")
}

on_both_engines! {
    async fn long_lists_of_metrics_are_taken_and_refused_as_short_ones_are(app: &TestApp, page_size: 202) {
        let usual = metric(json!({})).to_string();
        let mut recorded = 0;
        for (number, (old, new, is_taken)) in CHANGES.into_iter().enumerate() {
            let changed = usual.replace(old, new);
            assert_ne!(changed, usual);
            for (way, (query, variables)) in WAYS.into_iter().enumerate() {
                let known = query.replace('_', "Known");
                let unknown = query.replace('_', &format!("Unknown{number}"));
                for query in [&known, &unknown, &known] {
                    let short = ask(app, query, &variables.replace('_', &list(&changed, 0)), "").await;
                    let long = ask(app, query, &variables.replace('_', &list(&changed, MANY)), "").await;
                    assert_eq!(long, short, "{new} in way {way}");
                    assert_eq!(long.1 == json!({ "data": { "recordMetrics": { "userErrors": [] } } }), is_taken, "{long:?}");
                    recorded += if is_taken { MANY + 2 } else { 0 };
                }
            }
        }
        assert_eq!(app.graphql("{ metrics { totalCount } }").await, json!({ "metrics": { "totalCount": recorded } }));
        // The first of each list: one without and one with others after it.
        let first = "query($p: Int) { metricPage(page: $p) { items { totalTime kind startedAt passed } } }";
        let mut page = 1;
        for _ in CHANGES.iter().filter(|(_, _, is_taken)| *is_taken) {
            for _ in 0..WAYS.len() * 3 {
                let items = app.run(first, json!({ "p": page })).await["metricPage"]["items"].take();
                assert_eq!(items[0], items[1]);
                page += 1;
            }
        }
    }

    async fn a_long_list_of_metrics_is_no_other_list(app: &TestApp) {
        let query = "query($f: MetricWhere) { metrics(where: $f) { totalCount } }";
        app.run(query, json!({ "f": null })).await;
        let metric = metric(json!({})).to_string();
        for filter in [r#"{"session":{"in":[_]}}"#, r#"{"and":[_]}"#, r#"{"session":[_]}"#, "[_]"] {
            let variables = |more| format!(r#"{{"f":{}}}"#, filter.replace('_', &list(&metric, more)));
            let (short, long) = (ask(app, query, &variables(0), "").await, ask(app, query, &variables(MANY), "").await);
            assert_eq!(long, short);
            assert_eq!(long.1["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{long:?}");
        }
    }

    async fn a_long_list_of_lists_is_refused(app: &TestApp) {
        let (query, variables) = WAYS[1];
        app.record_all(vec![metric(json!({}))]).await;
        let in_order = r#"["s1","c1","2026-01-05T03:00:00","core","pkg.a","t","t","a.py","function",1.0,1.0,1.0,1.0,1.0,null]"#;
        let mut answers = Vec::new();
        for list in [in_order.to_owned(), list(in_order, MANY), [in_order; MANY].join(",")] {
            ask(app, query, &variables.replace('_', &metric(json!({})).to_string()), "").await;
            answers.push(ask(app, query, &variables.replace('_', &list), "").await);
        }
        assert_eq!(answers[0].1["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answers:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }

    async fn the_cost_of_a_long_list_is_reported(app: &TestApp) {
        let (query, variables) = WAYS[0];
        let variables = |more| variables.replace('_', &list(&metric(json!({})).to_string(), more));
        for _ in 0..2 {
            let cost = r#","extensions":{"cost":true}"#;
            let (short, long) = (ask(app, query, &variables(0), cost).await, ask(app, query, &variables(MANY), cost).await);
            assert_eq!(long, short);
            assert!(long.1["extensions"]["cost"]["complexity"].is_number(), "{long:?}");
        }
    }
}
