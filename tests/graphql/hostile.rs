//! Hostile requests: each gets an error with a code, and the server goes on.

use axum::{
    body::Body,
    http::{Request, header},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    history::nested_in_texts,
    on_both_engines,
};

const REFUSED: [&str; 4] = ["BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "LIMIT_EXCEEDED"];

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Sends a body as it is. The response is never an internal error, and every error has a code.
async fn send(app: &TestApp, body: String) -> Value {
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    let reply = app.send(request.body(Body::from(body.clone())).unwrap()).await;
    assert!(reply.status.as_u16() < 500, "{}: {}", short(&body), short(&reply.text()));
    let answer = reply.json();
    for error in answer["errors"].as_array().into_iter().flatten() {
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        assert!(REFUSED.contains(&code), "{}: {}", short(&body), short(&error.to_string()));
    }
    answer
}

/// Returns the code of the error that a request must get.
async fn refused_with(app: &TestApp, query: &str, variables: Value) -> String {
    let answer = send(app, json!({ "query": query, "variables": variables }).to_string()).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or_else(|| panic!("{}: {}", short(query), short(&answer.to_string()))).to_owned()
}

async fn refused(app: &TestApp, query: &str) -> String {
    refused_with(app, query, json!({})).await
}

/// Builds a selection of this depth below the root.
fn deep(levels: usize) -> String {
    format!(
        "{{ session(hash: \"a\") {{ {} hash {} }} }}",
        "build { pipeline { sessions(first: 1) { nodes {".repeat(levels),
        "} } } }".repeat(levels)
    )
}

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
}

on_both_engines! {
    async fn extensions_are_nested_no_deeper_than_anything_else(app: &TestApp) {
        let text = nested_in_texts();
        let answer = send(app, format!("{{\"query\":\"{{ metricCount }}\",\"extensions\":{{\"a\":{text}}}}}")).await;
        assert_eq!(answer["data"]["metricCount"], 0, "{answer}");
    }

    /// A forged cursor may name positions outside of any history.
    async fn a_cursor_of_a_place_far_away_has_everything_on_one_side(app: &TestApp) {
        app.seed().await;
        let known = app.graphql("{ metrics(first: 1) { pageInfo { endCursor } } }").await;
        let cursor = BASE64_URL_SAFE_NO_PAD.decode(known["metrics"]["pageInfo"]["endCursor"].as_str().unwrap()).unwrap();
        let cursor = String::from_utf8(cursor).unwrap();
        let order = cursor.split(':').next().unwrap();
        for (place, is_after) in [(i64::MIN, true), (-1, true), (0, true), (i64::MAX - 1, false), (i64::MAX, false)] {
            let cursor = BASE64_URL_SAFE_NO_PAD.encode(format!("{order}:{place}:{place}"));
            for filter in ["", ", where: {component: {eq: \"core\"}}"] {
                let query = format!(
                    "{{ all: metrics(first: 9{filter}) {{ nodes {{ id }} }}
                        behind: metrics(first: 9, after: \"{cursor}\"{filter}) {{ nodes {{ id }} }}
                        ahead: metrics(last: 9, before: \"{cursor}\"{filter}) {{ nodes {{ id }} }} }}"
                );
                let answer = app.graphql(&query).await;
                let (full, empty) = if is_after { ("behind", "ahead") } else { ("ahead", "behind") };
                assert_eq!((&answer[full], &answer[empty]["nodes"]), (&answer["all"], &json!([])), "{place}{filter}");
            }
        }
    }

    async fn what_the_schema_does_not_have_is_refused(app: &TestApp) {
        for query in [
            "{ nothing }", "{ sessions { nothing } }", "{ sessionCount(nothing: 1) }", "{ sessionCount { x } }", "{ sessions }",
            "{ ...Nothing }", "{ ...A } fragment A on Query { ...A }", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
            "{ ...A } fragment A on Session { hash }", "fragment A on Query { sessionCount }", "subscription { x }", "{ sessionCount @nothing }",
            "{ a: sessionCount a: metricCount }", "query($x: Nothing) { sessionCount }", "query($x: Int) { sessionCount }",
            "{ metrics(where: {nothing: 1}) { totalCount } }", "{ metrics(orderBy: {by: TOTAL_TIME}) { totalCount } }",
            "{ topMetrics(resource: HEAT) { id } }", "{ topMetrics { id } }", "{ sessionCount(where: {tagged: {method: MATCH_SOME}}) }",
            "query a { sessionCount } query a { metricCount }", "{ sessionCount } { metricCount }",
            "mutation { recordMetric(input: {}) { metric { id } } }", "mutation { sessionCount }", "{ recordMetric { metric { id } } }",
            "{ metrics(first: 1, first: 2) { totalCount } }", "{ session(hash: $h) { id } }",
        ] {
            assert_ne!(refused(app, query).await, "BAD_USER_INPUT", "{query}");
        }
        for operation in ["nothing", "🙂", "a\0"] {
            let answer = send(app, json!({ "query": "query a { sessionCount }", "operationName": operation }).to_string()).await;
            assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{answer}");
        }
    }

    async fn texts_that_are_no_document_are_refused(app: &TestApp) {
        for text in ["", " ", "#", "{", "}", "{}", "query", "query {", "{ a(: 1) }", "{ a(b: ) }", "\"", "\"\"\"", "{ a(b: \"\\u12\") }",
            "{ a(b: \"\\ud800\") }", "{ a(b: 1.) }", "{ a(b: 01) }", "\u{feff}\u{feff}{", "🙂", "{ a(b: [1) }", "{ a @ }", "{ ... }", "$", "null", "[1]", "{\u{1}}"] {
            assert_eq!(refused(app, text).await, "GRAPHQL_PARSE_FAILED", "{text:?}");
        }
    }

    async fn variables_of_another_type_or_missing_are_refused(app: &TestApp) {
        app.seed().await;
        let query = "query($h: String!, $n: Int, $f: MetricWhere, $o: MetricOrder, $b: Boolean = true) {
            session(hash: $h) @include(if: $b) { id } metrics(first: $n, where: $f, orderBy: $o) { totalCount } }";
        app.run(query, json!({ "h": "s1" })).await;
        for change in [
            json!({ "h": null }), json!({ "h": 1 }), json!({ "h": ["s1", "s2"] }), json!({ "h": {} }), json!({ "n": "1" }), json!({ "n": 1.5 }),
            json!({ "n": true }), json!({ "n": [1, 2] }), json!({ "n": 9_223_372_036_854_775_808_u64 }), json!({ "n": 1e30 }),
            json!({ "n": -9_223_372_036_854_775_808_i64 }), json!({ "f": [] }), json!({ "f": "x" }), json!({ "f": { "nothing": 1 } }),
            json!({ "f": { "totalTime": 1 } }), json!({ "f": { "totalTime": { "gt": "NaN" } } }), json!({ "f": { "totalTime": { "gt": "1" } } }),
            json!({ "f": { "session": "s1" } }), json!({ "f": { "passed": 1 } }), json!({ "f": { "startedAt": { "gt": 5 } } }),
            json!({ "f": { "startedAt": { "gt": "" } } }), json!({ "f": { "startedAt": { "gt": "2026-13-45" } } }), json!({ "f": { "or": [null] } }),
            json!({ "o": { "by": "inserted" } }), json!({ "o": {} }), json!({ "o": { "by": "INSERTED", "direction": "UP" } }), json!({ "b": "yes" }),
            json!({ "b": null }),
        ] {
            let mut variables = json!({ "h": "s1" });
            variables.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            refused_with(app, query, variables).await;
        }
        refused_with(app, query, json!({})).await;
    }

    async fn numbers_beyond_all_bounds_are_refused(app: &TestApp) {
        for query in [
            "{ metrics(first: 99999999999999999999) { totalCount } }", "{ metrics(first: 9223372036854775807) { totalCount } }",
            "{ metrics(first: -9223372036854775808) { totalCount } }", "{ metrics(last: 100000) { totalCount } }", "{ metrics(first: -1) { totalCount } }",
            "{ metrics(first: 1e3) { totalCount } }", "{ metrics(first: 1.0) { totalCount } }", "{ metrics(where: {totalTime: {gt: NaN}}) { totalCount } }",
            "{ metrics(where: {totalTime: {gt: Infinity}}) { totalCount } }", "{ metrics(where: {totalTime: {gt: 1e999}}) { totalCount } }",
            "{ metrics(where: {totalTime: {gt: -1e999}}) { totalCount } }", "{ contexts(where: {cpuCount: {eq: 1.5}}) { totalCount } }",
            "{ contexts(where: {cpuCount: {eq: 9223372036854775808}}) { totalCount } }",
        ] {
            refused(app, query).await;
        }
        for text in ["1e999", "-1e999", "NaN", "Infinity", "-", "1e", "0x10", "--1"] {
            let body = format!("{{\"query\": \"query($f: Float) {{ metricCount(where: {{totalTime: {{gt: $f}}}}) }}\", \"variables\": {{\"f\": {text}}}}}");
            assert!(send(app, body).await["errors"][0]["extensions"]["code"].is_string(), "{text}");
        }
        for (page, code) in [("0", "NOT_FOUND"), ("2", "NOT_FOUND"), ("2147483647", "NOT_FOUND"), ("-2147483648", "NOT_FOUND"),
            ("2147483648", "GRAPHQL_VALIDATION_FAILED"), ("-2147483649", "GRAPHQL_VALIDATION_FAILED")] {
            assert_eq!(app.graphql_error(&format!("{{ metricPage(page: {page}) {{ totalPages }} }}")).await, code);
        }
    }

    async fn figures_at_the_ends_of_their_range_are_stored(app: &TestApp) {
        let ends = [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0, 0.1 + 0.2];
        app.record_all(ends.iter().map(|end| metric(json!({ "totalTime": end, "memoryUsage": end }))).collect()).await;
        let stored = app.bare("{ metrics { nodes { totalTime } } }").await;
        assert_eq!(stored.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect::<Vec<_>>(), ends);
        let most = i32::MAX;
        app.announce_machine(context("c", json!({ "cpuCount": most, "ramTotal": i32::MIN, "cpuFrequency": 1e300 }))).await;
        assert_eq!(app.bare("{ contexts { nodes { cpuCount ramTotal cpuFrequencyMhz } } }").await,
            json!([{ "cpuCount": most, "ramTotal": i32::MIN, "cpuFrequencyMhz": most }]));
    }

    async fn a_nul_is_refused_wherever_it_stands(app: &TestApp) {
        let nul = "a\0b";
        for (query, variables) in [
            ("query($v: String!) { session(hash: $v) { id } }", json!({ "v": nul })),
            ("query($v: MetricWhere) { metricCount(where: $v) }", json!({ "v": { "or": [{ "session": { "in": ["x", nul] } }] } })),
            ("query($v: MetricWhere) { metricCount(where: $v) }", json!({ "v": { "item": { "like": nul } } })),
            ("query($v: String!) { component(name: $v) { id } }", json!({ "v": "\0" })),
            ("query($v: ID!) { node(id: $v) { id } }", json!({ "v": nul })),
            ("query($v: String) { metrics(after: $v) { totalCount } }", json!({ "v": nul })),
            ("mutation($v: AnnounceSessionInput!) { announceSession(input: $v) { session { id } } }", json!({ "v": session("s", json!({ "tags": { nul: "x" } })) })),
            ("mutation($v: AnnounceSessionInput!) { announceSession(input: $v) { session { id } } }", json!({ "v": session("s", json!({ "tags": { "x": nul } })) })),
            ("mutation($v: AnnounceSessionInput!) { announceSession(input: $v) { session { id } } }", json!({ "v": session(nul, json!({})) })),
            ("mutation($v: MetricInput!) { recordMetric(input: $v) { metric { id } } }", json!({ "v": metric(json!({ "location": nul })) })),
            ("mutation($v: AnnounceContextInput!) { announceContext(input: $v) { context { id } } }", json!({ "v": context("c", json!({ "cpuVendor": nul })) })),
        ] {
            assert_eq!(refused_with(app, query, variables).await, "BAD_USER_INPUT", "{query}");
        }
        for literal in [r#""a\u0000b""#, r#""\u{0}""#, "\"\"\"a\0b\"\"\"", "\"a\0b\""] {
            refused(app, &format!("{{ session(hash: {literal}) {{ id }} }}")).await;
            refused(app, &format!("query($h: String = {literal}) {{ session(hash: $h) {{ id }} }}")).await;
        }
        assert_eq!(app.bare("{ sessionCount contextCount metricCount }").await, json!({ "sessionCount": 0, "contextCount": 0, "metricCount": 0 }));
    }

    async fn long_patterns_and_long_lists_are_refused(app: &TestApp) {
        let query = "query($f: MetricWhere) { metrics(where: $f) { totalCount nodes { id } } }";
        let (pattern, many) = ("%a".repeat(5000), vec!["x"; 2000]);
        for filter in [
            json!({ "item": { "like": pattern } }), json!({ "item": { "contains": pattern } }), json!({ "session": { "in": many } }),
            json!({ "totalTime": { "in": vec![1.5; 1001] } }), json!({ "startedAt": { "in": vec!["2026-01-01"; 1001] } }),
            json!({ "not": { "and": [{ "or": [{ "session": { "in": many } }] }] } }),
        ] {
            assert_eq!(refused_with(app, query, json!({ "f": filter })).await, "BAD_USER_INPUT", "{}", short(&filter.to_string()));
        }
        for filter in [json!({ "item": { "like": "%a".repeat(2048) } }), json!({ "session": { "in": vec!["x"; 1000] } })] {
            assert_eq!(app.run(query, json!({ "f": filter })).await["metrics"]["totalCount"], 0);
        }
    }

    async fn filters_too_large_as_a_whole_are_refused(app: &TestApp) {
        app.record_all(vec![metric(json!({}))]).await;
        let query = "query($f: MetricWhere) { metrics(where: $f) { totalCount nodes { id } } }";
        let leaf = json!({ "totalTime": { "gt": 0.5 } });
        let values = json!({ "session": { "in": vec!["x"; 1000] } });
        let nested = |levels: usize| (0..levels).fold(leaf.clone(), |filter, _| json!({ "not": filter }));
        for filter in [json!({ "or": vec![leaf.clone(); 5000] }), json!({ "and": vec![leaf.clone(); 5000] }), json!({ "or": vec![values.clone(); 40] }),
            json!({ "and": vec![json!({ "not": leaf }); 3000] }), json!({ "or": vec![json!({}); 5000] })] {
            assert_eq!(refused_with(app, query, json!({ "f": filter })).await, "BAD_USER_INPUT", "{}", short(&filter.to_string()));
        }
        for filter in [json!({ "or": vec![leaf.clone(); 100] }), json!({ "and": vec![leaf.clone(); 100] }), nested(18),
            json!({ "or": vec![json!({}); 390] }),
            json!({ "or": [leaf, { "and": vec![values; 4] }] })] {
            assert_eq!(app.run(query, json!({ "f": filter })).await["metrics"]["totalCount"], 1, "{filter}");
        }
        assert_eq!(refused_with(app, query, json!({ "f": nested(50) })).await, "BAD_USER_INPUT");
        // The greatest depth that literals and variables together may have.
        let query = format!("query($f: MetricWhere) {{ metrics(where: {} $f {}) {{ totalCount }} }}", "{not: ".repeat(18), "}".repeat(18));
        assert_eq!(app.run(&query, json!({ "f": nested(18) })).await["metrics"]["totalCount"], 1);
        for levels in [30, 60, 100, 1000] {
            let literal = format!("{}{{}}{}", "{not: ".repeat(levels), "}".repeat(levels));
            refused(app, &format!("{{ metricCount(where: {literal}) }}")).await;
            refused(app, &format!("query($f: MetricWhere = {literal}) {{ metricCount(where: $f) }}")).await;
            refused(app, &format!("{{ ...F }} fragment F on Query {{ metricCount(where: {literal}) }}")).await;
        }
    }

    async fn deep_wide_and_costly_documents_are_refused(app: &TestApp) {
        app.seed().await;
        app.graphql(&deep(4)).await;
        refused(app, &deep(6)).await;
        refused(app, &deep(500)).await;
        let aliases = |count: usize| format!("{{ session(hash: \"s1\") {{ {} }} }}", (0..count).map(|n| format!("a{n}: hash ")).collect::<String>());
        app.graphql(&aliases(200)).await;
        refused(app, &aliases(201)).await;
        refused(app, &aliases(20_000)).await;
        refused(app, "{ sessions(first: 500) { nodes { metrics(first: 500) { nodes { id kind } } } } }").await;
        refused(app, "{ contexts(first: 500) { nodes { sessions(first: 500) { nodes { metrics(first: 500) { nodes { id } } } } } } }").await;
        refused_with(app, "query($n: Int) { sessions(first: $n) { nodes { metrics(first: $n) { nodes { id kind } } } } }", json!({ "n": 500 })).await;
        let directives = format!("{{ sessionCount {} }}", "@include(if: true) ".repeat(20_000));
        send(app, json!({ "query": directives }).to_string()).await;
        app.graphql("{ sessionCount }").await;
    }

    async fn fragments_that_double_at_every_step_are_refused(app: &TestApp) {
        let doubling = |n: usize| format!("fragment F{n} on Query {{ ...F{0} ...F{0} }} ", n + 1);
        let bomb = format!("{{ ...F0 }} {} fragment F30 on Query {{ sessionCount }}", (0..30).map(doubling).collect::<String>());
        refused(app, &bomb).await;
        let chain: String = (0..20_000).map(|n| format!("fragment F{n} on Query {{ ...F{} }} ", n + 1)).collect();
        refused(app, &format!("{{ ...F0 }} {chain} fragment F20000 on Query {{ sessionCount }}")).await;
        let chain: String = (0..25).map(|n| format!("fragment F{n} on Query {{ ...F{} }} ", n + 1)).collect();
        app.graphql(&format!("{{ ...F0 }} {chain} fragment F25 on Query {{ sessionCount }}")).await;
    }

    async fn validation_errors_are_bounded(app: &TestApp) {
        let wrong: String = (0..4_000).map(|number| format!("metricCoun{number} ")).collect();
        let answer = send(app, json!({ "query": format!("{{ {wrong} }}") }).to_string()).await;
        assert_eq!(answer["errors"].as_array().unwrap().len(), 100);
        let unknown: String = (0..4_000).map(|number| format!("a{number}: metricCount(where: $w{number}) ")).collect();
        assert!(send(app, json!({ "query": format!("{{ {unknown} }}") }).to_string()).await["errors"].as_array().unwrap().len() <= 100);
        // One problem is reported once, however many operations have it.
        let operations: String = (0..20).map(|number| format!("query Q{number} {{ ...F }} ")).collect();
        let wrong = "$x, ".repeat(500);
        let twice = format!("{operations} fragment F on Query {{ metricCount(where: {{kind: {{in: [{wrong}]}}}}) }}");
        assert_eq!(send(app, json!({ "query": twice }).to_string()).await["errors"].as_array().unwrap().len(), 100);
        let twice = "query A { ...F } query B { ...F } fragment F on Query { metricCount(where: {kind: {eq: \"a\", eq: \"a\"}}) }";
        assert_eq!(send(app, json!({ "query": twice }).to_string()).await["errors"].as_array().unwrap().len(), 1);
        let long = format!("{{ {} {} }}", "m".repeat(200_000), "n".repeat(200_000));
        assert_eq!(send(app, json!({ "query": long }).to_string()).await["errors"].as_array().unwrap().len(), 2);
    }

    async fn documents_deep_in_themselves_are_refused(app: &TestApp) {
        refused(app, &"{ a".repeat(20_000)).await;
        refused(app, &format!("{{ metricCount(where: {}{}) }}", "{not: ".repeat(5000), "}".repeat(5000))).await;
        refused(app, &format!("{{ nodes(ids: {}{}) {{ id }} }}", "[".repeat(50_000), "]".repeat(50_000))).await;
    }

    async fn variables_deep_in_themselves_are_refused(app: &TestApp) {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [format!("{{\"query\": \"{{ sessionCount }}\", \"variables\": {{\"a\": {deep}}}}}"), deep, "{\"a\":".repeat(100_000)] {
            assert!(send(app, body).await["errors"][0]["extensions"]["code"].is_string());
        }
    }

    async fn odd_tags_are_refused_or_kept(app: &TestApp) {
        let announce = "mutation($v: AnnounceSessionInput!) { announceSession(input: $v) { session { tags { name value } } } }";
        for tags in [json!([1]), json!("x"), json!(null), json!({ "a": {} }), json!({ "a": ["b"] }), json!(5)] {
            refused_with(app, announce, json!({ "v": session("s", json!({ "tags": tags })) })).await;
        }
        let long = "x".repeat(100_000);
        for (n, (name, value)) in [("", ""), ("🙂", "ü"), ("a b", "'; DROP TABLE session; --"), (&*long, &*long), ("\u{202e}", "\u{ffff}")].iter().enumerate() {
            let stored = app.run(announce, json!({ "v": session(&format!("s{n}"), json!({ "tags": { *name: value } })) })).await;
            assert_eq!(stored["announceSession"]["session"]["tags"], json!([{ "name": name, "value": value }]));
        }
        assert_eq!(app.bare("{ sessionCount }").await, json!(5));
    }

    async fn texts_reach_the_database_as_values(app: &TestApp) {
        app.seed().await;
        for text in ["'", "''", "\"", "' OR 1=1 --", "\\", "$1", "?", ":a", "%", "{}", "\u{1}", "\r\n", "é\u{301}"] {
            let query = "query($t: String!) { a: metricCount(where: {session: {eq: $t}}) b: metricCount(where: {item: {in: [$t]}})
                c: metricCount(where: {path: {startsWith: $t}}) d: sessionCount(where: {tagged: {names: [$t], values: [$t]}}) component(name: $t) { id } }";
            let answer = app.run(query, json!({ "t": text })).await;
            assert_eq!(answer, json!({ "a": 0, "b": 0, "c": 0, "d": 0, "component": null }), "{text:?}");
            app.run("query($t: String!) { metricCount(where: {item: {like: $t, contains: $t}}) }", json!({ "t": text })).await;
        }
    }

    async fn tags_are_asked_for_up_to_a_limit(app: &TestApp) {
        app.seed().await;
        for method in ["match_any", "match_all"] {
            let path = |tags: usize| format!("/api/v1/sessions/?method={method}&with_flags={}", vec!["python"; tags].join(","));
            assert!(app.get(&path(100)).await.status.is_success(), "{method}");
            app.get(&path(101)).await.refuses(400, "with_flags: at most 100");
        }
    }

    async fn random_documents_do_no_harm(app: &TestApp) {
        const WORDS: &[&str] = &["{", "}", "(", ")", "[", "]", ":", "!", "$a", "@skip(if: true)", "...", "on Session", "query", "mutation", "fragment F", "...F",
            "sessions", "metrics", "nodes", "edges", "node", "cursor", "id", "first: 2", "last: -1", "where: {", "or: [", "not: {", "session: {eq: \"s1\"}",
            "totalTime: {gt: 1}", "orderBy: {by: RUN_DATE}", "after: \"eA\"", "totalCount", "a:", "null", "1e9", "\"\"\"x\"\"\"", "#", "\n", "__typename", "$", "&", "tags"];
        app.seed().await;
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        for _ in 0..400 {
            let mut text = "{ sessions(".to_owned();
            text.truncate([0, 2, 10, 11][dice.roll(4)]);
            for _ in 0..=dice.roll(25) {
                text.push_str(WORDS[dice.roll(WORDS.len())]);
                text.push(' ');
            }
            send(app, json!({ "query": text, "variables": { "a": dice.roll(9) } }).to_string()).await;
        }
        assert_eq!(app.bare("{ sessionCount }").await, json!(5));
    }
}
