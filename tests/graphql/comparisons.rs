//! Comparisons of two sides.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    on_both_engines,
};

const A: [f64; 5] = [10.0, 10.2, 9.9, 10.1, 10.0];
const B: [f64; 5] = [10.6, 10.4, 10.9, 10.3, 10.5];
const B_WITH_TIES: [f64; 5] = [10.1, 10.4, 10.0, 10.3, 9.95];

/// The sides that the tag `side` names.
const SIDES: &str =
    "before: {tag: {name: \"side\", value: \"before\"}}, after: {tag: {name: \"side\", value: \"after\"}}";

/// Announces a run of one session of this side, in this minute of an hour.
async fn begin(app: &TestApp, hash: &str, side: &str, minute: usize, more: Value) {
    let mut tags = json!({ "run_id": hash, "side": side });
    tags.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let run_date = format!("2026-01-05T03:{minute:02}:00");
    app.announce_session(session(hash, json!({ "runDate": run_date, "scmRef": side, "tags": tags }))).await;
}

fn measured(session: &str, variant: &str, total_time: f64) -> Value {
    metric(
        json!({ "sessionHash": session, "variantName": variant, "totalTime": total_time, "memoryUsage": -total_time }),
    )
}

/// Records runs of a side: of each variant, one value in each run.
async fn record(app: &TestApp, side: &str, values: &[(&str, &[f64])]) {
    let runs = values.iter().map(|(_, values)| values.len()).max().unwrap();
    for run in 0..runs {
        let hash = format!("{side}{run}");
        begin(app, &hash, side, run + if side == "after" { 30 } else { 0 }, json!({})).await;
        let of_run = values.iter().filter_map(|(variant, values)| Some((variant, values.get(run)?)));
        app.record_all(of_run.map(|(variant, value)| measured(&hash, variant, *value)).collect()).await;
    }
}

/// Records other metrics, so that what was recorded before is sealed.
async fn seal(app: &TestApp) {
    app.record_all((0..200).map(|_| metric(json!({ "sessionHash": "other" }))).collect()).await;
}

/// Returns a part of a comparison of total times.
async fn compare(app: &TestApp, arguments: &str, fields: &str) -> Value {
    let answer = app.graphql(&format!("{{ comparison(resource: TOTAL_TIME, {arguments}) {{ {fields} }} }}")).await;
    answer["comparison"].clone()
}

/// Returns the message of the error of a comparison of total times.
async fn refusal(app: &TestApp, arguments: &str) -> String {
    let query = format!("{{ comparison(resource: TOTAL_TIME, {arguments}) {{ summary {{ compared }} }} }}");
    let answer = app.graphql_with(&query, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
    answer["errors"][0]["message"].as_str().unwrap().to_owned()
}

fn assert_close(found: &Value, expected: f64, error: f64) {
    assert!((found.as_f64().unwrap() - expected).abs() < error, "{found} is not {expected}");
}

on_both_engines! {
    async fn changes_are_judged_by_exact_tests(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("slow", &A), ("same", &A), ("fast", &[1.0, 1.25, 1.5, 1.125, 1.25])]).await;
        seal(app).await;
        record(app, "after", &[("slow", &B), ("same", &B_WITH_TIES), ("fast", &[0.5, 0.25, 0.75, 0.5, 0.5])]).await;
        let fields = "variants(orderBy: {by: NAME, direction: DESC}) { totalCount nodes {
            variant { name } machineClass { cpuCount } presence isComparable isAmbiguous status
            before { metricCount median } after { metricCount median } difference ratio p adjustedP delta magnitude interval { low high } } }
            summary { compared new removed regressed improved unchanged untested }";
        let found = compare(app, SIDES, fields).await;
        assert_eq!(found["summary"], json!({ "compared": 3, "new": 0, "removed": 0, "regressed": 1, "improved": 1, "unchanged": 1, "untested": 0 }));
        assert_eq!(found["variants"]["totalCount"], 3);
        let [slow, same, fast] = [0, 1, 2].map(|index| &found["variants"]["nodes"][index]);
        for (row, name, status, magnitude, p, adjusted, delta) in [
            (slow, "slow", "REGRESSED", "LARGE", 0.007_936_508, 0.011_904_762, 1.0),
            (same, "same", "UNCHANGED", "SMALL", 0.460_317, 0.460_317, 0.32),
            (fast, "fast", "IMPROVED", "LARGE", 0.007_936_508, 0.011_904_762, -1.0),
        ] {
            let texts = ["status", "magnitude", "presence"].map(|field| row[field].as_str().unwrap());
            assert_eq!((row["variant"]["name"].as_str().unwrap(), texts), (name, [status, magnitude, "COMPARED"]));
            assert_eq!((&row["isComparable"], &row["isAmbiguous"], &row["machineClass"]["cpuCount"]), (&json!(true), &json!(false), &json!(8)));
            assert_close(&row["p"], p, 1e-6);
            assert_close(&row["adjustedP"], adjusted, 1e-6);
            assert_close(&row["delta"], delta, 1e-12);
            assert_eq!((&row["before"]["metricCount"], &row["after"]["metricCount"]), (&json!(5), &json!(5)));
            let [low, difference, high] = [&row["interval"]["low"], &row["difference"], &row["interval"]["high"]].map(|value| value.as_f64().unwrap());
            assert!(low <= difference && difference <= high && high - low < 1.0, "{row}");
        }
        assert_eq!((&slow["before"]["median"], &slow["after"]["median"], &slow["difference"], &slow["ratio"]),
            (&json!(10.0), &json!(10.5), &json!(0.5), &json!(1.05)));
        assert_eq!(found, compare(app, SIDES, fields).await, "the same at each call");
        // The engine resolves edges, the writer of JSON nodes.
        let edges = fields.replace("nodes {", "edges { node {").replace("high } } }", "high } } } }");
        let edges = compare(app, SIDES, &edges).await;
        let nodes: Vec<&Value> = edges["variants"]["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]).collect();
        assert_eq!(json!(nodes), found["variants"]["nodes"]);
    }

    async fn what_only_one_side_has_is_new_or_removed(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("kept", &A), ("gone", &A)]).await;
        record(app, "after", &[("kept", &B), ("appeared", &B)]).await;
        let rows = "nodes { variant { name } presence status before { metricCount median } difference ratio p delta interval { low } }";
        let found = compare(app, SIDES, &format!("new: variants(presence: NEW) {{ {rows} }} removed: variants(presence: [REMOVED]) {{ {rows} }}
            summary {{ compared new removed notComparable }}")).await;
        let row = |name, presence, before: Value| json!([{ "variant": { "name": name }, "presence": presence, "status": null, "before": before,
            "difference": null, "ratio": null, "p": null, "delta": null, "interval": null }]);
        assert_eq!(found["new"]["nodes"], row("appeared", "NEW", json!({ "metricCount": 0, "median": null })));
        assert_eq!(found["removed"]["nodes"], row("gone", "REMOVED", json!({ "metricCount": 5, "median": 10.0 })));
        assert_eq!(found["summary"], json!({ "compared": 1, "new": 1, "removed": 1, "notComparable": 0 }));
        let both = compare(app, SIDES, "variants(presence: [NEW, REMOVED], status: [REGRESSED]) { totalCount }").await;
        assert_eq!(both["variants"]["totalCount"], 0);
    }

    async fn machine_classes_are_compared_one_by_one(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        app.announce_machine(context("c2", json!({ "cpuCount": 4 }))).await;
        record(app, "before", &[("t", &A)]).await;
        record(app, "after", &[("t", &B)]).await;
        let on = |context: &str, session: &str| metric(json!({ "sessionHash": session, "contextHash": context, "variantName": "t", "totalTime": 99 }));
        // c2 measured before only, c9 is never announced.
        app.record_all(vec![on("c2", "before0"), on("c9", "before0"), on("c9", "after0")]).await;
        let found = compare(app, SIDES, "variants { nodes { machineClass { cpuCount } presence isComparable status before { median } after { median } } }
            summary { compared removed notComparable regressed before { runs sessions metricCount sum medians } }
            confounders { machineClasses { machineClass { cpuCount } before after } }").await;
        let median = |median: Value| json!({ "median": median });
        assert_eq!(found["variants"]["nodes"], json!([
            { "machineClass": { "cpuCount": 8 }, "presence": "COMPARED", "isComparable": true, "status": "REGRESSED",
                "before": median(json!(10.0)), "after": median(json!(10.5)) },
            { "machineClass": { "cpuCount": 4 }, "presence": "REMOVED", "isComparable": false, "status": null,
                "before": median(json!(99.0)), "after": median(json!(null)) },
            { "machineClass": null, "presence": "COMPARED", "isComparable": false, "status": null,
                "before": median(json!(99.0)), "after": median(json!(99.0)) },
        ]));
        assert_eq!(found["summary"], json!({ "compared": 1, "removed": 0, "notComparable": 2, "regressed": 1,
            "before": { "runs": 5, "sessions": 5, "metricCount": 7, "sum": 248.2, "medians": 10.0 } }));
        assert_eq!(found["confounders"]["machineClasses"], json!([
            { "machineClass": { "cpuCount": 4 }, "before": 1, "after": 0 }, { "machineClass": null, "before": 1, "after": 1 },
        ]));
    }

    async fn what_can_t_be_tested_is_said_to_be_untested(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("twice", &A), ("few", &A[..4]), ("usual", &A)]).await;
        record(app, "after", &[("twice", &B), ("few", &B), ("usual", &B)]).await;
        app.record_all(vec![measured("after3", "twice", 10.4)]).await;
        let rows = "variants { nodes { variant { name } isAmbiguous status after { metricCount } p adjustedP delta interval { low } } } summary { ambiguous untested }";
        let found = compare(app, SIDES, rows).await;
        assert_eq!(found["summary"], json!({ "ambiguous": 1, "untested": 2 }));
        let found = found["variants"]["nodes"].as_array().unwrap();
        for (row, name, is_ambiguous, count) in [(&found[0], "twice", true, 6), (&found[1], "few", false, 5)] {
            assert_eq!(row, &json!({ "variant": { "name": name }, "isAmbiguous": is_ambiguous, "status": "UNTESTED", "after": { "metricCount": count },
                "p": null, "adjustedP": null, "delta": null, "interval": null }));
        }
        assert_eq!(found[2]["status"], "REGRESSED");
        // Alone, it is not adjusted for others.
        assert_eq!(found[2]["p"], found[2]["adjustedP"]);
        // CPU usage is shown, not judged.
        let query = format!("{{ comparison(resource: CPU, {SIDES}) {{ variants {{ nodes {{ status p magnitude }} }} summary {{ regressed unchanged untested }} }} }}");
        let found = app.graphql(&query).await["comparison"].clone();
        assert_eq!(found["variants"]["nodes"][2], json!({ "status": null, "p": 1.0, "magnitude": "NEGLIGIBLE" }));
        assert_eq!(found["summary"], json!({ "regressed": 0, "unchanged": 0, "untested": 0 }));
    }

    /// The sessions of a run, such as workers, measure a test once each; still, a run is no sample.
    async fn single_runs_are_never_tested(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        for (side, values) in [("before", A), ("after", B)] {
            for (number, value) in values.into_iter().enumerate() {
                let hash = format!("{side}{number}");
                begin(app, &hash, side, number, json!({ "run_id": side })).await;
                app.record_all(vec![measured(&hash, "t", value)]).await;
            }
        }
        let ids = app.bare("{ runs(orderBy: {by: FIRST_SEEN}) { nodes { id } } }").await;
        let sides = format!("before: {{run: {}}}, after: {{run: {}}}", ids[0], ids[1]);
        let found = compare(app, &sides, "variants { nodes { status before { metricCount } p ratio } } summary { untested after { runs sessions } }").await;
        assert_eq!(found, json!({
            "variants": { "nodes": [{ "status": "UNTESTED", "before": { "metricCount": 5 }, "p": null, "ratio": 1.05 }] },
            "summary": { "untested": 1, "after": { "runs": 1, "sessions": 5 } },
        }));
    }

    async fn sides_are_chosen_in_six_ways(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("t", &A)]).await;
        record(app, "after", &[("t", &B)]).await;
        // The latest run measured nothing.
        begin(app, "controller", "after", 59, json!({ "branch": "main" })).await;
        begin(app, "of-main", "main", 58, json!({ "pipeline_branch": "nightly", "branch": "main", "project": "p" })).await;
        app.record_all(vec![measured("of-main", "t", 7.0)]).await;
        app.record_all(vec![measured("unannounced", "t", 8.0)]).await;
        let after = "after: {session: \"unannounced\"}";
        for (before, count, median) in [
            ("{session: \"before2\"}", 1, 9.9),
            ("{scmRef: \"after\"}", 5, 10.5),
            ("{latestRuns: {project: \"\", count: 3}}", 3, 10.5),
            ("{latestRuns: {}}", 10, 10.25),
            ("{latestRuns: {project: \"p\", pipeline: \"nightly\", branch: \"main\"}}", 1, 7.0),
            ("{tag: {name: \"side\", value: \"before\"}}", 5, 10.0),
            ("{tag: {name: \"side\", value: \"before\", where: {totalTime: {gt: 10}}}}", 2, 10.149_999_999_999_999),
            ("{period: {since: \"2026-01-05T03:01:00\", until: \"2026-01-05T03:03:00\"}}", 2, 10.05),
            ("{period: {until: \"2026-01-05T03:10:00\", where: {session: {in: [\"before0\", \"after0\"]}}}}", 1, 10.0),
        ] {
            let found = compare(app, &format!("before: {before}, {after}"), "variants { nodes { before { metricCount median } after { median } } }").await;
            let row = &found["variants"]["nodes"][0];
            assert_eq!((&row["before"]["metricCount"], &row["after"]["median"]), (&json!(count), &json!(8.0)), "{before}");
            assert_close(&row["before"]["median"], median, 1e-9);
        }
        let filtered = compare(app, &format!("{SIDES}, where: {{totalTime: {{lt: 10.35}}}}"), "variants { nodes { before { metricCount } after { metricCount } } }").await;
        assert_eq!(filtered["variants"]["nodes"], json!([{ "before": { "metricCount": 5 }, "after": { "metricCount": 1 } }]));
        // Both sides have sessions, and one has no metrics that match.
        let empty = compare(app, &format!("{SIDES}, where: {{totalTime: {{lt: 10.25}}}}"), "variants { nodes { presence isComparable status } }
            summary { compared removed notComparable geometricMean after { runs metricCount sum } } confounders { tags { name } machineClasses { before after } }").await;
        assert_eq!(empty, json!({
            "variants": { "nodes": [{ "presence": "REMOVED", "isComparable": false, "status": null }] },
            "summary": { "compared": 0, "removed": 0, "notComparable": 1, "geometricMean": null, "after": { "runs": 0, "metricCount": 0, "sum": 0.0 } },
            "confounders": { "tags": [], "machineClasses": [{ "before": 5, "after": 0 }] },
        }));
    }

    async fn sides_that_do_not_exist_are_named(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("t", &A)]).await;
        record(app, "after", &[("t", &B)]).await;
        let run = app.bare("{ runs(first: 1) { nodes { id } } }").await[0].as_str().unwrap().to_owned();
        for (side, message) in [
            ("{session: \"x\"}", "session: there is no session with the hash 'x'"),
            ("{scmRef: \"x\"}", "scmRef: no session has the revision 'x'"),
            ("{latestRuns: {pipeline: \"x\"}}", "latestRuns: there is no run with metrics"),
            ("{latestRuns: {count: 0}}", "latestRuns.count: give a number from 1 to 500, not 0"),
            ("{latestRuns: {count: 501}}", "latestRuns.count: give a number from 1 to 500, not 501"),
            ("{tag: {name: \"side\", value: \"x\"}}", "tag: no session has the tag 'side' with the value 'x'"),
            ("{tag: {name: \"side\", value: \"before\", where: {run: {eq: \"x\"}}}}", "tag.where.run.eq: 'x' is no id"),
            ("{period: {}}", "period: give since, until or both"),
            ("{period: {since: \"2026-01-05\", until: \"2026-01-05\"}}", "period.until: give a time after since"),
            ("{period: {since: \"2030-01-05T00:00:00\"}}", "period: no session began in this period"),
            ("{run: \"x\"}", "run: 'x' is no id of this server"),
            ("{run: \"UnVuOjk5OTk\"}", "run: there is no such run any more"),
        ] {
            for (argument, other) in [("before", "after"), ("after", "before")] {
                let found = refusal(app, &format!("{argument}: {side}, {other}: {{session: \"{other}0\"}}")).await;
                assert!(found.starts_with(&format!("{argument}.{message}")), "{found}");
            }
        }
        let context = app.bare("{ contexts { nodes { id } } }").await[0].as_str().unwrap().to_owned();
        let found = refusal(app, &format!("before: {{run: \"{context}\"}}, after: {{run: \"{run}\"}}")).await;
        assert_eq!(found, "before.run: this is the id of a ExecutionContext, not of a Run");
        // Sides that overlap are refused, unless conditions keep them apart.
        for sides in [
            format!("before: {{run: \"{run}\"}}, after: {{scmRef: \"before\"}}"),
            "before: {latestRuns: {}}, after: {latestRuns: {count: 1}}".to_owned(),
            "before: {scmRef: \"before\"}, after: {tag: {name: \"side\", value: \"before\", where: {totalTime: {gt: 10}}}}".to_owned(),
        ] {
            let found = refusal(app, &sides).await;
            assert!(found.starts_with("before, after: the same metrics are on both sides"), "{found}");
        }
        let apart = |op: &str| format!("{{tag: {{name: \"side\", value: \"before\", where: {{totalTime: {{{op}: 10}}}}}}}}");
        let found = compare(app, &format!("before: {}, after: {}", apart("lte"), apart("gt")),
            "variants { nodes { before { metricCount median } after { metricCount } } } summary { before { sessions } after { sessions } }").await;
        assert_eq!(found, json!({ "variants": { "nodes": [{ "before": { "metricCount": 3, "median": 10.0 }, "after": { "metricCount": 2 } }] },
            "summary": { "before": { "sessions": 3 }, "after": { "sessions": 2 } } }));
    }

    async fn tags_that_differ_are_named(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        for (number, side, more) in [
            (0, "before", json!({ "python": "3.11", "os": "linux", "numpy": "1" })), (1, "before", json!({ "python": "3.12", "os": "linux", "numpy": "1" })),
            (2, "after", json!({ "python": "3.12", "os": "linux" })), (3, "after", json!({ "python": "3.12", "os": "linux", "numpy": "1", "pipeline_build_no": "7" })),
        ] {
            let hash = format!("s{number}");
            begin(app, &hash, side, number, more).await;
            app.record_all(vec![measured(&hash, "t", 1.0)]).await;
        }
        let fields = "confounders { tags { name before after } machineClasses { before } }";
        let tags = json!([{ "name": "numpy", "before": ["1"], "after": [null, "1"] }, { "name": "python", "before": ["3.11", "3.12"], "after": ["3.12"] }]);
        assert_eq!(compare(app, SIDES, fields).await, json!({ "confounders": { "tags": tags, "machineClasses": [] } }));
        let revisions = compare(app, "before: {scmRef: \"before\"}, after: {scmRef: \"after\"}", fields).await;
        assert_eq!(revisions["confounders"]["tags"][2], json!({ "name": "side", "before": ["before"], "after": ["after"] }));
        // What a side is chosen by is no confounder: not the tag of a pipeline either.
        begin(app, "weekly", "before", 5, json!({ "pipeline_branch": "weekly", "os": "mac" })).await;
        app.record_all(vec![measured("weekly", "t", 1.0)]).await;
        let latest = compare(app, "before: {scmRef: \"after\"}, after: {latestRuns: {pipeline: \"weekly\"}}", "confounders { tags { name } }").await;
        assert_eq!(latest, json!({ "confounders": { "tags": [{ "name": "numpy" }, { "name": "os" }, { "name": "python" }, { "name": "side" }] } }));
    }

    async fn ratios_of_zeros_are_left_out_and_counted(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("double", &[1.0]), ("half", &[8.0]), ("from-zero", &[0.0]), ("to-zero", &[3.0])]).await;
        record(app, "after", &[("double", &[2.0]), ("half", &[4.0]), ("from-zero", &[5.0]), ("to-zero", &[0.0])]).await;
        let fields = "variants { nodes { difference ratio } } summary { compared geometricMean ratios withoutRatio before { sum medians } after { sum } }";
        let found = compare(app, SIDES, fields).await;
        assert_eq!(found, json!({
            "variants": { "nodes": [
                { "difference": 1.0, "ratio": 2.0 }, { "difference": -4.0, "ratio": 0.5 }, { "difference": 5.0, "ratio": null }, { "difference": -3.0, "ratio": 0.0 },
            ] },
            "summary": { "compared": 4, "geometricMean": 1.0, "ratios": 2, "withoutRatio": 2,
                "before": { "sum": 12.0, "medians": 12.0 }, "after": { "sum": 11.0 } },
        }));
        let memory = app.graphql(&format!("{{ comparison(resource: MEMORY, {SIDES}) {{ variants {{ nodes {{ ratio }} }} summary {{ geometricMean ratios }} }} }}")).await;
        assert_eq!(memory["comparison"]["summary"], json!({ "geometricMean": null, "ratios": 0 }));
    }

    async fn variants_are_in_any_order_and_pages_follow_each_other(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("b", &A), ("d", &A), ("a", &A), ("gone", &A), ("c", &[20.0, 20.5, 21.0, 21.5, 22.0])]).await;
        record(app, "after", &[("b", &B), ("d", &B_WITH_TIES), ("a", &[9.0, 9.5, 8.0, 8.5, 8.25]), ("c", &[20.0, 22.0, 24.0, 26.0, 28.0])]).await;
        for (order, wanted) in [
            ("{by: FIRST_SEEN}", ["b", "d", "a", "gone", "c"]),
            ("{by: FIRST_SEEN, direction: DESC}", ["b", "d", "a", "gone", "c"]),
            ("{by: NAME}", ["a", "b", "c", "d", "gone"]),
            ("{by: NAME, direction: DESC}", ["gone", "d", "c", "b", "a"]),
            ("{by: P}", ["b", "a", "c", "d", "gone"]),
            ("{by: P, direction: DESC}", ["d", "c", "b", "a", "gone"]),
            ("{by: RATIO, direction: DESC}", ["c", "b", "d", "a", "gone"]),
            ("{by: DIFFERENCE}", ["a", "d", "b", "c", "gone"]),
            ("{by: MEDIAN_BEFORE, direction: DESC}", ["c", "b", "d", "a", "gone"]),
            ("{by: MEDIAN_AFTER}", ["a", "d", "b", "c", "gone"]),
        ] {
            let (mut found, mut after) = (Vec::new(), String::new());
            for page in 0..5 {
                let fields = format!("variants(first: 1, orderBy: {order}, after: \"{after}\") {{
                    totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} edges {{ cursor node {{ variant {{ name }} }} }} }}");
                let answer = compare(app, SIDES, &fields).await["variants"].clone();
                let edge = &answer["edges"][0];
                found.push(edge["node"]["variant"]["name"].as_str().unwrap().to_owned());
                let info = json!({ "hasNextPage": page < 4, "hasPreviousPage": page > 0, "startCursor": edge["cursor"], "endCursor": edge["cursor"] });
                assert_eq!((&answer["totalCount"], &answer["pageInfo"]), (&json!(5), &info), "{order}");
                edge["cursor"].as_str().unwrap().clone_into(&mut after);
            }
            assert_eq!(found, wanted, "{order}");
        }
        // A place stays where it is if rows before it are gone, and a cursor is one of its order.
        let page = |order: &str, after: &str, filter: &str| format!("{{ comparison(resource: TOTAL_TIME, {SIDES}, where: {{{filter}}}) {{
            variants(first: 2, orderBy: {{by: {order}}}, after: \"{after}\") {{ pageInfo {{ endCursor }} nodes {{ variant {{ name }} }} }} }} }}");
        let first = app.graphql(&page("NAME", "", "")).await;
        let cursor = first["comparison"]["variants"]["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
        for filter in ["", "not: {variant: {eq: \"b\"}}"] {
            let next = app.graphql(&page("NAME", &cursor, filter)).await;
            assert_eq!(next["comparison"]["variants"]["nodes"], json!([{ "variant": { "name": "c" } }, { "variant": { "name": "d" } }]), "{filter}");
        }
        for (order, cursor) in [("P", cursor.as_str()), ("NAME", "x")] {
            assert_eq!(app.graphql_error(&page(order, cursor, "")).await, "BAD_USER_INPUT");
        }
        let too_many = format!("{{ comparison(resource: TOTAL_TIME, {SIDES}) {{ variants(first: 10001) {{ totalCount }} }} }}");
        assert_eq!(app.graphql_error(&too_many).await, "LIMIT_EXCEEDED");
    }

    async fn a_comparison_is_read_once(app: &TestApp) {
        // Sealing takes statements, too.
        let app = TestApp::unsealed(app.engine()).await.unwrap();
        app.announce_machine(context("c1", json!({}))).await;
        let names: Vec<String> = (0..40).map(|number| format!("v{number}")).collect();
        let values = |values: &'static [f64]| names.iter().map(|name| (name.as_str(), values)).collect::<Vec<_>>();
        record(&app, "before", &values(&A)).await;
        record(&app, "after", &values(&B)).await;
        let statements = async |fields: &str| {
            let before = app.statements();
            compare(&app, SIDES, fields).await;
            app.statements() - before
        };
        let usual = "variants { nodes { status before { median } } }";
        statements(usual).await;
        let once = statements(usual).await;
        let all = "a: variants(status: REGRESSED) { totalCount } b: variants(orderBy: {by: P}) { nodes { p interval { low } } }
            summary { regressed unchanged geometricMean } s: summary { compared } confounders { machineClasses { before } }";
        assert_eq!(statements(all).await, once);
        assert!(once <= 9, "{once}");
        // The names of one row take as many statements as those of forty.
        let rows = |first: u32| format!("variants(first: {first}) {{ nodes {{ variant {{ name item {{ name }} }} machineClass {{ cpuCount }} }} }}");
        assert_eq!(statements(&rows(1)).await, statements(&rows(40)).await);
        app.finish().await;
    }

    /// Another server stores meanwhile, and a session is deleted.
    async fn a_comparison_is_of_what_there_is(app: &TestApp) {
        app.announce_machine(context("c1", json!({}))).await;
        record(app, "before", &[("t", &A)]).await;
        record(app, "after", &[("t", &B)]).await;
        let other = app.second_server().await;
        begin(&other, "after9", "after", 50, json!({})).await;
        other.record_all(vec![measured("after9", "t", 11.0)]).await;
        let fields = "summary { after { sessions metricCount } } variants { nodes { status } }";
        let found = compare(app, SIDES, fields).await;
        assert_eq!(found["summary"]["after"], json!({ "sessions": 6, "metricCount": 6 }));
        other.finish().await;
        app.delete(&["after9", "after0"]).await.unwrap();
        let found = compare(app, SIDES, fields).await;
        assert_eq!(found, json!({ "summary": { "after": { "sessions": 4, "metricCount": 4 } }, "variants": { "nodes": [{ "status": "UNTESTED" }] } }));
    }
}
