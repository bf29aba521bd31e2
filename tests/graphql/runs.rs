//! Runs: which sessions are of one run, and what a run shows.

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    builders::graphql::{context, metric, session},
    counters, on_both_engines,
};

/// Announces a session of this second of an hour.
async fn begin(app: &TestApp, hash: &str, second: u32, tags: Value) {
    let run_date = format!("2026-01-05T03:{:02}:{:02}", second / 60, second % 60);
    app.announce_session(session(hash, json!({ "runDate": run_date, "scmRef": "abc", "tags": tags }))).await;
}

/// Announces a context on this machine.
async fn machine(app: &TestApp, hash: &str, node: &str) {
    app.announce_machine(context(hash, json!({ "machineNode": node, "cpuFrequency": hash.len() }))).await;
}

/// Records a metric of a variant that began in this second of an hour and took a second and a half.
async fn measure(app: &TestApp, session: &str, context: &str, variant: &str, second: u32) {
    let started_at = format!("2026-01-05T03:{:02}:{:02}", second / 60, second % 60);
    app.record_all(vec![metric(json!({
        "sessionHash": session, "contextHash": context, "variantName": variant, "startedAt": started_at, "totalTime": 1.5,
    }))])
    .await;
}

/// Returns the runs with the hashes of their sessions, in order of announcement.
async fn runs(app: &TestApp) -> Value {
    app.bare("{ runs(orderBy: {by: FIRST_SEEN}) { nodes { sessions { nodes { hash } } } } }").await
}

on_both_engines! {
    /// The controller announces itself first and never measures; the workers' machine is unknown until their first metrics.
    async fn workers_and_their_controller_are_one_run(app: &TestApp) {
        machine(app, "c1", "node-1").await;
        begin(app, "controller", 0, json!({ "a": "1" })).await;
        begin(app, "gw0", 2, json!({ "a": "1" })).await;
        begin(app, "gw1", 3, json!({ "a": "1" })).await;
        measure(app, "gw0", "c1", "v1", 5).await;
        measure(app, "gw1", "c1", "v2", 6).await;
        measure(app, "gw1", "c1", "v1", 8).await;
        assert_eq!(runs(app).await, json!([["controller", "gw0", "gw1"]]));
        app.answers(&[
            ("{ runs { nodes { grouping tests metricCount start revision machines duration { wall summed } } } }", json!([{
                "grouping": "INFERRED", "tests": 2, "metricCount": 3, "start": "2026-01-05T03:00:02", "revision": "abc",
                "machines": ["node-1"], "duration": { "wall": 7.5, "summed": 4.5 },
            }])),
            ("{ session(hash: \"controller\") { run { sessions { totalCount } } } }", json!(3)),
        ]).await;
        counters::check(app).await;
    }

    async fn a_session_on_another_machine_moves_to_a_run_of_its_own(app: &TestApp) {
        machine(app, "c1", "node-1").await;
        machine(app, "c2", "node-2").await;
        for (hash, second) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
            begin(app, hash, second, json!({})).await;
        }
        assert_eq!(runs(app).await, json!([["a", "b", "c", "d"]]));
        measure(app, "b", "c1", "v", 10).await;
        measure(app, "a", "c2", "v", 11).await;
        measure(app, "d", "c2", "v", 12).await;
        measure(app, "c", "c1", "v", 13).await;
        assert_eq!(runs(app).await, json!([["b", "c"], ["a", "d"]]));
        app.answers(&[
            ("{ runs(orderBy: {by: FIRST_SEEN}) { nodes { start machines } } }", json!([
                { "start": "2026-01-05T03:00:01", "machines": ["node-1"] },
                { "start": "2026-01-05T03:00:00", "machines": ["node-2"] },
            ])),
            ("{ runs { nodes { machines } } }", json!([["node-2"], ["node-1"]])),
        ]).await;
        counters::check(app).await;
    }

    /// Metrics come first, then the sessions, then the contexts.
    async fn late_announcements_end_in_the_same_runs(app: &TestApp) {
        for (session, context) in [("a", "c1"), ("b", "c2"), ("c", "c1")] {
            measure(app, session, context, "v", 10).await;
        }
        for (hash, second) in [("a", 0), ("b", 1), ("c", 2)] {
            begin(app, hash, second, json!({})).await;
        }
        assert_eq!(runs(app).await, json!([["a", "b", "c"]]));
        machine(app, "c2", "node-2").await;
        machine(app, "c1", "node-1").await;
        assert_eq!(runs(app).await, json!([["b"], ["a", "c"]]));
        // A session whose machine is clear from the start.
        measure(app, "d", "c1", "v", 10).await;
        begin(app, "d", 3, json!({})).await;
        assert_eq!(runs(app).await, json!([["b"], ["a", "c", "d"]]));
        assert_eq!(app.bare("{ runs { nodes { start } } }").await, json!(["2026-01-05T03:00:00", "2026-01-05T03:00:01"]));
        counters::check(app).await;
    }

    async fn the_tag_comes_before_the_build_and_both_before_likeness(app: &TestApp) {
        let build = |number: &str| json!({ "pipeline_branch": "main", "pipeline_build_no": number });
        let tagged = |number: &str, id: &str| json!({ "pipeline_branch": "main", "pipeline_build_no": number, "run_id": id });
        begin(app, "a", 0, build("1")).await;
        begin(app, "b", 3000, build("1")).await;
        begin(app, "c", 1, build("2")).await;
        begin(app, "d", 2, tagged("1", "x")).await;
        begin(app, "e", 3000, tagged("2", "x")).await;
        begin(app, "f", 5, tagged("1", "")).await;
        begin(app, "g", 6, json!({ "pipeline_branch": "main" })).await;
        begin(app, "h", 7, json!({ "run_id": "x", "project": "other" })).await;
        app.answers(&[
            ("{ runs(orderBy: {by: FIRST_SEEN}) { nodes { grouping build { name } sessions { nodes { hash } } } } }", json!([
                { "grouping": "BUILD", "build": "1", "sessions": ["a", "b", "f"] },
                { "grouping": "BUILD", "build": "2", "sessions": ["c"] },
                { "grouping": "TAG", "build": "1", "sessions": ["d", "e"] },
                { "grouping": "SESSION", "build": null, "sessions": ["g"] },
                { "grouping": "TAG", "build": null, "sessions": ["h"] },
            ])),
            ("{ builds(first: 1) { nodes { runs { nodes { grouping } } } } }", json!([["BUILD", "TAG"]])),
            ("{ pipeline(name: \"main\") { runs { totalCount } } }", json!(4)),
        ]).await;
        counters::check(app).await;
    }

    async fn sessions_are_alike_within_two_minutes_with_the_same_revision_and_tags(app: &TestApp) {
        begin(app, "a", 0, json!({ "x": "1", "y": "2" })).await;
        begin(app, "b", 120, json!({ "y": "2", "x": "1" })).await;
        begin(app, "c", 121, json!({ "x": "1", "y": "2" })).await;
        begin(app, "d", 1, json!({ "x": "1" })).await;
        app.announce_session(session("e", json!({ "scmRef": "def", "tags": { "x": "1", "y": "2" } }))).await;
        begin(app, "f", 2, json!({ "x": "1", "y": "2", "project": "p" })).await;
        assert_eq!(runs(app).await, json!([["a", "b"], ["c"], ["d"], ["e"], ["f"]]));
        counters::check(app).await;
    }

    async fn a_run_leads_to_the_one_before_it_in_its_line(app: &TestApp) {
        machine(app, "c1", "node-1").await;
        let tags = |number: u32, branch: &str| json!({ "pipeline_branch": "ci", "pipeline_build_no": number, "branch": branch });
        // Build 2 began before build 1 and is announced after it.
        begin(app, "s1", 600, tags(1, "main")).await;
        begin(app, "s2", 0, tags(2, "main")).await;
        begin(app, "s3", 1200, tags(3, "main")).await;
        begin(app, "s4", 900, tags(4, "next")).await;
        for (session, variant) in [("s2", "v1"), ("s2", "v2"), ("s1", "v2"), ("s1", "v3"), ("s3", "v2"), ("s3", "v3")] {
            measure(app, session, "c1", variant, 1300).await;
        }
        let query = "{ runs { nodes { build { name } branch { name } previous { build { name } }
            appeared { nodes { name } } vanished { totalCount nodes { name } } } } }";
        let of = |build: &str, branch: &str, previous: Value, appeared: Value, vanished: Value| json!({
            "build": build, "branch": branch, "previous": previous, "appeared": appeared,
            "vanished": { "totalCount": vanished.as_array().unwrap().len(), "nodes": vanished },
        });
        app.answers(&[
            (query, json!([
                of("2", "main", Value::Null, json!([]), json!([])),
                of("1", "main", json!("2"), json!(["v3"]), json!(["v1"])),
                of("4", "next", Value::Null, json!([]), json!([])),
                of("3", "main", json!("1"), json!([]), json!([])),
            ])),
            ("{ runs(last: 2) { nodes { build { name } } } }", json!(["4", "3"])),
            ("{ branches { nodes { name runs { nodes { build { name } } } } } }", json!([
                { "name": "next", "runs": ["4"] }, { "name": "main", "runs": ["2", "1", "3"] },
            ])),
            ("{ branch(name: \"main\") { sessions { totalCount } } }", json!(3)),
            ("{ branch(name: \"main\", project: \"x\") { id } }", Value::Null),
        ]).await;
        counters::check(app).await;
    }

    async fn a_run_is_complete_after_two_quiet_minutes_of_the_server(app: &TestApp) {
        begin(app, "a", 0, json!({})).await;
        measure(app, "a", "c1", "v", 5).await;
        let query = "{ runs { nodes { isComplete receivedAt } } }";
        let run = app.bare(query).await[0].take();
        assert_eq!(run["isComplete"], json!(false));
        assert!(run["receivedAt"].as_str().unwrap().ends_with('Z') && run["receivedAt"].as_str().unwrap() > "2026-01-06");
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        let age = "UPDATE session SET last_received_at = last_received_at - 121000000";
        connection.execute_unprepared(age).await.unwrap();
        assert_eq!(app.bare(query).await[0]["isComplete"], json!(true));
        measure(app, "a", "c1", "v", 6).await;
        assert_eq!(app.bare(query).await[0]["isComplete"], json!(false));
        connection.close().await.unwrap();
    }

    async fn pages_of_runs_stay_right_while_runs_arrive(app: &TestApp) {
        for n in 0..7 {
            begin(app, &format!("s{n}"), n * 200, json!({ "run_id": n })).await;
        }
        let (mut found, mut after) = (Vec::new(), Value::Null);
        for round in 0..4 {
            let query = "query($after: String) { runs(first: 2, after: $after, orderBy: {by: RUN_DATE, direction: DESC}) {
                nodes { sessions { nodes { hash } } } pageInfo { endCursor } totalCount } }";
            let page = app.run(query, json!({ "after": after })).await["runs"].take();
            assert_eq!(page["totalCount"], 7 + round);
            found.extend(page["nodes"].as_array().unwrap().iter().map(|run| run["sessions"]["nodes"][0]["hash"].clone()));
            after = page["pageInfo"]["endCursor"].clone();
            begin(app, &format!("new{round}"), 3000 + round * 10, json!({ "run_id": format!("new{round}") })).await;
        }
        assert_eq!(json!(found), json!(["s6", "s5", "s4", "s3", "s2", "s1", "s0"]));
        counters::check(app).await;
    }

    async fn filters_find_runs_sessions_and_metrics(app: &TestApp) {
        machine(app, "c1", "node-1").await;
        let small = json!({ "machineNode": "node-2", "ramTotal": 16000, "cpuVendor": "Maker 2" });
        app.announce_machine(context("c2", small)).await;
        let tags = |project: &str, branch: &str, id: &str| json!({ "project": project, "branch": branch, "run_id": id, "numpy": id });
        begin(app, "a", 0, tags("p", "main", "1")).await;
        begin(app, "b", 1, tags("p", "next", "2")).await;
        begin(app, "c", 2, tags("q", "main", "3")).await;
        for (session, context) in [("a", "c1"), ("b", "c2"), ("c", "c1"), ("c", "c2"), ("unknown", "c1")] {
            measure(app, session, context, session, 5).await;
        }
        let run = app.bare("{ session(hash: \"c\") { run { id } } }").await;
        let class = app.bare("{ context(hash: \"c2\") { machineClass { id } } }").await;
        let class = class.as_str().unwrap();
        for (filter, sessions, metrics) in [
            ("project: {eq: \"p\"}".to_owned(), json!(["a", "b"]), 2),
            ("project: {in: [\"q\", \"r\"]}".to_owned(), json!(["c"]), 2),
            ("branch: {eq: \"main\"}".to_owned(), json!(["a", "c"]), 3),
            ("branch: {eq: \"main\"}, project: {startsWith: \"q\"}".to_owned(), json!(["c"]), 2),
            (format!("run: {{eq: {run}}}"), json!(["c"]), 2),
            (format!("run: {{in: [{run}]}}, machine: {{eq: \"node-2\"}}"), json!(["c"]), 1),
            ("runDate: {gt: \"2026-01-05T03:00:00\"}".to_owned(), json!(["b", "c"]), 3),
            ("tagged: {names: [\"numpy\"], values: [\"2\"]}".to_owned(), json!(["b"]), 1),
            ("not: {project: {eq: \"p\"}}".to_owned(), json!(["c"]), 3),
        ] {
            let query = format!("{{ sessions(where: {{{filter}}}) {{ nodes {{ hash }} }} }}");
            assert_eq!(app.bare(&query).await, sessions, "{filter}");
            let query = format!("{{ metricCount(where: {{{filter}}}) sessionCount(where: {{{filter}}}) }}");
            let expected = json!({ "metricCount": metrics, "sessionCount": sessions.as_array().unwrap().len() });
            assert_eq!(app.bare(&query).await, expected, "{filter}");
        }
        app.answers(&[
            ("{ metricCount(where: {machine: {eq: \"node-1\"}}) sessionCount(where: {machine: {eq: \"node-1\"}}) }",
                json!({ "metricCount": 3, "sessionCount": 2 })),
            (&format!("{{ metricCount(where: {{machineClass: {{eq: \"{class}\"}}}})
                sessionCount(where: {{machineClass: {{eq: \"{class}\"}}}}) }}"), json!({ "metricCount": 2, "sessionCount": 2 })),
            (&format!("{{ runs(where: {{machineClass: {{eq: \"{class}\"}}}}) {{ nodes {{ branch {{ name }} }} }} }}"), json!(["next", "main"])),
            ("{ runs(where: {project: {eq: \"p\"}, machine: {eq: \"node-1\"}}) { totalCount } }", json!(1)),
            ("{ runs(where: {tagged: {names: [\"numpy\"], values: [\"3\"]}}) { nodes { project { name } } } }", json!(["q"])),
            ("{ runs(where: {branch: {eq: \"next\"}, revision: {startsWith: \"a\"}}) { totalCount } }", json!(1)),
        ]).await;
        for filter in ["run: {eq: \"x\"}".to_owned(), format!("run: {{eq: \"{class}\"}}"), format!("machineClass: {{in: [{run}]}}")] {
            assert_eq!(app.graphql_error(&format!("{{ metricCount(where: {{{filter}}}) }}")).await, "BAD_USER_INPUT");
        }
        counters::check(app).await;
    }

    /// What a cached list of sessions would have kept.
    async fn a_session_that_moves_leaves_the_filter_of_its_run(app: &TestApp) {
        machine(app, "c1", "node-1").await;
        machine(app, "c2", "node-2").await;
        begin(app, "a", 0, json!({})).await;
        begin(app, "b", 1, json!({})).await;
        measure(app, "a", "c1", "v", 5).await;
        let run = app.bare("{ session(hash: \"a\") { run { id } } }").await;
        let query = format!("{{ sessionCount(where: {{run: {{eq: {run}}}}}) sessionHashes(where: {{run: {{eq: {run}}}}}) {{ names }} }}");
        assert_eq!(app.bare(&query).await, json!({ "sessionCount": 2, "sessionHashes": ["a", "b"] }));
        measure(app, "b", "c2", "v", 5).await;
        assert_eq!(app.bare(&query).await, json!({ "sessionCount": 1, "sessionHashes": ["a"] }));
        counters::check(app).await;
    }

    async fn the_statements_of_runs_do_not_grow_with_them(app: &TestApp) {
        let query = "{ runs(first: 50) { totalCount nodes { tests metricCount start receivedAt duration { wall summed } machines
            machineClasses { nodes { cpuCount } } revision branch { name } pipeline { name } project { name } isComplete
            previous { start } sessions { nodes { hash run { id } } } } } }";
        let mut taken = Vec::new();
        for sessions in [2, 50] {
            let app = TestApp::start(app.engine(), 500).await.unwrap();
            machine(&app, "c1", "node-1").await;
            for n in 0..sessions {
                let tags = json!({ "pipeline_branch": "p", "pipeline_build_no": n, "branch": "main" });
                begin(&app, &format!("s{n}"), n, tags).await;
                measure(&app, &format!("s{n}"), "c1", &format!("v{n}"), n).await;
            }
            let before = app.statements();
            app.graphql(query).await;
            taken.push(app.statements() - before);
            app.finish().await;
        }
        // Look-ups of the same table may or may not come together.
        assert!(taken.iter().all(|statements| *statements <= 20), "{taken:?}");
    }
}

/// Servers on one database announce and measure at the same time.
#[tokio::test]
async fn two_servers_make_one_run_of_one_build() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    let other = app.second_server().await;
    machine(&app, "c1", "node-1").await;
    let rounds = (0..40).map(async |n: u32| {
        let server = if n.is_multiple_of(2) { &app } else { &other };
        let tags = match n % 4 {
            0 | 1 => json!({ "pipeline_branch": "main", "pipeline_build_no": "1", "branch": "main" }),
            _ => json!({ "branch": "main", "project": "p" }),
        };
        begin(server, &format!("s{n}"), n, tags).await;
        measure(server, &format!("s{n}"), "c1", &format!("v{n}"), n).await;
    });
    join_all(rounds).await;
    for server in [&app, &other] {
        let query = "{ runs { nodes { grouping tests metricCount sessions { totalCount } } } branches { totalCount } projects { totalCount } }";
        let one = |grouping: &str| json!({ "grouping": grouping, "tests": 20, "metricCount": 20, "sessions": 20 });
        let found = server.bare(query).await;
        let mut runs = found["runs"].as_array().unwrap().clone();
        runs.sort_by_key(|run| run["grouping"].as_str().unwrap().to_owned());
        assert_eq!(json!(runs), json!([one("BUILD"), one("INFERRED")]));
        assert_eq!((&found["branches"], &found["projects"]), (&json!(2), &json!(2)));
    }
    counters::check(&app).await;
    other.finish().await;
    app.finish().await;
}
