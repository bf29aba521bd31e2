//! Every object type, and every edge in both directions.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    history::bare,
    on_both_engines,
};

/// An object of each type, by a query that finds it.
const ONE_OF_EACH: [(&str, &str); 13] = [
    ("Session", "{ session(hash: \"s1\") { id } }"),
    ("ExecutionContext", "{ context(hash: \"c1\") { id } }"),
    ("Metric", "{ metrics(first: 1) { nodes { id } } }"),
    ("Component", "{ component(name: \"\") { id } }"),
    ("Item", "{ items(first: 1) { nodes { id } } }"),
    ("Variant", "{ variants(first: 1) { nodes { id } } }"),
    ("Pipeline", "{ pipeline(name: \"main\") { id } }"),
    ("Build", "{ builds(first: 1) { nodes { id } } }"),
    ("Tag", "{ tags(first: 1) { nodes { id } } }"),
    ("Project", "{ project(name: \"\") { id } }"),
    ("Branch", "{ branch(name: \"main\") { id } }"),
    ("Run", "{ session(hash: \"s1\") { run { id } } }"),
    ("MachineClass", "{ machineClasses(first: 1) { nodes { id } } }"),
];

async fn id_of(app: &TestApp, query: &str) -> String {
    let id = app.bare(query).await;
    id.as_str().or_else(|| id[0].as_str()).unwrap().to_owned()
}

fn made_up(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

on_both_engines! {
    async fn a_session_leads_to_all_that_it_did(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ session(hash: \"s1\") { metrics { nodes { memoryUsage } } } }", json!([1.0, 2.0, 3.0])),
            ("{ session(hash: \"s1\") { contexts { nodes { hash } } } }", json!(["c1", "c2"])),
            ("{ session(hash: \"s1\") { build { name } } }", json!("1")),
            ("{ session(hash: \"s1\") { build { pipeline { name } } } }", json!("main")),
            ("{ session(hash: \"s3\") { pipeline { name } } }", json!("next")),
            ("{ session(hash: \"s1\") { metricCount } }", json!(3)),
            ("{ session(hash: \"s4\") { metricCount metrics { nodes { id } } contexts { nodes { id } } } }",
                json!({ "metricCount": 0, "metrics": [], "contexts": [] })),
            ("{ session(hash: \"s4\") { build { name } pipeline { name } } }", json!({ "build": null, "pipeline": "main" })),
            ("{ session(hash: \"s5\") { build { name } pipeline { name } } }", json!({ "build": null, "pipeline": null })),
            ("{ session(hash: \"s3\") { hash runDate scmRef } }",
                json!({ "hash": "s3", "runDate": "2025-12-31T23:59:59.5", "scmRef": null })),
        ]).await;
    }

    async fn tags_keep_their_order_and_lead_back_to_sessions(app: &TestApp) {
        app.announce_session(session("z", json!({ "tags": { "z": "1", "a": "2", "m": "3" } }))).await;
        app.seed().await;
        app.answers(&[
            ("{ session(hash: \"z\") { tags { name } } }", json!(["z", "a", "m"])),
            ("{ tags(where: {name: {eq: \"python\"}}) { nodes { value sessions { nodes { hash } } } } }",
                json!([{ "value": "3.12", "sessions": ["s1", "s3"] }, { "value": "3.13", "sessions": ["s2"] }])),
            ("{ session(hash: \"s3\") { tags { sessions(orderBy: {by: RUN_DATE}) { nodes { hash } } } } }",
                json!([["s3"], ["s3", "s1"], ["s3", "s1"]])),
        ]).await;
    }

    async fn a_context_leads_to_its_sessions_and_metrics(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ context(hash: \"c1\") { sessions { nodes { hash } } } }", json!(["s1", "s2", "s3"])),
            ("{ context(hash: \"c2\") { sessions { nodes { hash } } } }", json!(["s1", "s2", "s5"])),
            ("{ context(hash: \"c2\") { metrics { nodes { memoryUsage } } } }", json!([3.0, 5.0, 7.0])),
            ("{ context(hash: \"c2\") { metricCount } }", json!(3)),
            ("{ context(hash: \"c1\") { cpuCount cpuFrequency cpuFrequencyMhz cpuVendor ramTotal machineNode } }",
                json!({ "cpuCount": 8, "cpuFrequency": 2400.5, "cpuFrequencyMhz": 2400, "cpuVendor": "Maker 1",
                        "ramTotal": 32000, "machineNode": "node" })),
            ("{ context(hash: \"c2\") { cpuVendor } }", Value::Null),
        ]).await;
    }

    async fn a_pipeline_leads_down_to_contexts(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ pipeline(name: \"main\") { builds { nodes { name } } } }", json!(["1", "2"])),
            ("{ pipeline(name: \"main\") { sessions { nodes { hash } } } }", json!(["s1", "s2", "s4"])),
            ("{ pipeline(name: \"main\") { metrics { nodes { memoryUsage } } } }", json!([1.0, 2.0, 3.0, 4.0, 5.0])),
            ("{ pipeline(name: \"main\") { builds { nodes { sessions { nodes { metrics { nodes { context { hash } } } } } } } } }",
                json!([[["c1", "c1", "c2"]], [["c1", "c2"]]])),
            ("{ builds { nodes { name pipeline { name } sessions { nodes { hash } } } } }", json!([
                { "name": "1", "pipeline": "main", "sessions": ["s1"] },
                { "name": "2", "pipeline": "main", "sessions": ["s2"] },
                { "name": "1", "pipeline": "next", "sessions": ["s3"] },
            ])),
            ("{ builds { nodes { components { nodes { name } } metrics { nodes { memoryUsage } } } } }", json!([
                { "components": ["core", "net"], "metrics": [1.0, 2.0, 3.0] },
                { "components": ["core", ""], "metrics": [4.0, 5.0] },
                { "components": ["net"], "metrics": [6.0] },
            ])),
        ]).await;
    }

    async fn a_component_leads_to_what_it_has_and_where_it_ran(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ components { nodes { name } } }", json!(["core", "net", ""])),
            ("{ component(name: \"core\") { pipelines { nodes { name } } } }", json!(["main"])),
            ("{ component(name: \"net\") { pipelines { nodes { name } } } }", json!(["main", "next"])),
            ("{ component(name: \"net\") { builds { nodes { name pipeline { name } } } } }",
                json!([{ "name": "1", "pipeline": "main" }, { "name": "1", "pipeline": "next" }])),
            ("{ component(name: \"core\") { items { nodes { name } } } }", json!(["test_a", "test_d"])),
            ("{ component(name: \"core\") { variants { nodes { name } } } }", json!(["test_a[1]", "test_a[2]", "test_d"])),
            ("{ component(name: \"core\") { metrics { nodes { memoryUsage } } metricCount } }",
                json!({ "metrics": [1.0, 2.0, 4.0, 7.0, 8.0], "metricCount": 5 })),
            ("{ component(name: \"\") { name metrics { nodes { variantName } } } }",
                json!({ "name": "", "metrics": ["test_c"] })),
        ]).await;
    }

    async fn items_and_variants_lead_both_ways(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ items { nodes { name component { name } variants { nodes { name } } metricCount } } }", json!([
                { "name": "test_a", "component": "core", "variants": ["test_a[1]", "test_a[2]"], "metricCount": 4 },
                { "name": "test_b", "component": "net", "variants": ["test_b"], "metricCount": 2 },
                { "name": "test_c", "component": "", "variants": ["test_c"], "metricCount": 1 },
                { "name": "test_d", "component": "core", "variants": ["test_d"], "metricCount": 1 },
            ])),
            ("{ items(first: 1) { nodes { metrics { nodes { memoryUsage } } } } }", json!([[1.0, 2.0, 4.0, 8.0]])),
            ("{ variants(first: 2) { nodes { item { name } component { name } metrics { nodes { memoryUsage } } } } }", json!([
                { "item": "test_a", "component": "core", "metrics": [1.0, 4.0, 8.0] },
                { "item": "test_a", "component": "core", "metrics": [2.0] },
            ])),
            ("{ variants(first: 1) { nodes { metricCount totalTime { least greatest } memoryUsage { least greatest } } } }", json!([
                { "metricCount": 3, "totalTime": { "least": 1.0, "greatest": 8.0 }, "memoryUsage": { "least": 1.0, "greatest": 8.0 } },
            ])),
            ("{ metrics(first: 1) { nodes { variant { item { component { variants { nodes { name } } } } } } } }",
                json!([["test_a[1]", "test_a[2]", "test_d"]])),
        ]).await;
    }

    async fn a_metric_has_its_names_and_leads_to_each_of_them(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ metrics(last: 4) { nodes { session { hash } context { hash } variant { name } item { name } component { name } } } }", json!([
                { "session": "s2", "context": "c2", "variant": "test_c", "item": "test_c", "component": "" },
                { "session": "s3", "context": "c1", "variant": "test_b", "item": "test_b", "component": "net" },
                { "session": "s5", "context": "c2", "variant": "test_d", "item": "test_d", "component": "core" },
                { "session": null, "context": null, "variant": "test_a[1]", "item": "test_a", "component": "core" },
            ])),
            ("{ metrics(first: 1) { nodes { sessionHash contextHash startedAt componentName itemPath itemName variantName
                location kind totalTime userTime kernelTime cpuUsage memoryUsage passed } } }", json!([{
                "sessionHash": "s1", "contextHash": "c1", "startedAt": "2026-01-05T03:00:01", "componentName": "core",
                "itemPath": "pkg.a", "itemName": "test_a", "variantName": "test_a[1]", "location": "pkg/a.py",
                "kind": "function", "totalTime": 1.0, "userTime": 0.5, "kernelTime": 0.25, "cpuUsage": 0.75,
                "memoryUsage": 1.0, "passed": true,
            }])),
        ]).await;
    }

    async fn a_metric_leads_to_its_session_once_that_is_announced(app: &TestApp) {
        app.seed().await;
        let query = "{ metrics(last: 1) { nodes { sessionHash contextHash session { hash } context { hash } } } }";
        app.answers(&[
            (query, json!([{ "sessionHash": "s9", "contextHash": "c9", "session": null, "context": null }])),
            ("{ session(hash: \"s9\") { id } }", Value::Null),
            ("{ context(hash: \"c9\") { id } }", Value::Null),
            ("{ sessionCount }", json!(5)),
            ("{ contexts { nodes { hash } } }", json!(["c1", "c2"])),
        ]).await;
        app.announce_session(session("s9", json!({}))).await;
        app.announce_machine(context("c9", json!({}))).await;
        app.answers(&[
            (query, json!([{ "sessionHash": "s9", "contextHash": "c9", "session": "s9", "context": "c9" }])),
            ("{ session(hash: \"s9\") { metrics { nodes { memoryUsage } } } }", json!([8.0])),
            ("{ session(hash: \"s9\") { contexts { nodes { hash } } } }", json!(["c9"])),
            ("{ sessions { nodes { hash } } }", json!(["s1", "s2", "s3", "s4", "s5", "s9"])),
        ]).await;
    }

    async fn every_object_is_found_again_by_its_id(app: &TestApp) {
        app.seed().await;
        let mut ids = Vec::new();
        app.announce_session(session("b", json!({ "tags": { "branch": "main" } }))).await;
        for (name, query) in ONE_OF_EACH {
            let id = id_of(app, query).await;
            let node = app.run("query($id: ID!) { node(id: $id) { __typename id } }", json!({ "id": id })).await;
            assert_eq!(node["node"], json!({ "__typename": name, "id": id }));
            ids.push(id);
        }
        ids.reverse();
        ids.push(ids[0].clone());
        let nodes = app.run("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": ids })).await;
        assert_eq!(bare(nodes), json!(ids));
    }

    async fn an_id_that_leads_nowhere_gives_null(app: &TestApp) {
        app.seed().await;
        for (name, _) in ONE_OF_EACH {
            for row in ["987654", "0", "-1"] {
                let id = made_up(&format!("{name}:{row}"));
                let answer = app.run("query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }", json!({ "id": id })).await;
                assert_eq!(answer, json!({ "node": null, "nodes": [null] }), "{name}:{row}");
            }
        }
        let keys: Vec<_> = (1..20).map(|row| made_up(&format!("Session:{row}"))).collect();
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Session { hash } } }";
        let found = bare(app.run(query, json!({ "ids": keys })).await);
        let mut announced: Vec<_> = found.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        announced.sort_unstable();
        assert_eq!(announced, ["s1", "s2", "s3", "s4", "s5"]);
    }

    async fn an_id_that_is_none_or_of_another_type_is_refused(app: &TestApp) {
        app.seed().await;
        let session = id_of(app, ONE_OF_EACH[0].1).await;
        let garbage = ["", "x", "🙂", "U2Vzc2lvbg", &made_up("Session:x"), &made_up("Planet:1"), &made_up("Session:99999999999999999999")];
        for id in garbage {
            let answer = app.graphql_with("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{id}: {answer}");
            assert_eq!((&answer["data"], &answer["errors"][0]["path"]), (&json!({ "node": null }), &json!(["node"])));
        }
        let by = ["item", "variant", "build", "run"].map(|field| (field, "by: {id: $id}"));
        for (field, argument) in [("tag", "id: $id"), ("machineClass", "id: $id")].into_iter().chain(by) {
            let answer = app.graphql_with(&format!("query($id: ID!) {{ {field}({argument}) {{ id }} }}"), json!({ "id": session })).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{field}: {answer}");
            assert_eq!(answer["data"], json!({ field: null }));
        }
        let too_many = app.graphql_with("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": vec![session; 501] })).await;
        assert_eq!(too_many["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }

    async fn nouns_are_looked_up_by_their_names(app: &TestApp) {
        app.seed().await;
        let tags = json!({ "pipeline_branch": "main", "pipeline_build_no": "1", "project": "p" });
        app.announce_session(session("s6", json!({ "tags": tags }))).await;
        app.announce_session(session("s7", json!({ "runDate": "2026-02-01T00:00:00", "tags": { "pipeline_branch": "main", "pipeline_build_no": "1", "run_id": "x" } }))).await;
        app.answers(&[
            ("{ build(by: {named: {pipeline: \"main\", name: \"1\"}}) { sessions { nodes { hash } } } }", json!(["s1", "s7"])),
            ("{ build(by: {named: {pipeline: \"main\", name: \"1\", project: \"p\"}}) { sessions { nodes { hash } } } }", json!(["s6"])),
            ("{ build(by: {named: {pipeline: \"main\", name: \"3\"}}) { id } }", json!(null)),
            ("{ item(by: {named: {name: \"test_b\"}}) { component { name } } }", json!("net")),
            ("{ item(by: {named: {name: \"test_b\", component: \"core\"}}) { id } }", json!(null)),
            ("{ item(by: {named: {name: \"test_b\", path: \"pkg.a\"}}) { name } }", json!("test_b")),
            ("{ variant(by: {named: {name: \"test_a[1]\"}}) { metricCount } }", json!(3)),
            ("{ variant(by: {named: {name: \"test_a[1]\", path: \"pkg.a\", location: \"pkg/a.py\", component: \"core\"}}) { metricCount } }", json!(3)),
            ("{ variant(by: {named: {name: \"test_a[1]\", path: \"pkg\"}}) { id } }", json!(null)),
            ("{ run(by: {session: \"s3\"}) { sessions { nodes { hash } } } }", json!(["s3"])),
            ("{ run(by: {session: \"s9\"}) { id } }", json!(null)),
            // Of the runs of a build, the latest one.
            ("{ run(by: {build: {pipeline: \"main\", name: \"1\", project: \"\"}}) { sessions { nodes { hash } } } }", json!(["s7"])),
            ("{ run(by: {build: {pipeline: \"main\", name: \"2\"}}) { start } }", json!("2026-01-06T03:00:00")),
            ("{ run(by: {build: {pipeline: \"none\", name: \"2\"}}) { start } }", json!(null)),
        ]).await;
        for by in ["{}", "{id: \"x\", named: {pipeline: \"main\", name: \"1\"}}", "{named: {pipeline: \"main\"}}"] {
            let code = app.graphql_error(&format!("{{ build(by: {by}) {{ id }} }}")).await;
            assert!(["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"].contains(&code.as_str()), "{by}: {code}");
        }
    }

    async fn counts_match_what_is_listed(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ sessionCount contextCount metricCount componentCount }",
                json!({ "sessionCount": 5, "contextCount": 2, "metricCount": 8, "componentCount": 3 })),
            ("{ componentCount(where: {named: true}) }", json!(2)),
            ("{ componentCount(where: {named: false}) }", json!(1)),
            ("{ metricCount(where: {session: {eq: \"s9\"}}) }", json!(1)),
            ("{ metricCount(where: {context: {eq: \"c1\"}}) }", json!(4)),
            ("{ metricCount(where: {pipeline: {eq: \"main\"}}) }", json!(5)),
            ("{ metricCount(where: {build: {eq: \"1\"}}) }", json!(4)),
            ("{ metricCount(where: {scmRef: {eq: \"aaa\"}}) }", json!(3)),
            ("{ metricCount(where: {component: {eq: \"core\"}}) }", json!(5)),
            ("{ metricCount(where: {component: {eq: \"core\"}, totalTime: {gt: 1.5}}) }", json!(3)),
            ("{ metricCount(where: {passed: false}) }", json!(1)),
            ("{ metricCount(where: {passed: true}) }", json!(6)),
            ("{ contextCount(where: {ramTotal: {lt: 32000}}) }", json!(1)),
            ("{ pipelineNames }", json!(["main", "next"])),
            ("{ sessionHashes { names totalPages totalCount } }",
                json!({ "names": ["s1", "s2", "s3", "s4", "s5"], "totalPages": 1, "totalCount": 5 })),
        ]).await;
    }

    async fn the_top_metrics_come_from_either_end_with_ties_as_recorded(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ topMetrics(resource: TOTAL_TIME) { memoryUsage } }", json!([8.0, 5.0, 4.0, 3.0, 6.0, 2.0, 1.0, 7.0])),
            ("{ topMetrics(resource: TOTAL_TIME, direction: LOWEST, first: 5) { memoryUsage } }", json!([7.0, 1.0, 2.0, 3.0, 6.0])),
            ("{ topMetrics(resource: TOTAL_TIME, where: {component: {eq: \"core\"}}, first: 2) { memoryUsage } }", json!([8.0, 4.0])),
            ("{ topMetrics(resource: TOTAL_TIME, where: {totalTime: {lt: 5}}, first: 1) { memoryUsage } }", json!([4.0])),
            ("{ topMetrics(resource: CPU, first: 3) { memoryUsage } }", json!([1.0, 2.0, 3.0])),
            ("{ topMetrics(resource: KERNEL_TIME, direction: LOWEST, first: 2) { memoryUsage } }", json!([1.0, 2.0])),
            ("{ topMetrics(resource: USER_TIME, first: 1) { memoryUsage } }", json!([1.0])),
            ("{ topMetrics(resource: MEMORY, first: 2) { memoryUsage } }", json!([8.0, 7.0])),
            ("{ topMetrics(resource: MEMORY, first: 0) { memoryUsage } }", json!([])),
        ]).await;
        assert_eq!(app.graphql_error("{ topMetrics(resource: CPU, first: -1) { id } }").await, "BAD_USER_INPUT");
    }

    async fn the_top_metrics_are_five_hundred_at_most(app: &TestApp) {
        let metrics = (0..510).map(|n| metric(json!({ "cpuUsage": n }))).collect();
        app.record_all(metrics).await;
        for first in [500, 501, 100_000] {
            let top = app.bare(&format!("{{ topMetrics(resource: CPU, first: {first}) {{ cpuUsage }} }}")).await;
            assert_eq!(top.as_array().unwrap().len(), 500, "{first}");
            assert_eq!((&top[0], &top[499]), (&json!(509.0), &json!(10.0)));
        }
    }

    async fn the_top_metrics_of_many_tests_are_ranked_across_all_of_them(app: &TestApp) {
        let figure = |n: u32| f64::from((n / 2 * 7_919 + n % 2 * 4_243) % 97);
        let of = |n: u32| metric(json!({ "variantName": format!("v{}", n / 2), "cpuUsage": figure(n), "memoryUsage": n }));
        app.record_all((0..400).map(of).collect()).await;
        let (mut highest, mut lowest): (Vec<u32>, Vec<u32>) = ((0..400).collect(), (0..400).collect());
        highest.sort_by(|a, b| figure(*b).total_cmp(&figure(*a)));
        lowest.sort_by(|a, b| figure(*a).total_cmp(&figure(*b)));
        for (direction, ranked) in [("HIGHEST", highest), ("LOWEST", lowest)] {
            for filter in ["{}", "{component: {eq: \"core\"}}"] {
                for first in [1, 3, 150, 399] {
                    let top = format!(
                        "{{ topMetrics(resource: CPU, direction: {direction}, where: {filter}, first: {first}) {{ memoryUsage }} }}"
                    );
                    let expected: Vec<f64> = ranked[..first].iter().copied().map(f64::from).collect();
                    assert_eq!(app.bare(&top).await, json!(expected), "{top}");
                }
            }
        }
    }
}
