//! Property tests (proptest): any text from outside gets a response, never an internal error or a dropped connection.

use std::fmt::Debug;

use axum::{
    body::Body,
    http::{HeaderValue, Request, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use metrograph::config::{self, AccessMode};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::{
    arbitrary::any,
    collection::vec,
    option, prop_oneof,
    strategy::{Just, Strategy},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{
    Engine, Reply, TestApp,
    builders::graphql::{context, metric, session},
};

/// Cases per engine.
const CASES: u32 = 200;

/// A fixed seed, so that failures can be reproduced.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Tries texts of `strategy` on a server with some data, and shrinks a failing one.
fn for_any<T: Debug>(strategy: &impl Strategy<Value = T>, property: &impl AsyncFn(&TestApp, T)) {
    for_any_in(AccessMode::Open, strategy, property);
}

/// Like [`for_any`], on a server in this access mode.
fn for_any_in<T: Debug>(mode: AccessMode, strategy: &impl Strategy<Value = T>, property: &impl AsyncFn(&TestApp, T)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let Some(app) = runtime.block_on(TestApp::start(engine, 5)) else { continue };
        runtime.block_on(app.seed());
        let guarded = runtime.block_on(app.guarded(mode));
        let outcome = runner(CASES).run(strategy, |text| {
            runtime.block_on(property(&guarded, text));
            Ok(())
        });
        runtime.block_on(guarded.finish());
        runtime.block_on(app.finish());
        outcome.unwrap();
    }
}

/// Arbitrary text with quotes, wildcards, escapes, zeros and whatever else there is.
fn text() -> impl Strategy<Value = String> {
    let awkward = prop_oneof![
        Just("\0".to_owned()),
        Just("%".to_owned()),
        Just("_".to_owned()),
        Just("\\".to_owned()),
        Just("'\";--".to_owned()),
        Just("${jndi:x}".to_owned()),
        Just("\u{202e}\u{fffd}\u{10ffff}".to_owned()),
        Just("9223372036854775808".to_owned()),
        Just("-1".to_owned()),
        Just("1e999".to_owned()),
    ];
    vec(prop_oneof![any::<String>(), awkward, "[a-zA-Z0-9_./:=-]{0,12}"], 0..5).prop_map(|parts| parts.concat())
}

/// JSON of any shape.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let name = prop_oneof![
            text(),
            "(and|or|not|eq|in|like|startsWith|gt|session|context|item|variant|component|totalTime|startedAt|passed|tags)"
        ];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((name, inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Returns the code of the first error, if there is one; it is never an internal error.
fn check(reply: &Reply, input: &str) -> Option<String> {
    assert!(reply.status.as_u16() < 500, "{input}: {} {}", reply.status, reply.text());
    let answer = reply.json();
    let code = answer["errors"][0]["extensions"]["code"].as_str().map(str::to_owned);
    assert!(answer["errors"].is_null() || code.is_some(), "{input}: an error without a code: {answer}");
    for internal in ["INTERNAL", "DATABASE_UNAVAILABLE"] {
        assert_ne!(code.as_deref(), Some(internal), "{input}: {answer}");
    }
    code
}

async fn ask(app: &TestApp, query: &str, variables: Value) -> Option<String> {
    let reply = app.post("/graphql", &json!({ "query": query, "variables": variables })).await;
    check(&reply, &variables.to_string())
}

#[test]
fn documents() {
    let words = vec(
        prop_oneof![
            text(),
            "(query|mutation|subscription|fragment|on|\\{|\\}|\\(|\\)|\\.\\.\\.|@include|@skip|\\$x|:|!|metrics|nodes|id|where|first|\"|\"\"\")"
        ],
        0..24,
    );
    for_any(&words, &async |app: &TestApp, words| {
        let document = words.join(" ");
        check(&app.post("/graphql", &json!({ "query": document })).await, &document);
    });
}

#[test]
fn bodies() {
    for_any(
        &prop_oneof![vec(any::<u8>(), 0..200), anything().prop_map(|json| json.to_string().into_bytes())],
        &async |app: &TestApp, bytes: Vec<u8>| {
            for path in ["/graphql", "/api/v1/metrics/", "/api/v1/sessions/", "/api/v1/contexts/"] {
                let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
                check(&app.send(request.body(Body::from(bytes.clone())).unwrap()).await, path);
            }
        },
    );
}

#[test]
fn cursors_and_ids() {
    // Some that look like real ones: text in Base64, the alphabet of cursors.
    let cursor = prop_oneof![text(), "[A-Za-z0-9_-]{0,40}={0,2}"];
    for_any(&cursor, &async |app: &TestApp, cursor| {
        let variables = json!({ "c": cursor, "i": cursor });
        ask(app, "query($c: String, $i: ID!) { metrics(first: 2, after: $c) { totalCount nodes { id } } node(id: $i) { id } nodes(ids: [$i]) { id } }", variables).await;
    });
}

#[test]
fn real_cursors_changed_in_one_place() {
    for_any(&(any::<u8>(), any::<char>()), &async |app: &TestApp, (place, letter)| {
        let first = app.graphql("{ metrics(first: 1) { pageInfo { endCursor } nodes { id } } }").await;
        let changed = |text: &Value| {
            let mut letters: Vec<char> = text.as_str().unwrap().chars().collect();
            let place = usize::from(place) % letters.len();
            letters[place] = letter;
            letters.into_iter().collect::<String>()
        };
        let metrics = &first["metrics"];
        let variables =
            json!({ "c": changed(&metrics["pageInfo"]["endCursor"]), "i": changed(&metrics["nodes"][0]["id"]) });
        ask(
            app,
            "query($c: String, $i: ID!) { metrics(first: 2, after: $c) { nodes { id } } node(id: $i) { id } }",
            variables,
        )
        .await;
    });
}

#[test]
fn filters() {
    for_any(&anything(), &async |app: &TestApp, filter| {
        ask(
            app,
            "query($f: MetricWhere) { metrics(where: $f, first: 2) { totalCount nodes { id } } }",
            json!({ "f": filter }),
        )
        .await;
        ask(
            app,
            "query($f: SessionWhere) { sessions(where: $f, first: 2) { totalCount nodes { id } } }",
            json!({ "f": filter }),
        )
        .await;
    });
}

#[test]
fn texts_inside_filters_mean_themselves() {
    for_any(&text(), &async |app: &TestApp, text| {
        let query = "query($t: String!) { a: metrics(where: {item: {eq: $t}}) { totalCount } b: metrics(where: {item: {startsWith: $t}}) { totalCount }
            c: metrics(where: {item: {like: $t}}) { totalCount } d: metrics(where: {item: {contains: $t}}) { totalCount } }";
        let code = ask(app, query, json!({ "t": text })).await;
        let is_refusable = text.contains('\0') || text.len() > 1000;
        assert!(code.is_none() || is_refusable, "{text:?}: {code:?}");
    });
}

#[test]
fn stored_texts_come_back() {
    let names = (text(), text(), text());
    for_any(&names, &async |app: &TestApp, (item, tag, node)| {
        let has_nul = [&item, &tag, &node].iter().any(|text| text.contains('\0'));
        let code = ask(
            app,
            "mutation($m: MetricInput!, $s: AnnounceSessionInput!, $c: AnnounceContextInput!) {
                recordMetric(input: $m) { metric { id } } announceSession(input: $s) { userErrors { code } } announceContext(input: $c) { userErrors { code } } }",
            json!({ "m": metric(json!({ "itemName": item })), "s": session(&format!("s-{tag}"), json!({ "tags": { "x": tag } })),
                "c": context(&format!("c-{node}"), json!({ "machineNode": node })) }),
        )
        .await;
        assert_eq!(code.is_some(), has_nul, "{code:?}");
        if !has_nul {
            let stored = app.graphql("{ metrics(last: 1) { nodes { item { name } } } }").await;
            assert_eq!(stored["metrics"]["nodes"][0]["item"]["name"], json!(item));
        }
    });
}

#[test]
fn credentials() {
    let sent = prop_oneof![
        text(),
        text().prop_map(|token| format!("Bearer {token}")),
        "Bearer mg_[A-Za-z0-9_-]{0,60}",
        "(Basic|basic|BASIC) [A-Za-z0-9+/=_-]{0,80}",
        text().prop_map(|login| format!("Basic {}", BASE64_STANDARD.encode(login))),
        text().prop_map(|password| format!("Basic {}", BASE64_STANDARD.encode(format!("ci:mg_{password}")))),
    ];
    let sent = sent.prop_filter("no header holds it", |sent| HeaderValue::from_bytes(sent.as_bytes()).is_ok());
    for_any_in(AccessMode::Closed, &sent, &async |app: &TestApp, sent: String| {
        for path in ["/api/v1/metrics/count", "/graphql?query=%7BmetricCount%7D"] {
            assert_eq!(app.get_as(Some(&sent), path).await.status, 401, "{sent:?}");
        }
    });
}

#[test]
fn paths_and_queries() {
    let steps = vec(
        prop_oneof![
            text(),
            "(metrics|sessions|contexts|components|pipelines|builds|items|variants|resources|head|tail|like|filters|scope|scm|count|1)"
        ],
        0..7,
    );
    for_any(&(steps, option::of(text()), text()), &async |app: &TestApp, (steps, name, value)| {
        let encoded = |text: &String| percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
        let path: Vec<String> = steps.iter().map(encoded).collect();
        let name = name.map_or_else(|| "page".to_owned(), |name| encoded(&name));
        let path = format!("/api/v1/{}?{name}={}", path.join("/"), encoded(&value));
        check(&app.get(&path).await, &path);
    });
}

#[test]
fn legacy_database_addresses_are_read_or_refused_in_one_line() {
    let address = prop_oneof![
        text(),
        (text(), text()).prop_map(|(scheme, rest)| format!("{scheme}://{rest}")),
        text().prop_map(|rest| format!("sqlite:///{rest}")),
        text().prop_map(|rest| format!("postgresql+psycopg2://user:secret@{rest}"))
    ];
    let outcome = runner(10 * CASES).run(&address, |address| {
        for flag in ["--monitor-server-database-uri", "--database-url"] {
            if let Err(config::Stop::Refused(reason)) = config::from(["metrograph", &format!("{flag}={address}")]) {
                assert!(reason.contains(flag.trim_start_matches('-')) || reason.contains(flag), "{reason}");
                assert!(
                    !reason.trim().is_empty() && (!reason.contains("secret") || !address.starts_with("postgres")),
                    "{reason}"
                );
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
