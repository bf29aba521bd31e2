//! Validation by section 5 of the specification, edition of September 2025. `tests/clients/judges` compares thousands of documents
//! with npm's graphql.

use metrograph::config::AccessMode::Closed;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    access::bearer,
    builders::graphql::{context, metric},
    on_both_engines,
};

/// Invalid documents by the rule that they break.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "input fields are unique",
        &[
            "{ metricCount(where: {kind: {eq: \"a\"}, kind: {eq: \"b\"}}) }",
            "{ metricCount(where: {kind: {eq: \"a\", eq: \"a\"}}) }",
            "query($w: MetricWhere = {kind: {}, kind: {}}) { metricCount(where: $w) }",
            "mutation { announceSession(input: {hash: \"s\", runDate: \"2026-01-05T03:00:00\", tags: {a: 1, a: 2}}) { session { id } } }",
        ],
    ),
    (
        "variables fit their places",
        &[
            "query($i: ID) { node(id: $i) { id } }",
            "query($i: [ID]!) { nodes(ids: $i) { id } }",
            "query($i: ID) { nodes(ids: [$i]) { id } }",
            "query($i: ID!) { nodes(ids: $i) { id } }",
            "query($n: Float) { metrics(first: $n) { totalCount } }",
            "query($n: Int = null) { nodes(ids: [\"a\"]) { id } node(id: \"a\") { ... on Session { metrics(first: $n) { totalCount } } } x: topMetrics(resource: $n) { id } }",
            "query($r: Resource = null) { topMetrics(resource: $r) { id } }",
            "query($id: ID = null) { variant(by: {id: $id}) { name } }",
            "query($id: ID = null) { variant(by: {id: \"a\"}) { name } ...F } fragment F on Query { build(by: {id: $id}) { name } }",
            "query($b: MetricOrderField) { metrics(orderBy: {by: $b}) { totalCount } }",
            "query($k: String) { metricCount(where: {kind: {in: [$k]}}) }",
            "query($y: Boolean) { metricCount @skip(if: $y) }",
            "query($y: Boolean) { metricCount ... @include(if: $y) { sessionCount } }",
            "query($y: String!) { __typename @skip(if: $y) }",
        ],
    ),
    (
        "variables are declared",
        &[
            "query { metrics(first: $n) { totalCount } }",
            "query A { ...F } query B($n: Int) { ...F } fragment F on Query { metrics(first: $n) { totalCount } }",
            "mutation { announceSession(input: {hash: \"s\", runDate: \"2026-01-05T03:00:00\", tags: {a: $x}}) { session { id } } }",
            "mutation { announceSession(input: {hash: \"s\", runDate: \"2026-01-05T03:00:00\", tags: {a: {b: [$x]}}}) { session { id } } }",
        ],
    ),
    (
        "values have the type of their places",
        &[
            "{ topMetrics(resource: \"CPU\") { id } }",
            "{ metrics(orderBy: {by: \"INSERTED\"}) { totalCount } }",
            "{ metricCount(where: \"all\") }",
            "{ metricCount(where: {kind: \"function\"}) }",
            "{ node(id: 1.5) { id } }",
            "{ node(id: true) { id } }",
            "{ metrics(first: 2147483648) { totalCount } }",
            "{ metrics(last: -2147483649) { totalCount } }",
            "{ contexts(where: {cpuCount: {in: [1, 4294967296]}}) { totalCount } }",
            "{ metrics(first: 1.0) { totalCount } }",
            "query($n: Int = 3000000000) { metrics(first: $n) { totalCount } }",
        ],
    ),
    (
        "directives stand where they may",
        &[
            "query($n: Int @skip(if: true)) { metrics(first: $n) { totalCount } }",
            "query @include(if: true) { metricCount }",
            "{ ...F } fragment F on Query @skip(if: false) { metricCount }",
            "{ metricCount @skip(if: true) @skip(if: true) }",
        ],
    ),
    (
        "fragments have names and types",
        &[
            "{ ...F ...G } fragment F on Query { ...G } fragment G on Query { ...F }",
            "{ metrics { ...F } } fragment F on Query { metricCount }",
            "{ ...F } fragment F on Int { metricCount }",
            "{ metricCount } fragment F on Query { metricCount }",
        ],
    ),
];

/// Documents that are no GraphQL of that edition.
const UNPARSABLE: &[&str] = &[
    "{ ...on } fragment on on Query { metricCount }",
    "{ session(hash: \"a\") { } }",
    "{}",
    "query { ... on Query { } }",
    "{ metrics(first 1) { totalCount } }",
    "{ metricCount(where: {kind {eq: \"a\"}}) }",
    "query($n Int) { metrics(first: $n) { totalCount } }",
    "{ component(name: \"\\u{110000}\") { id } }",
    "{ component(name: \"\\uD83D\") { id } }",
];

/// Valid documents and their result on an empty server.
const VALID: &[(&str, &str)] = &[
    // Minus zero is zero.
    ("{ metrics(first: -0) { totalCount } }", "{\"metrics\":{\"totalCount\":0}}"),
    ("{ node(id: 2147483648123) { id } }", "{\"node\":null}"),
    ("{ metricCount(where: {kind: {in: \"function\"}}) }", "{\"metricCount\":0}"),
    ("{ metricCount(where: {totalTime: {gt: 1}}) }", "{\"metricCount\":0}"),
    // Ignored tokens may stand between any two tokens.
    ("{,a,:,metricCount,}", "{\"a\":0}"),
    (
        "\u{FEFF}query\u{FEFF}A#b\n{\u{FEFF}metricCount\u{FEFF}... ,# c\n,@skip,(,if,:,true,),{,sessionCount,}}",
        "{\"metricCount\":0}",
    ),
    ("query($n:Int !,$i:[ID! ]!= [\"x\"]){metrics(first:$n){totalCount}nodes(ids:$i){id}}", ""),
    // Descriptions of executable definitions.
    ("\"What there is.\" query A { metricCount }", "{\"metricCount\":0}"),
    (
        "\"\"\"\nHow many.\n\"\"\" query A(\"At most so many.\" $n: Int = 1) { metrics(first: $n) { totalCount } }",
        "{\"metrics\":{\"totalCount\":0}}",
    ),
    ("query A { ...F } \"A part.\" fragment F on Query { metricCount }", "{\"metricCount\":0}"),
    // The schema itself has no description.
    (
        "{ s: __schema { d: description queryType { name } } }",
        "{\"s\":{\"d\":null,\"queryType\":{\"name\":\"Query\"}}}",
    ),
    ("{ ...F } fragment F on Query { __schema { ... { description } } }", "{\"__schema\":{\"description\":null}}"),
];

async fn code(app: &TestApp, query: &str) -> String {
    let answer = app.post("/graphql", &json!({ "query": query, "variables": {} })).await.expect(200);
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{query}: {answer}")).to_owned()
}

on_both_engines! {
    async fn what_breaks_a_rule_is_refused(app: &TestApp) {
        for (rule, documents) in REFUSED {
            for query in *documents {
                assert_eq!(code(app, query).await, "GRAPHQL_VALIDATION_FAILED", "{rule}: {query}");
            }
        }
        for query in UNPARSABLE {
            assert_eq!(code(app, query).await, "GRAPHQL_PARSE_FAILED", "{query}");
        }
        assert_eq!(app.bare("{ sessionCount }").await, 0);
    }

    async fn what_breaks_none_is_taken(app: &TestApp) {
        for (query, expected) in VALID {
            let answer = app.graphql_with(query, json!({ "n": 1 })).await;
            if let Some(errors) = answer.get("errors") {
                // A dangling id or an argument out of range: the document itself is valid.
                assert_eq!(errors[0]["extensions"]["code"], "BAD_USER_INPUT", "{query}: {answer}");
            }
            if !expected.is_empty() {
                assert_eq!(answer["data"].to_string(), *expected, "{query}: {answer}");
            }
        }
    }

    async fn only_the_operation_that_is_asked_for_counts(app: &TestApp) {
        let send = async |query: &str, name: &str, variables: Value| {
            let request = json!({ "query": query, "operationName": name, "variables": variables, "extensions": { "cost": true } });
            app.post("/graphql", &request).await.expect(200)
        };
        let alone = send("query A { metricCount }", "A", json!({})).await;
        for (query, variables) in [
            ("query A { metricCount } query B($n: Int) { topMetrics(resource: TOTAL_TIME, first: $n) { id } }", json!({})),
            ("query A($n: Int) { metricCount(where: {contexts: $n}) } query B { metricCount }".replace("(where: {contexts: $n})", " metrics(first: $n) @skip(if: true) { totalCount }").as_str(), json!({})),
            ("query B($n: Int!, $x: [ID!]!) { metrics(first: $n) { totalCount } nodes(ids: $x) { id } } query A { ...F } fragment F on Query { metricCount }", json!({})),
            ("query A { metricCount } query B($n: Int!) { metrics(first: $n) { totalCount } }", json!({ "n": "no number" })),
            ("query A($n: Boolean = false) { metricCount @skip(if: $n) } query B($n: Int) { metrics(first: $n) { totalCount } }", json!({})),
            ("query A { metricCount } query B { sessions(first: 500) { nodes { metrics(first: 500) { nodes { id kind passed location } } } } }", json!({})),
            ("mutation M($i: MetricInput!) { recordMetric(input: $i) { metric { id } } } query A { metricCount } subscription S { metricRecorded { id } }", json!({})),
        ] {
            let answer = send(query, "A", variables).await;
            assert_eq!(answer["data"], json!({ "metricCount": 0 }), "{query}: {answer}");
            if query.contains("first: 500") {
                assert_eq!(answer["extensions"], alone["extensions"], "{query}");
            }
        }
        let two = "query A { metricCount } query B { sessionCount }";
        for name in ["C", "", "a"] {
            let answer = send(two, name, json!({})).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{name}: {answer}");
            assert!(answer["errors"][0]["message"].as_str().unwrap().contains("operationName"), "{answer}");
        }
    }

    async fn without_the_scope_errors_reveal_nothing_of_the_query(app: &TestApp) {
        let (ingest, read) = (bearer(&app.token("ingest").await), bearer(&app.token("read").await));
        let closed = app.guarded(Closed).await;
        for query in [
            "{ ...F } fragment F on Query { metrisc }", "{ ... { metrisc } }", "{ ... on Query { metrisc } }",
            "fragment F on Query { metrisc } query A { ...F }", "subscription { metricRecored { id } }",
            "subscription { ...F } fragment F on Subscription { metricRecored { id } }", "query($x: Nothing) { metrics { nodes { id } } }",
        ] {
            closed.ask_as(Some(&ingest), query).await.refuses_caller(403, "read");
        }
        for query in ["mutation { recordMteric { id } }", "mutation { ...M } fragment M on Mutation { recordMteric { id } }"] {
            closed.ask_as(Some(&read), query).await.refuses_caller(403, "ingest");
        }
        // With the scope, the error is shown.
        for query in ["{ metrisc }", "subscription { metricRecored { id } }"] {
            let answer = closed.ask_as(Some(&read), query).await.json();
            assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{answer}");
        }
        closed.finish().await;
    }

    async fn texts_are_read_as_they_are_escaped(app: &TestApp) {
        for (literal, text) in [
            (r#""\u{1F600}""#, "😀"), (r#""\uD83D\uDE00""#, "😀"), (r#""\u00e9\u{e9}""#, "éé"), (r#""\u{41}\t\/\"\\""#, "A\t/\"\\"),
            ("\"\"\"\n  a\n    \\\"\"\" b\n\"\"\"", "a\n  \"\"\" b"), ("\"# no comment, {\"", "# no comment, {"),
        ] {
            let query = format!("mutation($i: MetricInput!) {{ recordMetric(input: $i) {{ metric {{ id }} }} \
                announceSession(input: {{hash: {literal}, runDate: \"2026-01-05T03:00:00\", tags: {{}}}}) {{ session {{ hash }} }} }}");
            let answer = app.run(&query, json!({ "i": metric(json!({})) })).await;
            assert_eq!(answer["announceSession"]["session"]["hash"], text, "{literal}");
            let query = format!("query($h: String! = {literal}) {{ session(hash: $h) {{ hash }} }}");
            assert_eq!(app.bare(&query).await, text, "{literal}");
        }
    }

    async fn numbers_of_variables_are_those_of_their_types(app: &TestApp) {
        let ask = async |declared: &str, field: &str, text: &str| {
            let request = format!("{{\"query\": \"query($v: {declared}) {{ {field} }}\", \"variables\": {{\"v\": {text}}}}}");
            let request: Value = serde_json::from_str(&request).unwrap();
            app.post("/graphql", &request).await.expect(200)
        };
        let context = "contexts(where: {cpuCount: {eq: $v}}) { totalCount }";
        for text in ["-0", "8.0", "-0.0", "1e3", "2147483647", "-2147483648", "-2147483648.0"] {
            assert!(ask("Int", context, text).await.get("errors").is_none(), "{text}");
        }
        for text in ["2147483648", "-2147483649", "1e10", "8.5", "9007199254740993", "18446744073709551615", "\"8\"", "true", "1e400"] {
            let Ok(_) = serde_json::from_str::<Value>(text) else { continue };
            let answer = ask("Int", context, text).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{text}: {answer}");
            assert!(answer["errors"][0]["message"].as_str().unwrap().starts_with("$v: "), "{answer}");
        }
        for (text, is_taken) in [("7", true), ("18446744073709551615", true), ("\"7\"", true), ("7.0", true), ("1.5", false), ("true", false)] {
            let answer = ask("ID!", "node(id: $v) { id }", text).await;
            // Accepted if the lookup is reached.
            assert_eq!(answer["errors"][0]["message"].as_str().unwrap().starts_with("$v: "), !is_taken, "{text}: {answer}");
        }
    }

    async fn variables_left_out_leave_defaults(app: &TestApp) {
        app.seed().await;
        let query = "query($by: Direction, $n: Int, $w: MetricWhere, $k: [String!]) { metrics(first: $n, where: {and: [$w], kind: {in: $k}}, \
                     orderBy: {by: STARTED_AT, direction: $by}) { totalCount nodes { startedAt } } }";
        // A list item that is not given is null, which is no filter.
        let query = query.replace("and: [$w], ", "not: $w, ");
        let all = app.run(&query, json!({})).await;
        assert_eq!(all["metrics"]["totalCount"], 8);
        let mut dates: Vec<&str> = all["metrics"]["nodes"].as_array().unwrap().iter().map(|node| node["startedAt"].as_str().unwrap()).collect();
        assert!(dates.is_sorted(), "ascending is the default: {dates:?}");
        dates.reverse();
        let turned = app.run(&query, json!({ "by": "DESC", "n": 3 })).await;
        assert_eq!(turned["metrics"]["nodes"].as_array().unwrap().len(), 3);
        assert_eq!(turned["metrics"]["nodes"][0]["startedAt"], dates[0]);
        // The same document again.
        assert_eq!(app.run(&query, json!({})).await, all);
    }

    async fn whole_numbers_have_32_bits_in_answers(app: &TestApp) {
        for path in ["cpu_count", "ram_total"] {
            let mut machine = json!({ "h": "c", "cpu_count": 1, "cpu_frequency": 1, "cpu_type": "a", "ram_total": 1, "machine_node": "a", "machine_type": "a",
                "machine_arch": "a", "system_info": "a", "python_info": "a" });
            machine[path] = json!(4_294_967_296_i64);
            app.post("/api/v1/contexts/", &machine).await.refuses(400, path);
        }
        let input = "hash: \"c\", cpuCount: 1, cpuFrequency: 1, cpuType: \"a\", machineNode: \"a\", machineType: \"a\", machineArch: \"a\", systemInfo: \"a\", pythonInfo: \"a\"";
        let query = format!("mutation {{ announceContext(input: {{{input}, ramTotal: 4294967296}}) {{ context {{ ramTotal }} }} }}");
        assert_eq!(code(app, &query).await, "GRAPHQL_VALIDATION_FAILED");
        assert_eq!(app.bare("{ contextCount }").await, 0);
        // A value stored by an older version fails only its field, in the JSON writer and in the engine.
        app.announce_machine(context("c", json!({}))).await;
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        connection.execute_unprepared("UPDATE execution_context SET ram_total = 4294967296").await.unwrap();
        for list in ["nodes { hash ramTotal }", "edges { node { hash ramTotal } }", "nodes { hash ramTotal metrics { totalCount } }"] {
            let answer = app.graphql_with(&format!("{{ contexts {{ {list} }} sessionCount }}"), json!({})).await;
            assert!(answer["errors"][0]["message"].as_str().unwrap().contains("32 bits"), "{answer}");
            assert_eq!(answer["errors"][0]["path"][0], "contexts", "{answer}");
        }
        assert_eq!(app.get("/api/v1/contexts/").await.expect(200)["contexts"][0]["ram_total"], json!(4_294_967_296_i64));
    }
}
