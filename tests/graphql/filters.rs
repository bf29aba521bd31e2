//! Filters of metrics by what their sessions and machines are, wherever metrics are asked for; and names that nothing has.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    history::bare,
    on_both_engines,
};

/// Announces a session with these tags.
async fn begin(app: &TestApp, hash: &str, run_date: &str, tags: Value) {
    app.announce_session(session(hash, json!({ "runDate": run_date, "scmRef": format!("rev-{hash}"), "tags": tags })))
        .await;
}

/// Announces a context.
async fn machine(app: &TestApp, hash: &str, node: &str, cores: u32) {
    app.announce_machine(context(hash, json!({ "machineNode": node, "cpuCount": cores }))).await;
}

/// Records metrics 1 to 8, which their memory usage tells apart: two of each session, one on each of its contexts.
async fn record(app: &TestApp) {
    let metrics = [
        ("a", "c1"),
        ("a", "c2"),
        ("b", "c1"),
        ("b", "c2"),
        ("c", "c1"),
        ("c", "c2"),
        ("late", "c1"),
        ("late", "slow"),
    ];
    let metrics = metrics.iter().zip(1..).map(|((session, context), number)| {
        metric(json!({ "sessionHash": session, "contextHash": context, "memoryUsage": number, "totalTime": number, "variantName": format!("v{number}") }))
    });
    app.record_all(metrics.collect()).await;
}

/// Asserts what a filter leaves, in every way in which metrics are asked for.
async fn assert_leaves(app: &TestApp, filter: &str, expected: &[u64]) {
    let query = format!(
        "{{ metricCount(where: {filter}) metrics(where: {filter}) {{ totalCount nodes {{ memoryUsage }} }}
            metricPage(where: {filter}) {{ totalCount items {{ memoryUsage }} }}
            topMetrics(resource: MEMORY, direction: LOWEST, where: {filter}) {{ memoryUsage }}
            metricGroups(groupBy: [{{by: VARIANT}}], where: {filter}) {{ nodes {{ stats(resource: MEMORY) {{ min }} }} }}
            component(name: \"core\") {{ stats(resource: MEMORY, where: {filter}) {{ metricCount sum }} metrics(where: {filter}) {{ totalCount }}
                topMetrics(resource: MEMORY, where: {filter}, first: 1) {{ memoryUsage }} }} }}"
    );
    let values: Vec<f64> = expected.iter().map(|number| f64::from(u32::try_from(*number).unwrap())).collect();
    let (count, sum) = (values.len(), values.iter().sum::<f64>());
    let stats = json!({ "metricCount": count, "sum": if count > 0 { json!(sum) } else { Value::Null } });
    let expected = json!({
        "metricCount": count, "metrics": { "totalCount": count, "nodes": values }, "metricPage": { "totalCount": count, "items": values },
        "topMetrics": values, "metricGroups": values, "component": { "stats": stats, "metrics": count,
            "topMetrics": values.last().into_iter().collect::<Vec<_>>() },
    });
    let answer = app.graphql_with(&query, json!({})).await;
    assert_eq!(bare(answer["data"].clone()), expected, "{filter}: {}", answer["errors"]);
}

/// Returns the warnings of a query that has no errors.
async fn warnings(app: &TestApp, query: &str) -> Value {
    let answer = app.graphql_with(query, json!({})).await;
    assert!(answer.get("errors").is_none(), "{query}: {answer}");
    answer["extensions"]["warnings"].clone()
}

on_both_engines! {
    async fn each_condition_holds_wherever_metrics_are_asked_for(app: &TestApp) {
        machine(app, "c1", "node-1", 8).await;
        machine(app, "c2", "node-2", 2).await;
        let tags = |project: &str, branch: &str, run: u32, numpy: &str| json!({ "project": project, "branch": branch, "run_id": run, "numpy": numpy });
        begin(app, "a", "2026-01-01T00:00:00", tags("p", "main", 1, "2.0")).await;
        begin(app, "b", "2026-01-02T00:00:00", tags("p", "dev", 2, "2.1")).await;
        begin(app, "c", "2026-01-03T00:00:00", tags("q", "main", 3, "")).await;
        record(app).await;
        let run = app.bare("{ session(hash: \"b\") { run { id } } }").await;
        let class = app.bare("{ context(hash: \"c2\") { machineClass { id } } }").await;
        for (filter, expected) in [
            ("tagged: {names: [\"numpy\"], values: [\"2.1\"]}".to_owned(), &[3, 4][..]),
            ("tagged: {names: [\"numpy\"]}".to_owned(), &[1, 2, 3, 4]),
            ("tagged: {names: [\"numpy\", \"project\"], values: [\"2.0\", \"q\"]}".to_owned(), &[1, 2, 5, 6]),
            ("tagged: {names: [\"numpy\", \"project\"], values: [\"2.0\", \"q\"], method: MATCH_ALL}".to_owned(), &[]),
            ("tagged: {names: [\"branch\", \"project\"], values: [\"main\", \"p\"], method: MATCH_ALL}".to_owned(), &[1, 2]),
            ("machine: {eq: \"node-2\"}".to_owned(), &[2, 4, 6]),
            ("machine: {like: \"NODE-_\"}".to_owned(), &[1, 2, 3, 4, 5, 6, 7]),
            (format!("machineClass: {{eq: {class}}}"), &[2, 4, 6]),
            (format!("run: {{in: [{run}]}}"), &[3, 4]),
            ("branch: {in: [\"main\", \"none\"]}".to_owned(), &[1, 2, 5, 6]),
            ("project: {startsWith: \"p\"}".to_owned(), &[1, 2, 3, 4]),
            ("runDate: {gte: \"2026-01-02T00:00:00\", lt: \"2026-01-03T00:00:00\"}".to_owned(), &[3, 4]),
            ("runDate: {gt: \"2026-01-01T00:00:00\"}, machine: {eq: \"node-1\"}".to_owned(), &[3, 5]),
            // What is not announced matches nothing, and so the opposite matches it.
            ("not: {project: {eq: \"p\"}}".to_owned(), &[5, 6, 7, 8]),
            ("not: {machine: {eq: \"node-1\"}}".to_owned(), &[2, 4, 6, 8]),
            ("not: {runDate: {gt: \"0001-01-01T00:00:00\"}}".to_owned(), &[7, 8]),
            ("or: [{branch: {eq: \"dev\"}}, {machine: {eq: \"node-2\"}, project: {eq: \"q\"}}]".to_owned(), &[3, 4, 6]),
            ("and: [{not: {tagged: {names: [\"numpy\"], values: [\"2.0\"]}}}, {or: [{machine: {eq: \"node-1\"}}]}]".to_owned(), &[3, 5, 7]),
            ("not: {or: [{branch: {eq: \"main\"}}, {not: {machine: {startsWith: \"node\"}}}]}".to_owned(), &[3, 4, 7]),
        ] {
            assert_leaves(app, &format!("{{{filter}}}"), expected).await;
        }
        // Late announcements.
        begin(app, "late", "2026-01-04T00:00:00", tags("q", "dev", 4, "2.1")).await;
        machine(app, "slow", "node-3", 2).await;
        for (filter, expected) in [
            ("tagged: {names: [\"numpy\"], values: [\"2.1\"]}", &[3, 4, 7, 8][..]),
            ("branch: {eq: \"dev\"}, project: {eq: \"q\"}", &[7, 8]),
            ("not: {project: {eq: \"p\"}}", &[5, 6, 7, 8]),
            ("machine: {eq: \"node-3\"}", &[8]),
            ("runDate: {gt: \"2026-01-03T00:00:00\"}", &[7, 8]),
        ] {
            assert_leaves(app, &format!("{{{filter}}}"), expected).await;
        }
        assert_leaves(app, &format!("{{machineClass: {{eq: {class}}}}}"), &[2, 4, 6, 8]).await;
    }

    async fn a_condition_of_null_is_none(app: &TestApp) {
        record(app).await;
        for filter in ["run", "machineClass", "session", "project", "runDate"] {
            assert_leaves(app, &format!("{{{filter}: {{eq: null}}}}"), &[1, 2, 3, 4, 5, 6, 7, 8]).await;
        }
    }

    async fn names_that_nothing_has_get_suggestions_and_no_error(app: &TestApp) {
        machine(app, "c1", "build-node", 8).await;
        begin(app, "s1", "2026-01-01T00:00:00", json!({
            "project": "weather", "branch": "main", "pipeline_branch": "nightly", "pipeline_build_no": "100", "numpy": "2.1" })).await;
        app.record_all(vec![metric(json!({}))]).await;
        for (filter, warning) in [
            ("component: {eq: \"croe\"}", json!(["component", "croe", ["core"], "where: there is no component `croe`. Did you mean `core`?"])),
            ("item: {in: [\"test_a\", \"test_b\"]}", json!(["item", "test_b", ["test_a"], "where: there is no item `test_b`. Did you mean `test_a`?"])),
            ("path: {eq: \"pkg\"}", json!(["path", "pkg", ["pkg.a"], "where: there is no path `pkg`. Did you mean `pkg.a`?"])),
            ("variant: {eq: \"test_a\"}", json!(["variant", "test_a", ["test_a[1]"], "where: there is no variant `test_a`. Did you mean `test_a[1]`?"])),
            ("pipeline: {eq: \"Nightly\"}", json!(["pipeline", "Nightly", ["nightly"], "where: there is no pipeline `Nightly`. Did you mean `nightly`?"])),
            ("not: {build: {eq: \"101\"}}", json!(["build", "101", ["100"], "where: there is no build `101`. Did you mean `100`?"])),
            ("or: [{project: {eq: \"wether\"}}]", json!(["project", "wether", ["weather"], "where: there is no project `wether`. Did you mean `weather`?"])),
            ("branch: {eq: \"xyz\"}", json!(["branch", "xyz", [], "where: there is no branch `xyz`."])),
            ("scmRef: {eq: \"rev\"}", json!(["revision", "rev", ["rev-s1"], "where: there is no revision `rev`. Did you mean `rev-s1`?"])),
            ("machine: {eq: \"buildnode\"}", json!(["machine", "buildnode", ["build-node"], "where: there is no machine `buildnode`. Did you mean `build-node`?"])),
            ("tagged: {names: [\"nunpy\"]}", json!(["tag", "nunpy", ["numpy"], "where: there is no tag `nunpy`. Did you mean `numpy`?"])),
        ] {
            let [of, name, near, message] = [&warning[0], &warning[1], &warning[2], &warning[3]];
            let expected = json!([{ "message": message, "filter": of, "name": name, "suggestions": near }]);
            for query in [
                format!("{{ metrics(where: {{{filter}}}) {{ nodes {{ id }} }} }}"),
                format!("{{ metricCount(where: {{{filter}}}) }}"),
                format!("{{ metricGroups(groupBy: [{{by: KIND}}], where: {{{filter}}}) {{ totalCount }} }}"),
            ] {
                assert_eq!(warnings(app, &query).await, expected, "{query}");
            }
        }
        for query in [
            "{ components(where: {name: {eq: \"cores\"}}) { totalCount } }",
            "{ runs(where: {revision: {eq: \"rev-s2\"}}) { totalCount } }",
            "{ contexts(where: {machineNode: {eq: \"build-mode\"}}) { totalCount } }",
        ] {
            assert_eq!(warnings(app, query).await[0]["suggestions"].as_array().unwrap().len(), 1, "{query}");
        }
        let existing = "{ metrics(where: {component: {eq: \"core\"}, branch: {in: [\"main\"]}, project: {eq: \"weather\"}, build: {eq: \"100\"},
            pipeline: {eq: \"nightly\"}, machine: {eq: \"build-node\"}, tagged: {names: [\"numpy\"]}, scmRef: {eq: \"rev-s1\"},
            path: {eq: \"pkg.a\"}, item: {eq: \"test_a\"}, variant: {eq: \"test_a[1]\"}, location: {eq: \"nowhere\"}}) { totalCount } }";
        assert_eq!(warnings(app, existing).await, Value::Null);
        // Patterns are no names, and a name that comes later is there.
        assert_eq!(warnings(app, "{ metricCount(where: {component: {like: \"croe\"}, branch: {startsWith: \"x\"}}) }").await, Value::Null);
        app.record_all(vec![metric(json!({ "componentName": "croe" }))]).await;
        assert_eq!(warnings(app, "{ metricCount(where: {component: {eq: \"croe\"}}) }").await, Value::Null);
    }

    async fn existing_names_are_looked_up_once(app: &TestApp) {
        app.record_all(vec![metric(json!({}))]).await;
        let query = "{ metricCount(where: {component: {eq: \"core\"}}) }";
        let statements = async || {
            let before = app.statements();
            app.bare(query).await;
            app.statements() - before
        };
        let first = statements().await;
        let second = statements().await;
        assert_eq!(second + 1, first);
    }
}
