//! The limits of GraphQL requests: each allows exactly its setting, and the refusal names it.

use metrograph::config::Limits;
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    live::{Events, Socket, settle},
};
use axum::{
    body::Body,
    http::{Request, header},
};

async fn app(change: impl FnOnce(&mut Limits)) -> TestApp {
    TestApp::with(Engine::Sqlite, |settings| change(&mut settings.graphql.limits)).await.unwrap()
}

/// Asserts that the document runs.
async fn runs(app: &TestApp, query: &str) {
    app.graphql(query).await;
}

/// Asserts that the document is refused by this limit, with its value.
async fn refused(app: &TestApp, limit: &str, most: usize, query: &str) {
    let reply = app.post("/graphql", &json!({ "query": query })).await;
    let answer = reply.json();
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"], json!({ "code": "LIMIT_EXCEEDED", "limit": limit }), "{answer}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(limit) && message.contains(&format!("at most {most} are allowed")), "{message}");
    assert!(answer.get("data").is_none(), "{answer}");
}

fn repeated(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}

#[tokio::test]
async fn depth() {
    let app = app(|limits| limits.max_depth = 4).await;
    for (fits, over) in [
        ("{ sessions { nodes { build { name } } } }", "{ sessions { nodes { build { pipeline { name } } } } }"),
        (
            "{ sessions { ...A } } fragment A on SessionConnection { nodes { ...B } } fragment B on Session { build { name } }",
            "{ sessions { ...A } } fragment A on SessionConnection { nodes { ...B } }
             fragment B on Session { build { pipeline { name } } }",
        ),
    ] {
        runs(&app, fits).await;
        refused(&app, "max-depth", 4, over).await;
    }
    // Fragments are no fields: they may be nested to the depth of the validation itself.
    let inline =
        |levels: usize| format!("{{ {} sessionCount {} }}", "... on Query {".repeat(levels), "}".repeat(levels));
    runs(&app, &inline(80)).await;
    refused(&app, "max-depth", 90, &inline(100)).await;
    let chain = |count: usize| {
        let parts = repeated(count, |n| format!("fragment F{n} on Query {{ ...F{} }} ", n + 1));
        format!("{{ ...F0 }} {parts} fragment F{count} on Query {{ sessionCount }}")
    };
    runs(&app, &chain(80)).await;
    refused(&app, "max-depth", 90, &chain(100)).await;
    // The place where a fragment is first used makes no difference.
    let inner = repeated(60, |_| "... on Query {".to_owned());
    let (open, close) = (inner.as_str(), "}".repeat(60));
    let twice = format!(
        "query A {{ ...F ...G }} query B {{ ...G }} fragment F on Query {{ {open} metricCount {close} }} fragment G on Query {{ {open} ...F {close} }}"
    );
    refused(&app, "max-depth", 90, &twice).await;
}

#[tokio::test]
async fn limits_are_those_of_the_operation_asked_for() {
    let app = app(|limits| {
        (limits.max_depth, limits.max_aliases, limits.max_root_fields, limits.max_directives) = (3, 3, 3, 3);
    })
    .await;
    let aliases = |count| repeated(count, |n| format!("a{n}: sessionCount "));
    let skipped =
        repeated(2, |n| format!("... @skip(if: false) {{ b{n}: metricCount }}")).replace("b0:", "").replace("b1:", "");
    for other in [
        format!("query b {{ {} }}", aliases(4)),
        format!("query b {{ {} }} query c {{ {} }}", aliases(2), aliases(2)),
        "query b { sessions { nodes { build { name } } } }".to_owned(),
        "query b { metricCount sessionCount contextCount componentCount }".to_owned(),
        format!("query b {{ {skipped} }} query c {{ {skipped} }}"),
    ] {
        for query in [
            format!("query a {{ sessionCount }} {other}"),
            format!("{other} query a {{ ...F }} fragment F on Query {{ sessionCount }}"),
        ] {
            let request = |name: &str| json!({ "query": query, "operationName": name });
            let answer = app.post("/graphql", &request("a")).await.json();
            assert_eq!(answer, json!({ "data": { "sessionCount": 0 } }), "{query}");
            let answer = app.post("/graphql", &request("b")).await.json();
            let is_refused = answer["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED";
            assert_eq!(is_refused, !other.contains("query c"), "{query}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_document_does_not_multiply_its_values() {
    let app = app(|limits| limits.max_complexity = 1_000_000_000).await;
    let text = "x".repeat(30_000);
    let spread = |count| {
        let roots = repeated(count, |n| format!("a{n}: metrics(first: 1) {{ nodes {{ ...F }} }} "));
        format!(
            "{{ {roots} }} fragment F on Metric {{ item {{ metrics(where: {{session: {{eq: \"{text}\"}}}}) {{ totalCount }} }} }}"
        )
    };
    runs(&app, &spread(20)).await;
    let answer = app.post("/graphql", &json!({ "query": spread(190) })).await.json();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("as variables"), "{answer}");
    // Open subscriptions keep their selection in memory.
    let wide = |count: usize| repeated(count, |n| format!("a{n}: id "));
    let app = self::app(|limits| limits.max_aliases = 10_000).await;
    let query = format!("subscription {{ metricRecorded {{ {} }} }}", wide(2_100));
    let answer = Events::post(&app, &query).await.next().await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{answer}");
}

#[tokio::test]
async fn depth_as_far_as_it_can_be_set() {
    let app = app(|limits| (limits.max_depth, limits.max_complexity) = (60, 1_000_000_000)).await;
    let deep = |levels: usize| {
        let open = "pipeline { builds(first: 1) { nodes {".repeat(levels);
        format!("{{ sessions(first: 1) {{ nodes {{ build {{ {open} name {} }} }} }} }}", "} } }".repeat(levels))
    };
    runs(&app, &deep(18)).await;
    refused(&app, "max-depth", 60, &deep(19)).await;
}

#[tokio::test]
async fn complexity() {
    let app = app(|limits| limits.max_complexity = 100).await;
    runs(&app, "{ sessions(first: 33) { nodes { id hash } } }").await;
    refused(&app, "max-complexity", 100, "{ sessions(first: 34) { nodes { id hash } } }").await;
    refused(&app, "max-complexity", 100, "{ sessions { nodes { id hash } } }").await;
}

#[tokio::test]
async fn complexity_beyond_all_numbers() {
    let app = app(|_| ()).await;
    let (open, close) = ("sessions(first: 500) { nodes { build { ", "} } }");
    for lists in [2, 5, 7] {
        let deep = format!("{{ {} name {} }}", open.repeat(lists), close.repeat(lists));
        refused(&app, "max-complexity", 500_000, &deep).await;
    }
}

#[tokio::test]
async fn aliases() {
    let app = app(|limits| limits.max_aliases = 5).await;
    let document = |count| format!("{{ session(hash: \"a\") {{ {} }} }}", repeated(count, |n| format!("a{n}: hash ")));
    runs(&app, &document(5)).await;
    refused(&app, "max-aliases", 5, &document(6)).await;
    let spread = "{ a: session(hash: \"a\") { ...A } b: session(hash: \"b\") { ...A } } fragment A on Session { x: hash y: hash }";
    refused(&app, "max-aliases", 5, spread).await;
}

#[tokio::test]
async fn root_fields() {
    let app = app(|limits| limits.max_root_fields = 3).await;
    runs(&app, "{ sessionCount contextCount metricCount }").await;
    refused(&app, "max-root-fields", 3, "{ sessionCount contextCount metricCount __typename }").await;
    refused(
        &app,
        "max-root-fields",
        3,
        "{ sessionCount ... { contextCount ...A } } fragment A on Query { metricCount __typename }",
    )
    .await;
    refused(&app, "max-root-fields", 3, "mutation { __typename __typename __typename __typename }").await;
}

#[tokio::test]
async fn directives() {
    let app = app(|limits| limits.max_directives = 2).await;
    runs(&app, "{ sessionCount @skip(if: false) metricCount @include(if: true) }").await;
    for over in [
        "{ sessionCount @skip(if: false) metricCount @include(if: true) contextCount @skip(if: false) }",
        "{ ...A @skip(if: false) ... @skip(if: false) { metricCount } } fragment A on Query { sessionCount @skip(if: false) }",
        "{ sessionCount @skip(if: false) @include(if: true) metricCount @include(if: true) }",
    ] {
        refused(&app, "max-directives", 2, over).await;
    }
}

#[tokio::test]
async fn tokens() {
    let app = app(|limits| limits.max_tokens = 16).await;
    runs(&app, "{ metricCount(where: {item: {eq: \"{ a b c d e f g }\"}}) } # not, counted, this, is").await;
    refused(&app, "max-tokens", 16, "{ metricCount(where: {item: {eq: \"a\"}}) __typename }").await;
}

#[tokio::test]
async fn tokens_beyond_all_bounds_are_refused_at_once() {
    let app = app(|_| ()).await;
    for text in ["{".repeat(5_000_000), "{ a ".repeat(1_000_000), format!("{{ {} }}", "a ".repeat(5_000_000))] {
        let start = std::time::Instant::now();
        refused(&app, "max-tokens", 15_000, &text).await;
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn rows() {
    let app = app(|limits| limits.max_rows = 20).await;
    for fits in [
        "sessions(first: 20) { nodes { hash } }",
        "sessions(last: 20) { nodes { hash } }",
        "sessions { nodes { hash } }",
    ] {
        runs(&app, &format!("{{ {fits} }}")).await;
    }
    for (argument, over) in
        [("first", "sessions(first: 21) { nodes { hash } }"), ("last", "metrics(last: 500) { nodes { id } }")]
    {
        let answer = app.graphql_with(&format!("{{ {over} }}"), json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED", "{answer}");
        assert!(
            error["message"].as_str().unwrap().starts_with(&format!("{argument}: give a number from 0 to 20")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn rest_has_limits_of_its_own() {
    let app = app(|limits| {
        *limits = Limits {
            max_depth: 1,
            max_complexity: 1,
            max_aliases: 0,
            max_root_fields: 1,
            max_tokens: 1,
            max_rows: 1,
            ..*limits
        };
    })
    .await;
    assert_eq!(app.get("/api/v1/metrics/count").await.expect(200), json!({ "count": 0 }));
    assert_eq!(app.get("/api/v1/sessions/").await.status, 204);
    assert_eq!(app.get("/api/v1/resources/memory/head/20/metrics").await.status.as_u16() / 100, 2);
}

#[tokio::test]
async fn batches() {
    let app = app(|limits| limits.max_batch = 3).await;
    let batch = |count| Value::from(vec![json!({ "query": "{ sessionCount }" }); count]);
    let answers = app.post("/graphql", &batch(3)).await.expect(200);
    assert_eq!(answers, Value::from(vec![json!({ "data": { "sessionCount": 0 } }); 3]));
    let message = "max-batch: more than 3 requests were sent together, at most 3 are allowed: send them in parts";
    let extensions = json!({ "code": "LIMIT_EXCEEDED", "limit": "max-batch" });
    let error = json!({ "errors": [{ "message": message, "extensions": extensions }] });
    // Each request has an error, since clients expect as many responses as they sent requests.
    for (sent, reported) in [(4, 4), (50, 50), (5_000, 1_000)] {
        let refused = app.post("/graphql", &batch(sent)).await.expect(200);
        assert_eq!(refused, Value::from(vec![error.clone(); reported]));
    }
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::ACCEPT, "application/graphql-response+json").body(batch(4).to_string().into());
    assert_eq!(app.send(request.unwrap()).await.expect(400), Value::from(vec![error; 4]));
}

#[tokio::test]
async fn twenty_requests_may_be_sent_together_by_default() {
    let app = app(|_| ()).await;
    for (count, code) in [(10, None), (20, None), (21, Some("LIMIT_EXCEEDED"))] {
        let batch = Value::from(vec![json!({ "query": "{ sessionCount }" }); count]);
        let answers = app.post("/graphql", &batch).await.expect(200);
        assert_eq!(answers.as_array().unwrap().len(), count);
        assert_eq!(answers[0]["errors"][0]["extensions"]["code"].as_str(), code);
    }
}

#[tokio::test]
async fn values() {
    let app = app(|_| ()).await;
    let many = |value: &str, count: usize| vec![value; count].join(",");
    for body in [
        format!("[{}]", many("{}", 400_001)),
        format!("{{\"query\": \"{{ sessionCount }}\", \"variables\": {{\"a\": [{}]}}}}", many("[]", 400_001)),
    ] {
        for path in ["/graphql", "/api/v1/metrics/"] {
            let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
            let refused = app.send(request.body(Body::from(body.clone())).unwrap()).await;
            assert!(refused.expect(413).to_string().contains("400000 values"), "{path}");
        }
    }
    // A comma in a text does not separate values.
    let query = format!("{{ sessionCount }} #{}", many("[]", 400_001));
    assert_eq!(
        app.post("/graphql", &json!({ "query": query })).await.json()["errors"][0]["extensions"]["code"],
        Value::Null
    );
}

#[tokio::test]
async fn the_cost_is_reported_on_request() {
    let app = app(|limits| limits.max_complexity = 200).await;
    let cost = async |query: &str, variables: Value| {
        let body = json!({ "query": query, "variables": variables, "extensions": { "cost": true } });
        app.post("/graphql", &body).await.expect(200)
    };
    let query = "query($n: Int) { sessions(first: $n) { totalCount nodes { id hash } } }";
    let reported = cost(query, json!({ "n": 10 })).await;
    assert_eq!(
        reported["extensions"],
        json!({ "cost": { "complexity": 40, "maxComplexity": 200, "depth": 3, "maxDepth": 24 } })
    );
    assert_eq!(reported["data"]["sessions"]["nodes"], json!([]));
    let refused = cost(query, json!({ "n": 100 })).await;
    assert_eq!(refused["extensions"]["cost"]["complexity"], 400);
    assert_eq!(refused["errors"][0]["extensions"]["limit"], "max-complexity");
    assert!(refused.get("data").is_none());
    let mut socket = Socket::initialized(&app).await;
    let payload = json!({ "query": "subscription { metricRecorded { id itemName } }", "extensions": { "cost": true } });
    socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    settle().await;
    for is_first in [true, false] {
        app.record(json!({})).await;
        assert_eq!(socket.receive().await["payload"]["extensions"]["cost"]["complexity"].is_number(), is_first);
    }
    for plain in [app.graphql_with(query, json!({ "n": 10 })).await, cost("{ nothing }", json!({})).await] {
        assert!(plain.get("extensions").is_none(), "{plain}");
    }
}
