//! The history of a variant: a point for each run and machine class.

use metrograph::config::SegmentSizes;
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    builders::graphql::{context, metric, session},
    on_both_engines,
};

/// Announces a session whose run has a number: by default these are in the order of their run dates.
async fn begin(app: &TestApp, hash: &str, run: u32, changes: Value) {
    let run_date = format!("2026-{:02}-{:02}T03:00:00", 1 + run / 28, 1 + run % 28);
    let mut usual =
        session(hash, json!({ "runDate": run_date, "scmRef": format!("r{run}"), "tags": { "run_id": run } }));
    usual.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    app.announce_session(usual).await;
}

/// Builds a metric of `test_v`.
fn of_variant(variant: &str, session: &str, context: &str, seconds: f64) -> Value {
    metric(json!({ "variantName": variant, "sessionHash": session, "contextHash": context, "totalTime": seconds }))
}

/// Announces two contexts of one class, and one of another.
async fn machines(app: &TestApp) {
    app.announce_machine(context("c1", json!({ "machineNode": "node-1" }))).await;
    app.announce_machine(context("c2", json!({ "machineNode": "node-2" }))).await;
    app.announce_machine(context("c3", json!({ "machineNode": "node-3", "cpuCount": 2 }))).await;
}

const POINT: &str = "run { start } machineClass { cpuCount } start revision n min median mean max isAmbiguous";

/// Returns the history of a variant.
async fn history(app: &TestApp, variant: &str, arguments: &str, fields: &str) -> Value {
    let filter = format!("where: {{name: {{eq: \"{variant}\"}}}}");
    let query =
        format!("{{ variants({filter}) {{ nodes {{ history(resource: TOTAL_TIME{arguments}) {{ {fields} }} }} }} }}");
    app.bare(&query).await[0].take()
}

fn point(start: &str, revision: &str, class: &Value, n: u64, figures: [f64; 4], is_ambiguous: bool) -> Value {
    let [min, median, mean, max] = figures;
    json!({
        "run": start, "start": start, "revision": revision, "machineClass": class, "n": n, "min": min, "median": median,
        "mean": mean, "max": max, "isAmbiguous": is_ambiguous,
    })
}

on_both_engines! {
    async fn a_point_is_of_a_run_and_a_machine_class(app: &TestApp) {
        machines(app).await;
        // The later run arrives first. Run 1 has two sessions, on machines of one class and of another.
        begin(app, "late", 2, json!({})).await;
        app.record_all(vec![of_variant("v", "late", "c1", 9.0), of_variant("w", "late", "c1", 5.0)]).await;
        for (hash, run) in [("a", 1), ("b", 1), ("first", 0)] {
            begin(app, hash, run, json!({})).await;
        }
        app.record_all(vec![
            of_variant("v", "a", "c1", 1.0),
            of_variant("v", "b", "c2", 4.0),
            of_variant("v", "b", "c3", 7.0),
            of_variant("v", "first", "c3", 3.0),
            of_variant("v", "first", "c3", 4.0),
            of_variant("v", "first", "c3", 8.0),
            of_variant("v", "late", "unknown", 2.0),
            of_variant("v", "unknown", "c1", 100.0),
        ])
        .await;
        let expected = [
            point("2026-01-01T03:00:00", "r0", &json!(2), 3, [3.0, 4.0, 5.0, 8.0], true),
            point("2026-01-02T03:00:00", "r1", &json!(8), 2, [1.0, 2.5, 2.5, 4.0], false),
            point("2026-01-02T03:00:00", "r1", &json!(2), 1, [7.0, 7.0, 7.0, 7.0], false),
            point("2026-01-03T03:00:00", "r2", &json!(8), 1, [9.0, 9.0, 9.0, 9.0], false),
            point("2026-01-03T03:00:00", "r2", &Value::Null, 1, [2.0, 2.0, 2.0, 2.0], false),
        ];
        assert_eq!(history(app, "v", "", POINT).await, json!(expected));
        assert_eq!(history(app, "v", ", last: 2", POINT).await, json!(expected[1..]));
        assert_eq!(history(app, "v", ", last: 1", "start n __typename machineClass { id }").await[0]["start"], json!("2026-01-03T03:00:00"));
        assert_eq!(history(app, "v", ", last: 0", POINT).await, json!([]));
        assert_eq!(history(app, "w", "", "n").await, json!([1]));
        let query = "{ variants { nodes { name isAmbiguous sparkline(resource: TOTAL_TIME)
            last: sparkline(resource: TOTAL_TIME, last: 1) memory: sparkline(resource: MEMORY, last: 2, where: {context: {eq: \"c3\"}}) } } }";
        app.answers(&[(query, json!([
            { "name": "v", "isAmbiguous": true, "sparkline": [4.0, 4.0, 5.5], "last": [5.5], "memory": [1.5, 1.5] },
            { "name": "w", "isAmbiguous": false, "sparkline": [5.0], "last": [5.0], "memory": [] },
        ]))]).await;
        let far = |memory: f64| metric(json!({ "variantName": "far", "sessionHash": "late", "memoryUsage": memory }));
        app.record_all(vec![far(1.7e308), far(-1.7e308)]).await;
        app.answers(&[("{ variants(where: {name: {eq: \"far\"}}) { nodes { sparkline(resource: MEMORY) history(resource: MEMORY) { mean median } } } }",
            json!([{ "sparkline": [0.0], "history": [{ "mean": 0.0, "median": 0.0 }] }]))]).await;
        // A session that is announced later is a run, too.
        begin(app, "unknown", 40, json!({})).await;
        assert_eq!(history(app, "v", ", last: 1", "mean").await, json!([100.0]));
    }

    async fn filters_choose_the_metrics_of_points(app: &TestApp) {
        machines(app).await;
        for (run, branch) in [(0, "main"), (1, "next"), (2, "main"), (3, "next")] {
            let tags = json!({ "tags": { "run_id": run, "branch": branch, "odd": run % 2, "project": format!("p{}", run / 2) } });
            begin(app, &format!("s{run}"), run, tags).await;
            app.record_all(vec![
                of_variant("v", &format!("s{run}"), "c1", f64::from(run)),
                of_variant("v", &format!("s{run}"), "c3", f64::from(run) + 10.0),
            ])
            .await;
        }
        let run = app.bare("{ session(hash: \"s2\") { run { id } } }").await;
        let class = app.bare("{ context(hash: \"c3\") { machineClass { id } } }").await;
        for (filter, expected) in [
            ("branch: {eq: \"main\"}".to_owned(), json!([0.0, 10.0, 2.0, 12.0])),
            ("not: {branch: {eq: \"main\"}}, machine: {eq: \"node-1\"}".to_owned(), json!([1.0, 3.0])),
            ("project: {eq: \"p1\"}, totalTime: {gt: 10}".to_owned(), json!([12.0, 13.0])),
            ("tagged: {names: [\"odd\"], values: [\"1\"]}, context: {eq: \"c1\"}".to_owned(), json!([1.0, 3.0])),
            (format!("run: {{eq: {run}}}"), json!([2.0, 12.0])),
            (format!("machineClass: {{eq: {class}}}, runDate: {{gte: \"2026-01-03T00:00:00\"}}"), json!([12.0, 13.0])),
            ("or: [{session: {eq: \"s0\"}}, {totalTime: {eq: 13}}]".to_owned(), json!([0.0, 10.0, 13.0])),
            ("branch: {eq: \"none\"}".to_owned(), json!([])),
        ] {
            let medians = history(app, "v", &format!(", where: {{{filter}}}"), "median").await;
            assert_eq!(medians, expected, "{filter}");
        }
    }

    /// So that more than one window of runs is read.
    async fn a_variant_that_few_runs_have_is_found_in_old_ones(app: &TestApp) {
        machines(app).await;
        for run in 0..200 {
            begin(app, &format!("s{run}"), run, json!({})).await;
        }
        let metrics = (0..200).flat_map(|run| {
            let rare = [("old", 0), ("rare", 3), ("rare", 150), ("usual", run)];
            let of_run = rare.into_iter().filter(move |(_, of)| *of == run);
            of_run.map(move |(variant, _)| of_variant(variant, &format!("s{run}"), "c1", f64::from(run)))
        });
        app.record_all(metrics.collect()).await;
        let query = "{ variants { nodes { name sparkline(resource: TOTAL_TIME, last: 2) history(resource: TOTAL_TIME, last: 1) { revision } } } }";
        app.answers(&[(query, json!([
            { "name": "old", "sparkline": [0.0], "history": ["r0"] },
            { "name": "usual", "sparkline": [198.0, 199.0], "history": ["r199"] },
            { "name": "rare", "sparkline": [3.0, 150.0], "history": ["r150"] },
        ]))]).await;
        let all: Vec<f64> = (0..200).map(f64::from).collect();
        assert_eq!(history(app, "usual", "", "max").await, json!(all));
        app.delete(&["s150", "s0"]).await.unwrap();
        assert_eq!(history(app, "rare", ", last: 1", "revision").await, json!(["r3"]));
    }

    async fn what_is_asked_too_much_is_refused(app: &TestApp) {
        app.seed().await;
        for (arguments, code) in [
            ("last: 501", "LIMIT_EXCEEDED"),
            ("last: -1", "BAD_USER_INPUT"),
            ("where: {run: {eq: \"x\"}}", "BAD_USER_INPUT"),
        ] {
            for field in ["history", "sparkline"] {
                let selection = if field == "history" { "{ n }" } else { "" };
                let query = format!("{{ variants {{ nodes {{ {field}(resource: CPU, {arguments}) {selection} }} }} }}");
                assert_eq!(app.graphql_error(&query).await, code, "{query}");
            }
        }
        let small = TestApp::with(app.engine(), |settings| settings.graphql.limits.max_answer = 300).await.unwrap();
        small.seed().await;
        let query = "{ variants(first: 1) { nodes { history(resource: CPU) { n min max mean median start revision run { id start } } } } }";
        assert_eq!(small.graphql_error(query).await, "LIMIT_EXCEEDED");
        small.finish().await;
    }
}

/// Returns the median of sorted values.
fn median(values: &[f64]) -> f64 {
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}

/// Histories of metrics by chance, with segments of these sizes, as a naive model computes them.
async fn by_chance(engine: Engine, sizes: SegmentSizes) {
    let Some(app) = TestApp::with(engine, |settings| settings.storage.segments = sizes).await else { return };
    machines(&app).await;
    for run in 0..40_u32 {
        // In no order.
        let run = run * 17 % 40;
        begin(&app, &format!("s{run}"), run, json!({})).await;
    }
    let metrics: Vec<(u32, u32, u32, f64)> = (0..1200_u32)
        .map(|number| {
            let chance = number.wrapping_mul(2_654_435_761) >> 8;
            // Some variants are in every run, others in few.
            (chance % 40, (chance / 40) % (1 + chance % 12), chance % 3, f64::from(chance % 1000) * 0.125)
        })
        .collect();
    let inputs = metrics.iter().map(|(run, variant, machine, seconds)| {
        of_variant(&format!("v{variant}"), &format!("s{run}"), &format!("c{}", machine + 1), *seconds)
    });
    app.record_all(inputs.collect()).await;
    for last in [1_usize, 3, 10, 100] {
        for variant in 0..12 {
            let mut runs: Vec<u32> =
                metrics.iter().filter(|metric| metric.1 == variant).map(|metric| metric.0).collect();
            runs.sort_unstable();
            runs.dedup();
            runs.drain(..runs.len().saturating_sub(last));
            let (mut points, mut medians) = (Vec::new(), Vec::new());
            for run in runs {
                let values = |is_small: Option<bool>| {
                    let is_it = |metric: &&(u32, u32, u32, f64)| {
                        (metric.0, metric.1) == (run, variant) && is_small.is_none_or(|small| small == (metric.2 == 2))
                    };
                    let mut values: Vec<f64> = metrics.iter().filter(is_it).map(|metric| metric.3).collect();
                    values.sort_by(f64::total_cmp);
                    values
                };
                medians.push(median(&values(None)));
                for (is_small, cores) in [(false, 8), (true, 2)] {
                    let values = values(Some(is_small));
                    if let [least, .., greatest] | [least @ greatest] = values[..] {
                        points.push(json!({
                            "revision": format!("r{run}"), "machineClass": cores, "n": values.len(), "min": least,
                            "median": median(&values), "max": greatest, "isAmbiguous": values.len() > 1,
                        }));
                    }
                }
            }
            let mut found = history(
                &app,
                &format!("v{variant}"),
                &format!(", last: {last}"),
                "revision machineClass { cpuCount } n min median max isAmbiguous",
            )
            .await;
            // Classes are in order of arrival.
            found.as_array_mut().unwrap().sort_by_key(|point| {
                let run: u32 = point["revision"].as_str().unwrap()[1..].parse().unwrap();
                (run, std::cmp::Reverse(point["machineClass"].as_u64()))
            });
            assert_eq!(found, json!(points), "{engine:?} {variant} {last}");
            let query = format!(
                "{{ variants(where: {{name: {{eq: \"v{variant}\"}}}}) {{ nodes {{ sparkline(resource: TOTAL_TIME, last: {last}) }} }} }}"
            );
            assert_eq!(app.bare(&query).await, json!([medians]), "{engine:?} {variant} {last}");
        }
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_are_those_of_a_naive_model_on_sqlite() {
    for sizes in [SegmentSizes { page: 8, segment: 32 }, SegmentSizes::default()] {
        by_chance(Engine::Sqlite, sizes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_are_those_of_a_naive_model_on_postgres() {
    by_chance(Engine::Postgres, SegmentSizes { page: 8, segment: 32 }).await;
}
