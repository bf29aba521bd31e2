//! Lists that span many segments: numbered pages with every filter, and the JSON writer against the engine.

use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    history::bare,
    on_both_engines,
};

/// A thousand segments and a few more.
const LONG: u32 = 66_000;

/// Returns kind, component, variant and session of the metric whose `memoryUsage` is `n`.
fn words(n: u32) -> (&'static str, String, String, String) {
    let component = match n {
        ..100 => "early".to_owned(),
        60_000.. if n.is_multiple_of(2) => "late".to_owned(),
        _ => format!("c{}", n % 3),
    };
    let kind = if n.is_multiple_of(10) { "module" } else { "function" };
    (kind, component, format!("v{}", n % 40), format!("s{}", n / 500))
}

/// A few distinct values over the whole history, so that most are ties.
fn user_time(n: u32) -> u32 {
    n / 3 % 700
}

async fn record_long(app: &TestApp, count: u32) {
    for number in (0..count / 500).step_by(2) {
        let tags = json!({ "pipeline_branch": "main", "pipeline_build_no": (number / 8).to_string() });
        let scm_ref = if number % 4 == 0 { "abc" } else { "def" };
        app.announce_session(session(&format!("s{number}"), json!({ "scmRef": scm_ref, "tags": tags }))).await;
    }
    for first in (0..count).step_by(3_000) {
        let one = |n: u32| {
            let (kind, component, variant, session) = words(n);
            metric(json!({
                "kind": kind, "componentName": component, "variantName": variant, "sessionHash": session,
                "contextHash": format!("c{}", n % 2), "memoryUsage": n, "userTime": user_time(n), "passed": n.is_multiple_of(7),
            }))
        };
        app.record_all((first..first + 3_000).map(one).collect()).await;
    }
}

/// A field with arguments, which the JSON writer leaves to the engine.
fn for_the_engine(type_name: &str) -> &'static str {
    match type_name {
        "Metric" => "mark: variant { metrics(first: 0) { totalCount } }",
        "Pipeline" => "mark: builds(first: 0) { totalCount }",
        "Build" | "Tag" => "mark: sessions(first: 0) { totalCount }",
        _ => "mark: metrics(first: 0) { totalCount }",
    }
}

/// Removes the fields of [`for_the_engine`] from a response.
fn without_marks(answer: Value) -> Value {
    match answer {
        Value::Object(members) => members
            .into_iter()
            .filter(|(name, _)| name != "mark")
            .map(|(name, value)| (name, without_marks(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_marks).collect(),
        value => value,
    }
}

type Matches = fn(u32) -> bool;

/// Filters and the metrics that they match.
fn filters() -> Vec<(Value, Matches)> {
    fn is_announced(n: u32) -> bool {
        (n / 500).is_multiple_of(2)
    }
    vec![
        (json!({}), |_| true),
        (json!({ "kind": { "eq": "function" } }), |n| words(n).0 == "function"),
        (json!({ "kind": { "eq": "module" } }), |n| words(n).0 == "module"),
        (json!({ "component": { "eq": "c1" } }), |n| words(n).1 == "c1"),
        (json!({ "component": { "eq": "late" } }), |n| words(n).1 == "late"),
        (json!({ "component": { "eq": "early" } }), |n| words(n).1 == "early"),
        (json!({ "component": { "eq": "none" } }), |_| false),
        (json!({ "variant": { "like": "v1%" } }), |n| words(n).2.starts_with("v1")),
        (json!({ "variant": { "eq": "v7" }, "component": { "in": ["c1", "late"] } }), |n| {
            words(n).2 == "v7" && ["c1", "late"].contains(&words(n).1.as_str())
        }),
        (json!({ "session": { "eq": "s3" } }), |n| words(n).3 == "s3"),
        (json!({ "session": { "like": "%7" } }), |n| words(n).3.ends_with('7')),
        (json!({ "context": { "eq": "c1" } }), |n| n % 2 == 1),
        (json!({ "scmRef": { "startsWith": "a" } }), |n| is_announced(n) && (n / 500).is_multiple_of(4)),
        (json!({ "pipeline": { "eq": "main" } }), is_announced),
        (json!({ "kind": { "eq": "module" }, "context": { "eq": "c0" } }), |n| n.is_multiple_of(10)),
        (json!({ "and": [{ "component": { "eq": "late" } }], "not": { "kind": { "eq": "module" } } }), |n| {
            words(n).1 == "late" && words(n).0 == "function"
        }),
        (json!({ "or": [{ "component": { "eq": "early" } }, { "component": { "eq": "late" } }] }), |n| {
            words(n).1 == "early" || words(n).1 == "late"
        }),
    ]
}

async fn rankings_hold_the_extremes(app: &TestApp) {
    let query = "query($r: Resource!, $f: MetricWhere, $n: Int) {
        highest: topMetrics(resource: $r, where: $f, first: $n) { memoryUsage }
        lowest: topMetrics(resource: $r, direction: LOWEST, where: $f, first: $n) { memoryUsage } }";
    let passed = json!({ "passed": true, "pipeline": { "eq": "main" } });
    let passed: (Value, Matches) = (passed, |n| n.is_multiple_of(7) && (n / 500).is_multiple_of(2));
    for (filter, matches) in filters().into_iter().chain([passed]) {
        for (resource, figure) in [("MEMORY", (|n| n) as fn(u32) -> u32), ("USER_TIME", user_time)] {
            for first in [1, 50, 500] {
                let mut lowest: Vec<u32> = (0..LONG).filter(|n| matches(*n)).collect();
                let mut highest = lowest.clone();
                lowest.sort_by_key(|n| figure(*n));
                highest.sort_by_key(|n| std::cmp::Reverse(figure(*n)));
                let [highest, lowest] =
                    [highest, lowest].map(|all| all.into_iter().take(first).map(f64::from).collect::<Vec<_>>());
                let answer = bare(app.run(query, json!({ "r": resource, "f": filter, "n": first })).await);
                assert_eq!(
                    answer,
                    json!({ "highest": highest, "lowest": lowest }),
                    "{first} by {resource} of {filter}"
                );
            }
        }
    }
}

async fn lines(connection: &DatabaseConnection) -> Vec<String> {
    let sql = "SELECT component_id || ' ' || build_id || ' ' || pipeline_id || ' ' || first_metric_id || ' ' || metric_count AS line \
        FROM component_build UNION ALL SELECT 'session ' || session_id || ' ' || component_id || ' ' || first_metric_id || ' ' || \
        metric_count FROM session_component UNION ALL SELECT 'context ' || session_id || ' ' || context_id FROM session_context \
        UNION ALL SELECT 'last ' || last_metric_id FROM history ORDER BY 1";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "line").unwrap()).collect()
}

/// What a session measured before its announcement belongs to its pipeline, too.
async fn rankings_of_a_pipeline_have_what_joins_it(app: &TestApp) {
    let highest = async || {
        let query = "{ topMetrics(resource: MEMORY, where: { pipeline: { eq: \"main\" } }, first: 2) { memoryUsage } }";
        bare(app.run(query, json!({})).await)
    };
    let measure = async |variant: &str, figure: u32| {
        let metric = json!({ "variantName": variant, "sessionHash": "joins", "memoryUsage": figure });
        app.record_all(vec![crate::support::builders::graphql::metric(metric)]).await;
    };
    assert_eq!(highest().await, json!([65_499.0, 65_498.0]));
    measure("before", LONG).await;
    assert_eq!(highest().await, json!([65_499.0, 65_498.0]));
    app.announce_session(session("joins", json!({ "tags": { "pipeline_branch": "main" } }))).await;
    assert_eq!(highest().await, json!([66_000.0, 65_499.0]));
    measure("since", LONG + 1).await;
    assert_eq!(highest().await, json!([66_001.0, 66_000.0]));
}

/// Reads before and after a metric, in lists with and without it, in both directions.
async fn cursors_lead_to_what_lies_around(app: &TestApp) {
    let cursor = "query($n: Float!, $o: MetricOrder) {
        metrics(where: { memoryUsage: { eq: $n } }, orderBy: $o) { edges { cursor } } }";
    let around = "query($c: String, $f: MetricWhere, $o: MetricOrder) {
        ahead: metrics(last: 300, before: $c, where: $f, orderBy: $o) { nodes { memoryUsage } }
        behind: metrics(first: 300, after: $c, where: $f, orderBy: $o) { nodes { memoryUsage } } }";
    let order = |direction| json!({ "by": "INSERTED", "direction": direction });
    for n in [0, 99, 16_383, 16_384, 40_000, 63_001, LONG - 1] {
        for (direction, is_reversed) in [("ASC", false), ("DESC", true)] {
            let found = app.run(cursor, json!({ "n": n, "o": order(direction) })).await;
            let cursor = &found["metrics"]["edges"][0]["cursor"];
            for (filter, matches) in filters() {
                let answer = app.run(around, json!({ "c": cursor, "f": filter, "o": order(direction) })).await;
                let mut ahead: Vec<u32> = (0..n).rev().filter(|n| matches(*n)).take(300).collect();
                let mut behind: Vec<u32> = (n + 1..LONG).filter(|n| matches(*n)).take(300).collect();
                if is_reversed {
                    (ahead, behind) = (behind, ahead);
                }
                ahead.reverse();
                for (side, expected) in [("ahead", ahead), ("behind", behind)] {
                    let nodes = answer[side]["nodes"].as_array().unwrap();
                    let found: Vec<_> = nodes.iter().map(|node| node["memoryUsage"].as_f64().unwrap()).collect();
                    let expected: Vec<_> = expected.into_iter().map(f64::from).collect();
                    assert_eq!(found, expected, "{side} of {n}, {direction}, {filter}");
                }
            }
        }
    }
}

on_both_engines! {
    async fn pages_and_rankings_of_long_lists_hold_the_rows_that_they_should(app: &TestApp, page_size: 400) {
        record_long(app, LONG).await;
        let query = "query($f: MetricWhere, $p: Int) {
            metricPage(where: $f, page: $p) { totalCount totalPages items { memoryUsage } } }";
        for (filter, matches) in filters() {
            let expected: Vec<u32> = (0..LONG).filter(|n| matches(*n)).collect();
            let pages = expected.len().div_ceil(400);
            for page in [1, 2, pages / 4, pages / 2, pages / 2 + 1, pages.saturating_sub(1), pages] {
                if page == 0 || page > pages.max(1) {
                    continue;
                }
                for number in [i64::try_from(page).unwrap(), -i64::try_from(pages + 1 - page).unwrap()] {
                    if number == 0 {
                        continue;
                    }
                    let answer = &app.run(query, json!({ "f": filter, "p": number })).await["metricPage"];
                    assert_eq!((&answer["totalCount"], &answer["totalPages"]), (&json!(expected.len()), &json!(pages)));
                    let items: Vec<_> =
                        answer["items"].as_array().unwrap().iter().map(|item| item["memoryUsage"].as_f64().unwrap()).collect();
                    let of_page: Vec<_> = expected.iter().skip((page - 1) * 400).take(400).map(|n| f64::from(*n)).collect();
                    assert_eq!(items, of_page, "page {number} of {filter}");
                }
            }
        }
        rankings_hold_the_extremes(app).await;
        cursors_lead_to_what_lies_around(app).await;
        rankings_of_a_pipeline_have_what_joins_it(app).await;
    }

    /// Migrating down to the first step and up again recomputes what the server has counted.
    async fn migrations_count_what_the_server_counts(app: &TestApp) {
        let app = TestApp::unsealed(app.engine()).await.unwrap();
        record_long(&app, 3_000).await;
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        let counted = lines(&connection).await;
        assert!(counted.contains(&"last 3000".to_owned()), "{counted:?}");
        let later = u32::try_from(Migrator::migrations().len() - 1).unwrap();
        Migrator::down(&connection, Some(later)).await.unwrap();
        Migrator::up(&connection, None).await.unwrap();
        assert_eq!(lines(&connection).await, counted);
        connection.close().await.unwrap();
        app.finish().await;
    }

    /// A directive makes the engine write the list.
    async fn the_json_writer_equals_the_engine(app: &TestApp) {
        app.seed().await;
        app.announce_machine(context("c\"3\\\n\u{1}é", json!({ "cpuVendor": null }))).await;
        app.record_all(vec![metric(json!({ "variantName": "a\"b\\c\n\t\u{7}ü𝄞", "totalTime": 1e-7, "userTime": 3e22 }))]).await;
        let types = app.graphql("{ __schema { types { name fields { name type { kind ofType { kind } } } } } }").await;
        let plain = |name: &str| -> Vec<String> {
            let types = types["__schema"]["types"].as_array().unwrap();
            let fields = types.iter().find(|of| of["name"] == name).unwrap()["fields"].as_array().unwrap();
            let is_plain = |field: &&Value| {
                let of_type = &field["type"];
                let kind = if of_type["kind"] == "NON_NULL" { &of_type["ofType"]["kind"] } else { &of_type["kind"] };
                ["SCALAR", "ENUM"].contains(&kind.as_str().unwrap())
            };
            fields.iter().filter(is_plain).map(|field| field["name"].as_str().unwrap().to_owned()).collect()
        };
        let set = |name: &str, more: &str| format!("{{ __typename {} {more} }}", plain(name).join(" "));
        let (session, machine) = (set("Session", &format!("tags {}", set("Tag", ""))), set("ExecutionContext", ""));
        let edges = format!("session {session} context {machine} component {{ id name }} item {{ path name }}");
        for (type_name, list, set) in [
            ("Metric", "metrics { nodes _ }", set("Metric", &format!("again: totalTime {edges}"))),
            ("Metric", "topMetrics(resource: CPU) _", set("Metric", "")),
            ("Session", "sessions { nodes _ }", session.clone()),
            ("ExecutionContext", "contexts { nodes _ }", machine.clone()),
            ("Variant", "variants { nodes _ }", set("Variant", "")),
            ("Pipeline", "pipelines { nodes _ }", set("Pipeline", "")),
            ("Build", "pipelines { nodes { builds { nodes _ } } }", set("Build", "")),
            ("Tag", "tags { nodes _ }", set("Tag", "")),
        ] {
            let ask = |selection: &str| format!("{{ {} }} fragment F on {type_name} {set}", list.replace('_', selection));
            let by_itself = app.graphql(&ask("{ ...F ... on Node { id } }")).await;
            let by_engine = app.graphql(&ask(&format!("{{ ...F {} }}", for_the_engine(type_name)))).await;
            assert_eq!(by_itself, without_marks(by_engine), "{list}");
        }
    }

    async fn an_edge_that_cannot_be_read_fails_as_in_the_engine(app: &TestApp) {
        app.seed().await;
        let lists = ["metrics { nodes _ }", "topMetrics(resource: CPU) _"].map(|list| {
            let ask = |set: &str| format!("{{ {} }}", list.replace('_', set));
            let by_engine = format!("{{ itemName session {{ hash }} kind {} }}", for_the_engine("Metric"));
            (ask("{ itemName session { hash } kind }"), ask(&by_engine))
        });
        for (by_itself, _) in &lists {
            app.graphql(by_itself).await;
        }
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        connection.execute_unprepared("ALTER TABLE session RENAME TO gone").await.unwrap();
        connection.close().await.unwrap();
        for (by_itself, by_engine) in &lists {
            let by_itself = app.graphql_with(by_itself, json!({})).await;
            assert!(by_itself["data"].to_string().contains("\"session\":null,\"kind\":\"function\""), "{by_itself}");
            assert_eq!(by_itself, without_marks(app.graphql_with(by_engine, json!({})).await));
        }
    }

    async fn a_list_that_is_asked_for_twice_is_merged(app: &TestApp) {
        app.seed().await;
        let once = app.graphql("{ metrics { nodes { totalTime userTime } } }").await;
        for twice in [
            "{ metrics { nodes { totalTime } } metrics { nodes { userTime } } }",
            "{ metrics { nodes { totalTime } nodes { userTime } } }",
            "{ ...A ...B } fragment A on Query { metrics { nodes { totalTime } } } fragment B on Query { metrics { nodes { userTime } } }",
        ] {
            assert_eq!(app.graphql(twice).await, once, "{twice}");
        }
    }
}
