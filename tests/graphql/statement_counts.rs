//! The number of SQL statements of a request does not grow with its rows (no N+1).

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    on_both_engines,
};

/// Queries and their maximum number of statements with empty caches.
const QUERIES: [(&str, u64); 12] = [
    (
        "{ sessions(first: 50) { nodes { metrics(first: 50) { nodes { context { hash } variant { name } } } } } }",
        7,
    ),
    (
        "{ sessions(first: 50) { totalCount nodes { tags { name value } pipeline { name } build { name }
            metrics(first: 10) { totalCount nodes {
                sessionHash session { runDate } item { name } component { name metricCount } variant { item { name } } } } } } }",
        17,
    ),
    ("{ metrics(first: 500) { nodes { sessionHash contextHash variantName session { hash } context { hash } } } }", 6),
    (
        "{ contexts(first: 50) { nodes { sessions { totalCount nodes { contexts { nodes { metrics(last: 1) {
            nodes { id } } } } } } } } }",
        8,
    ),
    (
        "{ components(first: 50) { nodes { metricCount
            items(first: 5) { nodes { metricCount variants(first: 5) { nodes { metrics(first: 2) { nodes { id } } } } } }
            variants { nodes { component { name } } }
            pipelines(first: 5) { nodes { name sessions { nodes { hash } } } }
            builds(first: 5) { nodes { pipeline { name } components { nodes { name } } } } } } }",
        20,
    ),
    ("{ pipelines(first: 9) { nodes { builds(first: 9) { nodes { sessions(first: 9) { edges { cursor node { tags { value } } } } } } } } }", 5),
    ("{ tags(first: 500) { nodes { sessions(first: 9) { nodes { metrics(first: 1) { nodes { passed } } } } } } }", 6),
    (
        "{ sessions { nodes {
            a: metrics(first: 1) { nodes { id } }
            b: metrics(last: 1) { nodes { id } }
            c: metrics(first: 1, where: {component: {like: \"%1\"}}) { nodes { id } totalCount } } } }",
        12,
    ),
    (
        "{ metricGroups(groupBy: [{by: VARIANT}, {by: SESSION}, {tag: \"odd\"}], first: 500) { nodes {
            variant { name item { name } } session { hash build { name } } sessionHash tag distinct(of: BUILD) firstSeen
            stats(resource: TOTAL_TIME) { sum p95 share } } } }",
        13,
    ),
    (
        "{ components(first: 50) { nodes { a: stats(resource: TOTAL_TIME) { sum p95 }
            b: stats(resource: MEMORY, where: {kind: {eq: \"function\"}}) { max share } variants(first: 5) { nodes { stats(resource: CPU) { mean } } } } } }",
        10,
    ),
    (
        "{ variants(first: 100) { nodes { history(resource: TOTAL_TIME, last: 5) { n median revision run { id } machineClass { id } }
            sparkline(resource: MEMORY, last: 1, where: {tagged: {names: [\"odd\"]}}) isAmbiguous } } }",
        14,
    ),
    (
        "{ comparison(before: {tag: {name: \"odd\", value: \"0\"}}, after: {tag: {name: \"odd\", value: \"1\"}}, resource: TOTAL_TIME) {
            summary { compared new regressed } confounders { tags { name before } machineClasses { before } }
            variants(first: 500, orderBy: {by: NAME}) { nodes { variant { name item { name } } machineClass { cpuCount } status } } } }",
        18,
    ),
];

/// Stores sessions of two metrics, each with a context, a component, a build and names of its own.
async fn add(app: &TestApp, sessions: std::ops::Range<u32>) {
    let announcements = sessions.map(async |n| {
        let tags =
            json!({ "pipeline_branch": format!("p{}", n % 7), "pipeline_build_no": n.to_string(), "odd": n % 2 });
        app.announce_session(session(&format!("s{n}"), json!({ "tags": tags }))).await;
        app.announce_machine(context(&format!("c{n}"), json!({}))).await;
        ["one", "two"].map(|variant| {
            metric(json!({
                "sessionHash": format!("s{n}"), "contextHash": format!("c{n}"), "componentName": format!("part{n}"),
                "itemName": format!("item{n}"), "variantName": variant,
            }))
        })
    });
    app.record_all(join_all(announcements).await.concat()).await;
}

async fn statements_of(app: &TestApp, query: &str) -> u64 {
    let before = app.statements();
    app.graphql(query).await;
    app.statements() - before
}

/// Returns the statements of a query, at first and when repeated.
async fn cold_and_warm(app: &TestApp, query: &str) -> (u64, u64) {
    (statements_of(app, query).await, statements_of(app, query).await)
}

on_both_engines! {
    async fn fifty_sessions_take_as_many_as_two(app: &TestApp) {
        for (query, most) in QUERIES {
            // A server for each query, so that no query fills caches for another.
            let small = TestApp::start(app.engine(), 500).await.unwrap();
            let large = TestApp::start(app.engine(), 500).await.unwrap();
            add(&small, 0..2).await;
            add(&large, 0..50).await;
            let (few, many) = (cold_and_warm(&small, query).await, cold_and_warm(&large, query).await);
            assert_eq!(few, many, "{query}");
            assert!(many.0 <= most && (1..=many.0).contains(&many.1), "{many:?}: {query}");
            // Objects whose names are cached may be one step ahead of the others.
            add(&small, 2..50).await;
            let mixed = cold_and_warm(&small, query).await;
            assert!(mixed.0 <= many.0 * 2 && mixed.1 == many.1, "{mixed:?}, {many:?}: {query}");
            small.finish().await;
            large.finish().await;
        }
    }

    async fn as_many_nodes_take_as_many_as_one(app: &TestApp) {
        add(app, 0..40).await;
        let ids = app.bare("{ sessions { nodes { id } } contexts { nodes { id } } metrics { nodes { id } } }").await;
        let ids: Vec<_> = ids.as_object().unwrap().values().flat_map(|ids| ids.as_array().unwrap()).collect();
        let few = [ids[0], ids[40], ids[80]];
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Metric { context { hash } } } }";
        let mut taken = Vec::new();
        for ids in [&few[..], &ids, &few, &ids] {
            let before = app.statements();
            app.run(query, json!({ "ids": ids })).await;
            taken.push(app.statements() - before);
        }
        assert_eq!(taken[2], taken[3]);
        assert!(taken.iter().all(|taken| *taken <= 7), "{taken:?}");
    }

    async fn a_total_costs_a_statement_only_where_it_is_asked_for(app: &TestApp) {
        add(app, 0..10).await;
        for (without, with) in [
            ("{ metrics { nodes { id } } }", "{ metrics { nodes { id } totalCount } }"),
            ("{ sessions { nodes { hash } } }", "{ sessions { nodes { hash } totalCount } }"),
            (
                "{ sessions { nodes { metrics { nodes { id } } } } }",
                "{ sessions { nodes { metrics { nodes { id } totalCount } } } }",
            ),
            (
                "{ components { nodes { variants(where: {name: {eq: \"one\"}}) { nodes { id } } } } }",
                "{ components { nodes { variants(where: {name: {eq: \"one\"}}) { nodes { id } totalCount } } } }",
            ),
        ] {
            statements_of(app, without).await;
            let difference = statements_of(app, with).await - statements_of(app, without).await;
            assert!(difference <= 1, "{difference}: {with}");
        }
    }

    async fn a_thousand_metrics_take_as_many_to_store_as_ten(app: &TestApp) {
        let app = TestApp::unsealed(app.engine()).await.unwrap();
        let mut taken = Vec::new();
        for rows in [10, 10, 1000] {
            let before = app.statements();
            app.record_all((0..rows).map(|_| metric(json!({}))).collect()).await;
            taken.push(app.statements() - before);
        }
        assert_eq!(taken[1], taken[2], "{taken:?}");
        assert!(taken[0] <= 30, "{taken:?}");
        app.finish().await;
    }

    async fn a_ranking_within_a_few_sessions_reads_only_these(app: &TestApp) {
        app.record_all((0..90).map(|n| metric(json!({ "variantName": format!("v{n}"), "memoryUsage": 1000 }))).collect()).await;
        let tags = json!({ "pipeline_branch": "rare", "pipeline_build_no": "1" });
        app.announce_session(session("r", json!({ "scmRef": "abc", "tags": tags }))).await;
        let rare = |n| metric(json!({ "sessionHash": "r", "variantName": format!("v{n}"), "memoryUsage": n }));
        app.record_all(vec![rare(3), rare(1), rare(2)]).await;
        for (filter, expected) in [
            ("{pipeline: {eq: \"rare\"}}", json!([3.0, 2.0, 1.0])),
            ("{scmRef: {startsWith: \"ab\"}}", json!([3.0, 2.0, 1.0])),
            ("{pipeline: {eq: \"rare\"}, variant: {in: [\"v1\", \"v2\"]}}", json!([2.0, 1.0])),
            ("{pipeline: {eq: \"rare\"}, totalTime: {gt: 1}}", json!([])),
        ] {
            let query = format!("{{ topMetrics(resource: MEMORY, where: {filter}) {{ memoryUsage }} }}");
            // The first query may load names, too.
            assert_eq!(app.bare(&query).await, expected, "{filter}");
            assert!(statements_of(app, &query).await <= 2, "{filter}");
        }
    }

    async fn a_count_follows_the_history(app: &TestApp) {
        let query = "{ metricCount(where: {scmRef: {startsWith: \"a\"}}) }";
        let count = async |app: &TestApp| {
            let before = app.statements();
            (app.bare(query).await, app.statements() - before)
        };
        let record = async |app: &TestApp| app.record_all(vec![metric(json!({ "sessionHash": "s", "contextHash": "c" }))]).await;
        record(app).await;
        let (counted, statements) = count(app).await;
        assert!(counted == json!(0) && statements <= 2, "{counted} {statements}");
        assert_eq!(app.bare("{ metricCount(where: {item: {startsWith: \"test\"}}) }").await, json!(1));
        app.announce_session(session("s", json!({ "scmRef": "abc" }))).await;
        assert_eq!(count(app).await.0, json!(1));
        record(app).await;
        assert_eq!(count(app).await.0, json!(2));
        // What another server writes counts, too.
        let other = app.second_server().await;
        record(&other).await;
        assert_eq!(count(app).await.0, json!(3));
        other.finish().await;
    }
}
