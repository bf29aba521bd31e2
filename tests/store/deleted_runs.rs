//! Deletion of sessions, and the runs, branches, projects and classes of machines that they leave.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait as _};
use sea_orm::Database;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    counters, on_both_engines,
};

async fn machine(app: &TestApp, hash: &str, node: &str, ram: u32) {
    app.announce_machine(context(hash, json!({ "machineNode": node, "ramTotal": ram }))).await;
}

async fn begin(app: &TestApp, hash: &str, second: u32, scm_ref: &str, tags: Value) {
    let run_date = format!("2026-01-05T03:{:02}:{:02}", second / 60, second % 60);
    app.announce_session(session(hash, json!({ "runDate": run_date, "scmRef": scm_ref, "tags": tags }))).await;
}

async fn measure(app: &TestApp, hash: &str, context: &str, variants: &[&str]) {
    let of = |variant: &&str| metric(json!({ "sessionHash": hash, "contextHash": context, "variantName": variant }));
    app.record_all(variants.iter().map(of).collect()).await;
}

/// Records sessions 0 to 9 as far as they are given: of all kinds of runs, on two machines of two classes, in two projects. Each machine is
/// announced with the first of its sessions.
async fn fill(app: &TestApp, sessions: &[u32]) {
    for s in sessions {
        let (hash, context_hash) = (format!("s{s}"), format!("c{}", s % 2));
        machine(app, &context_hash, &format!("node-{}", s % 2), 1_000 << (s % 2)).await;
        let project = if s % 4 == 3 { json!("p") } else { Value::Null };
        let tags = match s % 5 {
            0 | 1 => json!({ "run_id": "1", "branch": format!("b{s}"), "pipeline_branch": format!("p{}", s % 3) }),
            2 => json!({ "pipeline_branch": "main", "pipeline_build_no": s / 5, "branch": "main", "project": project }),
            3 => json!({ "pipeline_branch": "main", "pipeline_build_no": "1", "branch": "main", "project": project }),
            _ => json!({ "x": "1" }),
        };
        begin(app, &hash, s * 7 % 10, &if s % 3 == 0 { String::new() } else { format!("ref{}", s / 5) }, tags).await;
        if s % 7 != 0 {
            let variants: Vec<String> = (0..30).map(|n| format!("v{}", n * (s + 1) % 40)).collect();
            measure(app, &hash, &context_hash, &variants.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
    }
}

const SHOWN: [&str; 6] = [
    "{ runs(first: 50) { totalCount nodes { grouping start revision tests metricCount machines duration { wall summed } isComplete
        project { name } pipeline { name project { name } } build { name } branch { name } sessions { nodes { hash } }
        previous { start sessions { nodes { hash } } } appeared { nodes { name } } vanished { nodes { name } }
        contexts { nodes { hash } } machineClasses { nodes { ram } } topMetrics(resource: TOTAL_TIME, first: 3) { variantName }
        stats(resource: TOTAL_TIME) { sum median } } } }",
    "{ branches(first: 50) { totalCount nodes { name project { name } runs { totalCount } sessions { nodes { hash } } metrics { totalCount }
        stats(resource: TOTAL_TIME) { sum } } } }",
    "{ projects(first: 50) { totalCount nodes { name branches { nodes { name } } runs { totalCount } pipelines { nodes { name } }
        sessions { nodes { hash } } metrics { totalCount } } } }",
    "{ machineClasses(first: 50) { totalCount nodes { ram contexts { nodes { hash } } metrics { totalCount }
        stats(resource: TOTAL_TIME) { sum } } } }",
    "{ metricGroups(groupBy: [{by: RUN}, {by: BRANCH}, {by: PROJECT}], first: 50) { totalCount nodes { metricCount
        run { sessions { nodes { hash } } } branch { name } project { name } stats(resource: TOTAL_TIME) { sum } } } }",
    "{ metricGroups(groupBy: [{by: MACHINE_CLASS}, {by: MACHINE}, {by: SCM_REF}], first: 50) { totalCount nodes { metricCount
        machineClass { ram } stats(resource: TOTAL_TIME) { sum } } } }",
];

/// Sorts all lists: what is still measured keeps its place in lists by first appearance.
fn sorted(shown: Value) -> Value {
    match shown {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(ToString::to_string);
            items.into()
        }
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, sorted(value))).collect(),
        value => value,
    }
}

on_both_engines! {
    async fn what_is_left_has_the_runs_that_it_would_have_alone(app: &TestApp) {
        let never = TestApp::start(app.engine(), 500).await.unwrap();
        fill(app, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
        fill(&never, &[2, 4, 5, 6, 8]).await;
        counters::check(app).await;
        let there = app.second_server().await;
        let before = sorted(there.graphql(SHOWN[0]).await);
        app.delete(&["s0", "s7"]).await.unwrap();
        counters::check(app).await;
        app.delete(&["s9", "s3", "s1"]).await.unwrap();
        counters::check(app).await;
        for query in SHOWN {
            let expected = sorted(never.graphql(query).await);
            for server in [app, &there] {
                assert_eq!(sorted(server.graphql(query).await), expected, "{query}");
            }
        }
        assert_ne!(sorted(app.graphql(SHOWN[0]).await), before);
        there.finish().await;
        never.finish().await;
    }

    async fn a_run_is_what_its_other_sessions_say(app: &TestApp) {
        machine(app, "c0", "node-0", 1_000).await;
        for (hash, second, scm_ref, pipeline, branch) in
            [("a", 30, "", "p1", json!(null)), ("b", 10, "one", "p2", json!("dev")), ("c", 20, "two", "p3", json!("main"))]
        {
            let tags = json!({ "run_id": "1", "pipeline_branch": pipeline, "pipeline_build_no": "7", "branch": branch });
            begin(app, hash, second, scm_ref, tags).await;
        }
        let shown = "{ runs { nodes { start revision pipeline { name } build { name } branch { name } sessions { totalCount } } } }";
        let run = |second: u32, revision: Option<&str>, pipeline: &str, branch: Option<&str>, sessions: u32| {
            json!([{ "start": format!("2026-01-05T03:00:{second}"), "revision": revision, "pipeline": pipeline, "build": "7", "branch": branch,
                "sessions": sessions }])
        };
        assert_eq!(app.bare(shown).await, run(10, Some("one"), "p1", Some("dev"), 3));
        measure(app, "a", "c0", &["v"]).await;
        assert_eq!(app.bare(shown).await, run(30, Some("one"), "p1", Some("dev"), 3));
        counters::check(app).await;
        // Its branch has no run: it has the date of its session.
        let branches = "{ branches(orderBy: {by: RUN_DATE, direction: DESC}, first: 1) { nodes { name } pageInfo { endCursor } } }";
        assert_eq!(app.bare(branches).await["nodes"], json!(["dev"]));
        app.delete(&["a"]).await.unwrap();
        assert_eq!(app.bare(shown).await, run(10, Some("one"), "p2", Some("dev"), 2));
        counters::check(app).await;
        app.delete(&["b"]).await.unwrap();
        assert_eq!(app.bare(shown).await, run(20, Some("two"), "p3", Some("main"), 1));
        counters::check(app).await;
        assert_eq!(app.bare("{ branches { nodes { name } } }").await, json!(["main"]));
        app.delete(&["c"]).await.unwrap();
        let empty = "{ runs { totalCount } branches { totalCount } pipelines { totalCount } projects { nodes { name } } }";
        let nothing = json!({ "runs": 0, "branches": 0, "pipelines": 0, "projects": [""] });
        assert_eq!(app.bare(empty).await, nothing);
        counters::check(app).await;
    }

    /// What is left of an inferred run may be on any machine again.
    async fn a_machine_goes_with_its_session(app: &TestApp) {
        for (hash, node) in [("c0", "node-0"), ("c1", "node-1")] {
            machine(app, hash, node, 1_000).await;
        }
        begin(app, "a", 0, "r", json!({})).await;
        begin(app, "b", 1, "r", json!({})).await;
        measure(app, "a", "c0", &["v"]).await;
        let runs = "{ runs { nodes { machines sessions { nodes { hash } } } } }";
        assert_eq!(app.bare(runs).await, json!([{ "machines": ["node-0"], "sessions": ["a", "b"] }]));
        let run = app.bare("{ runs { nodes { id } } }").await;
        app.delete(&["a"]).await.unwrap();
        counters::check(app).await;
        begin(app, "c", 2, "r", json!({})).await;
        measure(app, "b", "c1", &["v"]).await;
        assert_eq!(app.bare(runs).await, json!([{ "machines": ["node-1"], "sessions": ["b", "c"] }]));
        assert_eq!(app.bare("{ runs { nodes { id } } }").await, run);
        counters::check(app).await;
    }

    async fn keys_are_never_used_again(app: &TestApp) {
        let ids = async || {
            let mut ids = Vec::new();
            for list in ["runs", "branches", "projects", "machineClasses", "pipelines", "builds", "sessions", "contexts"] {
                let found = app.graphql(&format!("{{ {list} {{ nodes {{ id }} }} }}")).await;
                ids.extend(found[list]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()));
            }
            ids
        };
        let nameless = ids().await;
        assert_eq!(nameless.len(), 1);
        let mut seen = BTreeSet::new();
        for round in 0..3 {
            begin(app, "a", 0, "r", json!({ "project": "p", "branch": "main", "pipeline_branch": "main", "pipeline_build_no": "1" })).await;
            machine(app, "c0", "node-0", 1_000 << round).await;
            measure(app, "a", "c0", &["v"]).await;
            let mut new = ids().await;
            new.retain(|id| *id != nameless[0]);
            assert_eq!(new.len(), 8, "{new:?}");
            let count = seen.len();
            seen.extend(new);
            assert_eq!(seen.len(), count + 8, "{seen:?}");
            app.delete(&["a"]).await.unwrap();
            assert_eq!(ids().await, nameless);
            counters::check(app).await;
        }
    }

    /// Only the server has its rules for branches.
    async fn the_command_leaves_what_an_older_server_stored_to_the_next_one(app: &TestApp) {
        for (hash, second) in [("a", 0), ("b", 1), ("c", 300)] {
            begin(app, hash, second, "r", json!({ "branch": "wrong", "head": "main" })).await;
            measure(app, hash, "c0", &["v"]).await;
        }
        machine(app, "c0", "node-0", 1_000).await;
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        // The first eight steps stay.
        let later = u32::try_from(Migrator::migrations().len() - 8).unwrap();
        Migrator::down(&connection, Some(later)).await.unwrap();
        connection.close().await.unwrap();
        let output = app.delete(&["a"]).await.unwrap();
        assert_eq!(output.result, "a  2026-01-05T03:00:00  1 metric\n");
        let new = app.second_server_with(|settings| settings.branch_tags = vec!["head".parse().unwrap()]).await;
        let shown = "{ branches { nodes { name } } runs { nodes { sessions { nodes { hash } } } } metricCount machineClasses { totalCount } }";
        assert_eq!(new.bare(shown).await, json!({ "branches": ["main"], "runs": [["b"], ["c"]], "metricCount": 2, "machineClasses": 1 }));
        counters::check(&new).await;
        new.finish().await;
    }
}
