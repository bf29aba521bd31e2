//! Aggregates: metrics by group, and statistics of single objects.

use metrograph::config::SegmentSizes;
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    builders::graphql::{context, metric, session},
    on_both_engines,
};

/// Records sessions of two pipelines with builds and tags, one of which is never announced; each metric takes as many seconds as its
/// number.
async fn record(app: &TestApp) {
    app.announce_machine(context("c1", json!({ "machineNode": "alpha" }))).await;
    app.announce_machine(context("c2", json!({ "machineNode": "beta" }))).await;
    let mut metrics = Vec::new();
    for (number, pipeline, build, python) in
        [(1, "main", "7", "3.12"), (2, "main", "8", "3.9"), (3, "nightly", "7", "")]
    {
        let mut tags = json!({ "pipeline_branch": pipeline, "pipeline_build_no": build });
        if !python.is_empty() {
            tags["python"] = json!(python);
        }
        if number == 2 {
            tags["branch"] = json!("dev");
        }
        app.announce_session(session(
            &format!("s{number}"),
            json!({ "scmRef": format!("r{}", number % 2), "tags": tags }),
        ))
        .await;
    }
    for number in 1..=12_i64 {
        metrics.push(metric(json!({
            "sessionHash": format!("s{}", 1 + number % 4), "contextHash": format!("c{}", 1 + number % 3),
            "componentName": if number % 2 == 0 { "core" } else { "net" },
            "itemName": format!("test_{}", number % 2), "variantName": format!("test_{}[{}]", number % 2, number % 4),
            "startedAt": format!("2026-0{}-{:02}T1{}:30:00", 1 + number / 7, 1 + number, number % 10),
            "totalTime": number, "memoryUsage": -number, "passed": ([json!(null), json!(true), json!(false)][usize::try_from(number % 3).unwrap()]),
        })));
    }
    app.record_all(metrics).await;
}

/// Returns what a query of groups selects in each of them.
async fn nodes(app: &TestApp, arguments: &str, fields: &str) -> Value {
    let answer = app.graphql(&format!("{{ metricGroups({arguments}) {{ nodes {{ {fields} }} }} }}")).await;
    answer["metricGroups"]["nodes"].clone()
}

on_both_engines! {
    async fn metrics_are_grouped_by_anything(app: &TestApp) {
        record(app).await;
        for (by, fields, wanted) in [
            ("{by: COMPONENT}", "component { name } metricCount", json!([
                { "component": { "name": "core" }, "metricCount": 6 }, { "component": { "name": "net" }, "metricCount": 6 },
            ])),
            ("{by: ITEM}", "item { name component { name } }", json!([
                { "item": { "name": "test_0", "component": { "name": "core" } } }, { "item": { "name": "test_1", "component": { "name": "net" } } },
            ])),
            ("{by: VARIANT}", "variant { name metricCount } metricCount", json!([
                { "variant": { "name": "test_0[0]", "metricCount": 3 }, "metricCount": 3 }, { "variant": { "name": "test_0[2]", "metricCount": 3 }, "metricCount": 3 },
                { "variant": { "name": "test_1[1]", "metricCount": 3 }, "metricCount": 3 }, { "variant": { "name": "test_1[3]", "metricCount": 3 }, "metricCount": 3 },
            ])),
            ("{by: KIND}", "kind metricCount", json!([{ "kind": "function", "metricCount": 12 }])),
            ("{by: SESSION}", "session { hash } sessionHash", json!([
                { "session": { "hash": "s1" }, "sessionHash": "s1" }, { "session": { "hash": "s2" }, "sessionHash": "s2" },
                { "session": { "hash": "s3" }, "sessionHash": "s3" }, { "session": null, "sessionHash": "s4" },
            ])),
            ("{by: PIPELINE}", "pipeline { name } metricCount", json!([
                { "pipeline": { "name": "main" }, "metricCount": 6 }, { "pipeline": { "name": "nightly" }, "metricCount": 3 },
                { "pipeline": null, "metricCount": 3 },
            ])),
            ("{by: BUILD}", "build { name pipeline { name } }", json!([
                { "build": { "name": "7", "pipeline": { "name": "main" } } }, { "build": { "name": "8", "pipeline": { "name": "main" } } },
                { "build": { "name": "7", "pipeline": { "name": "nightly" } } }, { "build": null },
            ])),
            ("{by: SCM_REF}", "scmRef metricCount", json!([
                { "scmRef": "r0", "metricCount": 3 }, { "scmRef": "r1", "metricCount": 6 }, { "scmRef": null, "metricCount": 3 },
            ])),
            ("{by: PROJECT}", "project { name } metricCount", json!([
                { "project": { "name": "" }, "metricCount": 9 }, { "project": null, "metricCount": 3 },
            ])),
            ("{by: RUN}", "run { build { name } } metricCount", json!([
                { "run": { "build": { "name": "7" } }, "metricCount": 3 }, { "run": { "build": { "name": "8" } }, "metricCount": 3 },
                { "run": { "build": { "name": "7" } }, "metricCount": 3 }, { "run": null, "metricCount": 3 },
            ])),
            ("{by: BRANCH}", "branch { name } metricCount distinct(of: RUN)", json!([
                { "branch": { "name": "dev" }, "metricCount": 3, "distinct": 1 }, { "branch": null, "metricCount": 9, "distinct": 2 },
            ])),
            ("{by: MACHINE_CLASS}", "machineClass { cpuCount } metricCount distinct(of: MACHINE)", json!([
                { "machineClass": { "cpuCount": 8 }, "metricCount": 8, "distinct": 2 }, { "machineClass": null, "metricCount": 4, "distinct": 0 },
            ])),
            ("{by: CONTEXT}", "context { hash } contextHash", json!([
                { "context": { "hash": "c1" }, "contextHash": "c1" }, { "context": { "hash": "c2" }, "contextHash": "c2" },
                { "context": null, "contextHash": "c3" },
            ])),
            ("{by: MACHINE}", "machine metricCount", json!([
                { "machine": "alpha", "metricCount": 4 }, { "machine": "beta", "metricCount": 4 }, { "machine": null, "metricCount": 4 },
            ])),
            ("{by: OUTCOME}", "outcome metricCount", json!([
                { "outcome": "FAILED", "metricCount": 4 }, { "outcome": "PASSED", "metricCount": 4 }, { "outcome": null, "metricCount": 4 },
            ])),
            ("{tag: \"python\"}", "tag metricCount", json!([
                { "tag": "3.12", "metricCount": 3 }, { "tag": "3.9", "metricCount": 3 }, { "tag": null, "metricCount": 6 },
            ])),
            ("{time: MONTH}", "bucket metricCount", json!([
                { "bucket": "2026-01-01T00:00:00", "metricCount": 6 }, { "bucket": "2026-02-01T00:00:00", "metricCount": 6 },
            ])),
            ("{time: WEEK}", "bucket metricCount", json!([
                { "bucket": "2025-12-29T00:00:00", "metricCount": 3 }, { "bucket": "2026-01-05T00:00:00", "metricCount": 3 },
                { "bucket": "2026-02-02T00:00:00", "metricCount": 1 }, { "bucket": "2026-02-09T00:00:00", "metricCount": 5 },
            ])),
            ("{by: COMPONENT}, {by: OUTCOME}", "component { name } outcome distinct(of: VARIANT) metricCount", json!([
                { "component": { "name": "core" }, "outcome": "FAILED", "distinct": 2, "metricCount": 2 },
                { "component": { "name": "core" }, "outcome": "PASSED", "distinct": 2, "metricCount": 2 },
                { "component": { "name": "core" }, "outcome": null, "distinct": 2, "metricCount": 2 },
                { "component": { "name": "net" }, "outcome": "FAILED", "distinct": 2, "metricCount": 2 },
                { "component": { "name": "net" }, "outcome": "PASSED", "distinct": 2, "metricCount": 2 },
                { "component": { "name": "net" }, "outcome": null, "distinct": 2, "metricCount": 2 },
            ])),
        ] {
            assert_eq!(nodes(app, &format!("groupBy: [{by}]"), fields).await, wanted, "{by}");
        }
        assert_eq!(nodes(app, "groupBy: [{by: KIND}]", "pipeline { name } bucket tag outcome session { hash }").await,
            json!([{ "pipeline": null, "bucket": null, "tag": null, "outcome": null, "session": null }]));
        let two = "groupBy: [{tag: \"python\"}, {tag: \"nothing\"}], first: 1";
        assert_eq!(nodes(app, two, "a: tag(name: \"python\") b: tag(name: \"nothing\")").await, json!([{ "a": "3.12", "b": null }]));
        assert_eq!(app.graphql_error(&format!("{{ metricGroups({two}) {{ nodes {{ tag }} }} }}")).await, "BAD_USER_INPUT");
    }

    async fn statistics_are_those_that_the_schema_defines(app: &TestApp) {
        record(app).await;
        let all = "metricCount sum mean min max standardDeviation median firstQuartile thirdQuartile p90 p95 p99 percentile(p: 0.1) share";
        let fields = format!("firstSeen lastSeen distinct(of: PIPELINE) stats(resource: TOTAL_TIME) {{ {all} }} memory: stats(resource: MEMORY) {{ sum share }}");
        let found = nodes(app, "groupBy: [{by: COMPONENT}]", &fields).await;
        // 2, 4, 6, 8, 10, 12
        assert_eq!(found[0], json!({
            "firstSeen": "2026-01-03T12:30:00", "lastSeen": "2026-02-13T12:30:00", "distinct": 2,
            "stats": { "metricCount": 6, "sum": 42.0, "mean": 7.0, "min": 2.0, "max": 12.0, "standardDeviation": 3.741_657_386_773_941_3,
                "median": 7.0, "firstQuartile": 4.5, "thirdQuartile": 9.5, "p90": 11.0, "p95": 11.5, "p99": 11.9, "percentile": 3.0,
                "share": 42.0 / 78.0 },
            "memory": { "sum": -42.0, "share": 42.0 / 78.0 },
        }));
        let one = nodes(app, "groupBy: [{by: VARIANT}], where: {totalTime: {eq: 3}}", &format!("stats(resource: CPU) {{ {all} }}")).await;
        assert_eq!(one, json!([{ "stats": { "metricCount": 1, "sum": 0.75, "mean": 0.75, "min": 0.75, "max": 0.75, "standardDeviation": null,
            "median": 0.75, "firstQuartile": 0.75, "thirdQuartile": 0.75, "p90": 0.75, "p95": 0.75, "p99": 0.75, "percentile": 0.75, "share": 1.0 } }]));
        let nothing = app.bare("{ metricGroups(groupBy: [{time: DAY}], where: {item: {eq: \"none\"}}) { totalCount nodes { metricCount } } }").await;
        assert_eq!(nothing, json!({ "totalCount": 0, "nodes": [] }));
    }

    async fn every_noun_with_metrics_has_statistics(app: &TestApp) {
        record(app).await;
        let stats = "stats(resource: TOTAL_TIME, where: {totalTime: {lte: 8}}) { metricCount sum median max share }";
        for (query, wanted) in [
            ("component(name: \"core\")", json!([4, 20.0, 5.0, 8.0, 20.0 / 36.0])),
            ("session(hash: \"s1\")", json!([2, 12.0, 6.0, 8.0, 12.0 / 36.0])),
            ("pipeline(name: \"main\")", json!([4, 18.0, 4.5, 8.0, 18.0 / 36.0])),
            ("project(name: \"\")", json!([6, 26.0, 4.5, 8.0, 26.0 / 36.0])),
            ("branch(name: \"dev\")", json!([2, 6.0, 3.0, 5.0, 6.0 / 36.0])),
            ("context(hash: \"c2\")", json!([3, 12.0, 4.0, 7.0, 12.0 / 36.0])),
            ("component(name: \"\")", json!(null)),
        ] {
            let found = app.bare(&format!("{{ {query} {{ {stats} }} }}")).await;
            let found = match found {
                Value::Null => found,
                stats => json!([stats["metricCount"], stats["sum"], stats["median"], stats["max"], stats["share"]]),
            };
            assert_eq!(found, wanted, "{query}");
        }
        let lists = ["items", "variants", "components"].into_iter();
        let announced = ["builds", "sessions", "contexts", "pipelines", "runs", "projects", "branches", "machineClasses"];
        for list in lists.chain(announced) {
            let found = app.bare(&format!("{{ {list} {{ nodes {{ all: stats(resource: TOTAL_TIME) {{ metricCount sum }} {stats} }} }} }}")).await;
            let sum = |field: &str, of: &str| found.as_array().unwrap().iter().filter_map(|node| node[field][of].as_f64()).sum::<f64>();
            let is_whole = !announced.contains(&list);
            assert_eq!((sum("all", "sum") >= 78.0, sum("stats", "sum") >= 36.0), (is_whole, is_whole), "{list}: {found}");
        }
        let empty = "{ variants(first: 1) { nodes { stats(resource: CPU, where: {kind: {eq: \"none\"}}) { metricCount sum mean min standardDeviation p95 share } } } }";
        assert_eq!(app.bare(empty).await, json!([{
            "metricCount": 0, "sum": null, "mean": null, "min": null, "standardDeviation": null, "p95": null, "share": null }]));
    }

    async fn groups_are_in_any_order_and_pages_follow_each_other(app: &TestApp) {
        record(app).await;
        for (order, wanted) in [
            ("{by: SUM, resource: TOTAL_TIME, direction: DESC}", ["[0]", "[3]", "[2]", "[1]"]),
            ("{by: SUM, resource: MEMORY}", ["[0]", "[3]", "[2]", "[1]"]),
            ("{by: MEAN, resource: TOTAL_TIME}", ["[1]", "[2]", "[3]", "[0]"]),
            ("{by: MIN, resource: TOTAL_TIME, direction: DESC}", ["[0]", "[3]", "[2]", "[1]"]),
            ("{by: PERCENTILE, p: 0.4, resource: TOTAL_TIME}", ["[1]", "[2]", "[3]", "[0]"]),
            ("{by: STANDARD_DEVIATION, resource: TOTAL_TIME, direction: DESC}", ["[1]", "[2]", "[3]", "[0]"]),
            ("{by: LAST_SEEN, direction: DESC}", ["[0]", "[3]", "[2]", "[1]"]),
            ("{by: COUNT, direction: DESC}", ["[1]", "[2]", "[3]", "[0]"]),
            ("{by: NAME, direction: DESC}", ["[3]", "[1]", "[2]", "[0]"]),
        ] {
            let (mut found, mut after) = (Vec::new(), String::new());
            for page in 0..4 {
                let query = format!("{{ metricGroups(groupBy: [{{by: VARIANT}}], first: 1, orderBy: {order}, after: \"{after}\") {{
                    totalCount pageInfo {{ hasNextPage hasPreviousPage endCursor }} edges {{ cursor node {{ variant {{ name }} }} }} }} }}");
                let answer = app.graphql(&query).await;
                let answer = &answer["metricGroups"];
                let edge = &answer["edges"][0];
                let name = edge["node"]["variant"]["name"].as_str().unwrap();
                found.push(name[name.len() - 3..].to_owned());
                assert_eq!(answer["totalCount"], 4, "{order}");
                let info = json!({ "hasNextPage": page < 3, "hasPreviousPage": page > 0, "endCursor": edge["cursor"] });
                assert_eq!(answer["pageInfo"], info, "{order}");
                edge["cursor"].as_str().unwrap().clone_into(&mut after);
            }
            assert_eq!(found, wanted, "{order}");
        }
    }

    async fn a_cursor_marks_a_place_that_nothing_has_to_be_in(app: &TestApp) {
        record(app).await;
        let page = |after: &str, filter: &str| format!("{{ metricGroups(groupBy: [{{by: VARIANT}}, {{time: DAY}}], first: 3, after: \"{after}\", where: {{{filter}}}) {{
            pageInfo {{ endCursor }} nodes {{ variant {{ name }} bucket }} }} }}");
        let first = app.graphql(&page("", "")).await;
        let cursor = first["metricGroups"]["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
        let next = app.graphql(&page(&cursor, "")).await["metricGroups"]["nodes"].clone();
        // Without the group that the cursor was made from, and with one that comes before it.
        let without = app.graphql(&page(&cursor, "not: {totalTime: {eq: 12}}")).await["metricGroups"]["nodes"].clone();
        assert_eq!(without, next);
        app.record_all(vec![metric(json!({ "variantName": "a first one", "location": "a" }))]).await;
        assert_eq!(app.graphql(&page(&cursor, "")).await["metricGroups"]["nodes"], next);
    }

    async fn the_groups_that_make_half_are_the_fewest(app: &TestApp) {
        record(app).await;
        let query = |share: &str| format!("{{ metricGroups(groupBy: [{{time: DAY}}], untilShare: {share}, first: 2,
            orderBy: {{by: SUM, resource: TOTAL_TIME, direction: DESC}}) {{ totalCount nodes {{ stats(resource: TOTAL_TIME) {{ sum }} }} }} }}");
        // 12 + 11 + 10 + 9 = 42, and half of 78 is 39.
        for (share, count) in [("0.5", 4), ("0.1", 1), ("1", 12), ("0.538", 4), ("0.539", 5)] {
            let found = app.graphql(&query(share)).await;
            assert_eq!(found["metricGroups"]["totalCount"], count, "{share}");
            assert_eq!(found["metricGroups"]["nodes"][0]["stats"]["sum"], 12.0);
        }
        let negative = query("0.5").replace("TOTAL_TIME", "MEMORY");
        assert_eq!(app.graphql(&negative).await["metricGroups"]["totalCount"], 0);
    }

    async fn what_makes_no_sense_is_refused_with_a_remedy(app: &TestApp) {
        record(app).await;
        for (arguments, field) in [
            ("groupBy: []", "groupBy"),
            ("groupBy: [{by: KIND}, {by: ITEM}, {by: SESSION}, {by: OUTCOME}]", "groupBy"),
            ("groupBy: [{by: KIND}, {by: KIND}]", "groupBy"),
            ("groupBy: [{time: DAY}, {time: WEEK}]", "groupBy"),
            ("groupBy: [{by: KIND}], first: -1", "first"),
            ("groupBy: [{by: KIND}], after: \"x\"", "after"),
            ("groupBy: [{by: KIND}], orderBy: {by: SUM}", "orderBy.resource"),
            ("groupBy: [{by: KIND}], orderBy: {by: PERCENTILE, resource: CPU}", "orderBy.p"),
            ("groupBy: [{by: KIND}], orderBy: {by: PERCENTILE, resource: CPU, p: 1.5}", "orderBy.p"),
            ("groupBy: [{by: KIND}], orderBy: {by: MEDIAN, resource: CPU, p: 0.5}", "orderBy.p"),
            ("groupBy: [{by: KIND}], untilShare: 0.5", "untilShare"),
            ("groupBy: [{by: KIND}], untilShare: 0.5, orderBy: {by: SUM, resource: CPU}", "untilShare"),
            ("groupBy: [{by: KIND}], untilShare: 0, orderBy: {by: SUM, resource: CPU, direction: DESC}", "untilShare"),
            ("groupBy: [{by: KIND}], untilShare: 1.5, orderBy: {by: SUM, resource: CPU, direction: DESC}", "untilShare"),
        ] {
            let answer = app.post("/graphql", &json!({ "query": format!("{{ metricGroups({arguments}) {{ totalCount }} }}") })).await.json();
            let error = &answer["errors"][0];
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{arguments}: {answer}");
            assert!(error["message"].as_str().unwrap().starts_with(&format!("{field}: ")), "{arguments}: {answer}");
        }
        let too_many = app.graphql_error("{ metricGroups(groupBy: [{by: KIND}], first: 10001) { totalCount } }").await;
        assert_eq!(too_many, "LIMIT_EXCEEDED");
        for two in ["{by: KIND}, {}", "{by: KIND, time: DAY}", "{by: PLANET}", "{}"] {
            let code = app.graphql_error(&format!("{{ metricGroups(groupBy: [{two}]) {{ totalCount }} }}")).await;
            assert!(["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"].contains(&code.as_str()), "{two}: {code}");
        }
        let percentile = "{ metricGroups(groupBy: [{by: KIND}]) { nodes { stats(resource: CPU) { percentile(p: 2) } } } }";
        assert_eq!(app.graphql_error(percentile).await, "BAD_USER_INPUT");
        let cursor = app.graphql("{ metricGroups(groupBy: [{by: KIND}]) { pageInfo { endCursor } } }").await;
        let other = format!("{{ metricGroups(groupBy: [{{by: ITEM}}], after: {}) {{ totalCount }} }}", cursor["metricGroups"]["pageInfo"]["endCursor"]);
        assert_eq!(app.graphql_error(&other).await, "BAD_USER_INPUT");
    }

    async fn a_wrong_clock_ruins_no_groups(app: &TestApp) {
        record(app).await;
        let clocks = ["1970-01-01T00:00:00", "2106-02-07T06:28:15", "0001-01-01T00:00:00", "9999-12-31T23:59:59"];
        app.record_all(clocks.iter().map(|clock| metric(json!({ "startedAt": clock, "totalTime": 100 }))).collect()).await;
        for time in ["HOUR", "DAY", "WEEK", "MONTH"] {
            let found = nodes(app, &format!("groupBy: [{{time: {time}}}, {{by: VARIANT}}, {{by: SESSION}}], first: 500"), "bucket metricCount firstSeen
                distinct(of: SESSION) stats(resource: TOTAL_TIME) { sum max p95 standardDeviation }").await;
            let found = found.as_array().unwrap();
            assert_eq!(found.iter().map(|node| node["metricCount"].as_u64().unwrap()).sum::<u64>(), 16, "{time}");
            assert_eq!(found.iter().map(|node| node["stats"]["sum"].as_f64().unwrap()).sum::<f64>().to_bits(), 478.0_f64.to_bits());
            let ends = [&found[0], &found[found.len() - 1]].map(|node| (node["firstSeen"].as_str().unwrap(), node["stats"]["p95"].as_f64()));
            assert_eq!(ends, [(clocks[2], Some(100.0)), (clocks[3], Some(100.0))], "{time}");
        }
    }

    async fn figures_that_are_no_numbers_come_in_by_no_door(app: &TestApp) {
        for text in ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "\"NaN\"", "\"Infinity\""] {
            for figure in ["totalTime", "userTime", "kernelTime", "cpuUsage", "memoryUsage"] {
                let usual = metric(json!({ figure: "_" })).to_string().replace("\"_\"", text);
                for query in [
                    r#""mutation($m: MetricInput!) { recordMetric(input: $m) { metric { id } } }","variables":{"m":_}"#.replace('_', &usual),
                    r#""mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { metrics { id } } }","variables":{"m":[_]}"#.replace('_', &usual),
                ] {
                    let answer = app.send_body(axum::http::Method::POST, "/graphql", "application/json", format!("{{\"query\":{query}}}")).await;
                    assert!(answer.json()["errors"][0]["extensions"]["code"].is_string(), "{figure}: {text}");
                }
                let members: Vec<String> = metric(json!({})).as_object().unwrap().iter()
                    .map(|(name, value)| format!("{name}: {}", if name == figure { text.to_owned() } else { value.to_string() })).collect();
                let literal = format!("mutation {{ recordMetric(input: {{{}}}) {{ metric {{ id }} }} }}", members.join(", "));
                let answer = app.post("/graphql", &json!({ "query": literal })).await.json();
                assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{figure}: {text}: {answer}");
            }
            for figure in ["total_time", "user_time", "kernel_time", "cpu_usage", "mem_usage"] {
                let body = crate::support::builders::rest::metric(json!({ figure: "_" })).to_string().replace("\"_\"", text);
                let reply = app.send_body(axum::http::Method::POST, "/api/v1/metrics/", "application/json", body).await;
                assert_eq!(reply.status.as_u16(), 400, "{figure}: {text}");
            }
        }
        assert_eq!(app.bare("{ metricCount }").await, json!(0));
    }
}

/// Returns the answer to a query as text, numbers to the last digit.
async fn text(app: &TestApp, query: &str) -> String {
    app.graphql(query).await.to_string()
}

async fn sealed_or_not(engine: Engine) {
    let sizes = |page, segment| SegmentSizes { page, segment };
    let (mut answers, mut apps) = (Vec::new(), Vec::new());
    for segments in [sizes(8, 32), sizes(256, 32_768)] {
        let Some(app) = TestApp::with(engine, |settings| settings.storage.segments = segments).await else { return };
        let metrics = (0..900_u32).map(|number| {
            let chance = number.wrapping_mul(2_654_435_761) >> 16;
            metric(json!({
                "sessionHash": format!("s{}", number / 30), "variantName": format!("v{}", chance % 40), "componentName": format!("c{}", chance % 3),
                "startedAt": format!("2026-01-{:02}T{:02}:00:00", 1 + number / 40, chance % 24),
                "totalTime": f64::from(chance) * 0.1 + 1e-9, "memoryUsage": f64::from(chance % 99) / 256.0 - 0.1,
            }))
        });
        app.record_all(metrics.collect()).await;
        let mut of_app = Vec::new();
        for by in [
            "{by: VARIANT}",
            "{by: SESSION}, {by: VARIANT}",
            "{time: HOUR}, {by: VARIANT}, {by: SESSION}",
            "{time: DAY}",
        ] {
            for order in
                ["{by: NAME}", "{by: SUM, resource: MEMORY, direction: DESC}", "{by: P95, resource: TOTAL_TIME}"]
            {
                of_app.push(
                    text(
                        &app,
                        &format!(
                            "{{ metricGroups(groupBy: [{by}], orderBy: {order}, first: 300) {{ totalCount nodes {{
                    sessionHash variant {{ name }} bucket metricCount firstSeen lastSeen distinct(of: SESSION)
                    stats(resource: TOTAL_TIME) {{ sum mean standardDeviation median p99 share }}
                    memory: stats(resource: MEMORY) {{ sum min max standardDeviation firstQuartile }} }} }} }}"
                        ),
                    )
                    .await,
                );
            }
        }
        answers.push(of_app);
        apps.push(app);
    }
    for (sealed, unsealed) in answers[0].iter().zip(&answers[1]) {
        assert_eq!(sealed, unsealed);
    }
    for app in apps {
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_does_not_show_in_groups_on_sqlite() {
    sealed_or_not(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealing_does_not_show_in_groups_on_postgres() {
    sealed_or_not(Engine::Postgres).await;
}
