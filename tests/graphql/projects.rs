//! Projects, branches and classes of machines, and the objects that they lead to.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    on_both_engines,
};

async fn announce(app: &TestApp, hash: &str, project: Option<&str>, tags: Value) {
    app.announce_session(session(hash, json!({ "project": project, "tags": tags }))).await;
}

on_both_engines! {
    async fn a_project_is_a_tag_or_given_with_the_session(app: &TestApp) {
        let main = |project: &str| json!({ "pipeline_branch": "main", "pipeline_build_no": "1", "project": project });
        announce(app, "a", None, main("p")).await;
        announce(app, "b", None, main("")).await;
        announce(app, "c", Some("q"), main("p")).await;
        announce(app, "d", Some(""), main("p")).await;
        announce(app, "e", None, json!({})).await;
        app.answers(&[
            ("{ projects { nodes { name sessions { nodes { hash } } } } }", json!([
                { "name": "", "sessions": ["b", "d", "e"] }, { "name": "p", "sessions": ["a"] }, { "name": "q", "sessions": ["c"] },
            ])),
            ("{ projects { nodes { pipelines { nodes { name project { name } builds { nodes { name } } } } } } }", json!([
                [{ "name": "main", "project": "", "builds": ["1"] }],
                [{ "name": "main", "project": "p", "builds": ["1"] }],
                [{ "name": "main", "project": "q", "builds": ["1"] }],
            ])),
            ("{ project(name: \"p\") { runs { totalCount } metrics { totalCount } branches { totalCount } } }",
                json!({ "runs": 1, "metrics": 0, "branches": 0 })),
            ("{ pipeline(name: \"main\") { sessions { nodes { hash } } } }", json!(["a"])),
            ("{ pipeline(name: \"main\", project: \"\") { sessions { nodes { hash } } } }", json!(["b", "d"])),
            ("{ pipeline(name: \"main\", project: \"r\") { id } }", Value::Null),
            ("{ pipelines(where: {project: {eq: \"q\"}}) { nodes { sessions { nodes { hash } } } } }", json!([["c"]])),
            ("{ builds(where: {project: {eq: \"q\"}}) { totalCount } }", json!(1)),
            ("{ project(name: \"r\") { id } }", Value::Null),
        ]).await;
    }

    async fn branches_are_of_a_project(app: &TestApp) {
        announce(app, "a", None, json!({ "branch": "main" })).await;
        announce(app, "b", Some("p"), json!({ "git_branch": "main" })).await;
        announce(app, "c", None, json!({ "__ci__": "droneci", "pipeline_branch": "dev", "pipeline_build_no": "1" })).await;
        announce(app, "d", None, json!({ "__ci__": "gitlabci", "pipeline_branch": "job", "pipeline_build_no": "1" })).await;
        app.answers(&[
            ("{ sessions { nodes { branch { name project { name } } } } }", json!([
                { "name": "main", "project": "" }, { "name": "main", "project": "p" }, { "name": "dev", "project": "" }, null,
            ])),
            ("{ branches(where: {project: {eq: \"p\"}}) { nodes { sessions { nodes { hash } } } } }", json!([["b"]])),
        ]).await;
    }

    /// A build without a number is not listed.
    async fn builds_and_pipelines_are_in_the_order_of_their_latest_runs(app: &TestApp) {
        let announce = async |hash: &str, day: u32, pipeline: &str, build: &str, more: Value| {
            let mut tags = json!({ "pipeline_branch": pipeline });
            for (name, value) in [("pipeline_build_no", json!(build))].into_iter().filter(|_| !build.is_empty()).chain(
                more.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.clone())),
            ) {
                tags[name] = value;
            }
            app.announce_session(session(hash, json!({ "runDate": format!("2026-01-{day:02}T03:00:00"), "tags": tags }))).await;
        };
        for (hash, day, pipeline, build) in [("a", 5, "main", "1"), ("b", 3, "main", "2"), ("c", 4, "next", "1"), ("d", 2, "main", "")] {
            announce(hash, day, pipeline, build, json!({})).await;
        }
        let by = |order: &str| {
            let list = |field: &str, selection: &str| format!("{field}(orderBy: {{by: RUN_DATE{order}}}) {{ nodes {selection} }}");
            let builds = "{ name pipeline { name } }";
            format!(
                "{{ {} {} pipeline(name: \"main\") {{ {} }} }}",
                list("builds", builds), list("pipelines", "{ name }"), list("builds", "{ name }")
            )
        };
        let of = |name: &str, pipeline: &str| json!({ "name": name, "pipeline": pipeline });
        app.answers(&[
            (by("").as_str(), json!({
                "builds": [of("2", "main"), of("1", "next"), of("1", "main")], "pipelines": ["next", "main"], "pipeline": ["2", "1"],
            })),
            (by(", direction: DESC").as_str(), json!({
                "builds": [of("1", "main"), of("1", "next"), of("2", "main")], "pipelines": ["main", "next"], "pipeline": ["1", "2"],
            })),
            ("{ builds { nodes { name } } pipelines { nodes { name } } }", json!({ "builds": ["1", "2", "1"], "pipelines": ["main", "next"] })),
            ("{ builds(where: {lastRunDate: {lt: \"2026-01-05T03:00:00\"}}) { totalCount } \
                pipelines(where: {lastRunDate: {gte: \"2026-01-05T03:00:00\"}}) { nodes { name } } }",
                json!({ "builds": 2, "pipelines": ["main"] })),
        ]).await;
        // A run by tag that is in build 2 and later than all others; then one that is older than all.
        announce("e", 6, "main", "2", json!({ "run_id": "r" })).await;
        announce("f", 1, "next", "2", json!({})).await;
        let latest = "orderBy: {by: RUN_DATE, direction: DESC}, first: 2";
        let first = app.graphql(&format!("{{ builds({latest}) {{ nodes {{ name }} pageInfo {{ endCursor }} }} }}")).await;
        assert_eq!(first["builds"]["nodes"], json!([{ "name": "2" }, { "name": "1" }]));
        let cursor = first["builds"]["pageInfo"]["endCursor"].as_str().unwrap();
        let next = app.bare(&format!("{{ builds({latest}, after: \"{cursor}\") {{ nodes {{ name pipeline {{ name }} }} }} }}")).await;
        assert_eq!(next, json!([of("1", "next"), of("2", "next")]));
    }

    async fn machines_of_one_class_differ_in_name_and_frequency(app: &TestApp) {
        let python = |version: &str| json!({ "pythonInfo": version, "systemInfo": "Linux - 6.1.0", "ramTotal": 15_886 });
        let with = |mut own: Value, more: Value| {
            own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            own
        };
        let eleven = python("3.11.2 (main, Mar 13 2023, 12:18:29) [GCC 12.2.0]");
        app.announce_machine(context("c1", eleven.clone())).await;
        app.announce_machine(context("c2", with(eleven.clone(), json!({
            "cpuFrequency": 800, "machineNode": "other", "systemInfo": "Linux - 5.10", "ramTotal": 16_384, "pythonInfo": "3.11.9",
        })))).await;
        app.announce_machine(context("c3", with(eleven.clone(), json!({ "ramTotal": 16_385 })))).await;
        app.announce_machine(context("c4", with(eleven.clone(), json!({ "pythonInfo": "3.12.1" })))).await;
        app.announce_machine(context("c5", json!({
            "cpuVendor": null, "cpuCount": -1, "cpuType": " ", "ramTotal": -5, "machineType": "", "machineArch": "",
            "systemInfo": "?", "pythonInfo": "nonsense",
        }))).await;
        for (context, session) in [("c1", "a"), ("c2", "a"), ("c3", "b"), ("c9", "b")] {
            app.record_all(vec![metric(json!({ "contextHash": context, "sessionHash": session }))]).await;
        }
        announce(app, "a", None, json!({})).await;
        announce(app, "b", None, json!({ "run_id": "b" })).await;
        app.answers(&[
            ("{ machineClasses { nodes { cpuVendor cpuType cpuCount ram architecture osFamily python contexts { nodes { hash } } } } }", json!([
                { "cpuVendor": "Maker 1", "cpuType": "x86_64", "cpuCount": 8, "ram": 16, "architecture": "x86_64", "osFamily": "Linux",
                  "python": "3.11", "contexts": ["c1", "c2"] },
                { "cpuVendor": "Maker 1", "cpuType": "x86_64", "cpuCount": 8, "ram": 32, "architecture": "x86_64", "osFamily": "Linux",
                  "python": "3.11", "contexts": ["c3"] },
                { "cpuVendor": "Maker 1", "cpuType": "x86_64", "cpuCount": 8, "ram": 16, "architecture": "x86_64", "osFamily": "Linux",
                  "python": "3.12", "contexts": ["c4"] },
                { "cpuVendor": "", "cpuType": "", "cpuCount": 0, "ram": 0, "architecture": "", "osFamily": "", "python": "",
                  "contexts": ["c5"] },
            ])),
            ("{ machineClasses(first: 2) { nodes { metrics { totalCount } runs { totalCount } } } }",
                json!([{ "metrics": 2, "runs": 1 }, { "metrics": 1, "runs": 1 }])),
            ("{ contexts { nodes { machineClass { ram } } } }", json!([16, 16, 32, 16, 0])),
            ("{ runs { nodes { machineClasses { nodes { ram } } contexts { nodes { hash } } metrics { totalCount } } } }", json!([
                { "machineClasses": [16], "contexts": ["c1", "c2"], "metrics": 2 },
                { "machineClasses": [32], "contexts": ["c3"], "metrics": 2 },
            ])),
            ("{ machineClasses(where: {python: {eq: \"3.12\"}, ram: {lte: 16}}) { totalCount } }", json!(1)),
        ]).await;
    }
}

/// Tags of the operator's choice replace the whole table of rules.
#[tokio::test]
async fn other_tags_may_name_the_branch() {
    let app = TestApp::with(crate::support::Engine::Sqlite, |settings| {
        settings.branch_tags = ["ref", "head"].map(|name| name.parse().unwrap()).to_vec();
    });
    let app = app.await.unwrap();
    announce(&app, "a", None, json!({ "branch": "x", "head": "h" })).await;
    announce(&app, "b", None, json!({ "branch": "x" })).await;
    let branches = app.bare("{ sessions { nodes { branch { name } } } }").await;
    assert_eq!(branches, json!(["h", null]));
    app.finish().await;
}
