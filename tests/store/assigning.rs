//! A database of a version without runs: what is there gets its project, branch, run and machine class at the start.

use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, Database, Statement};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    counters, on_both_engines,
};

/// Sessions of all kinds of runs, with metrics and without, before and after their announcements.
async fn fill(app: &TestApp) {
    for (hash, node) in [("c1", "node-1"), ("c2", "node-2")] {
        app.announce_machine(context(hash, json!({ "machineNode": node }))).await;
    }
    let tags = |n: u32| match n % 6 {
        0 => json!({ "pipeline_branch": "main", "pipeline_build_no": n / 12, "branch": "main" }),
        1 => json!({ "pipeline_branch": "main", "pipeline_build_no": n / 12, "project": "p", "git_branch": "dev" }),
        2 => json!({ "run_id": n / 20 }),
        3 => json!({ "pipeline_branch": "nightly" }),
        4 => json!({ "pipeline_branch": format!("only-p-{}", n % 4), "pipeline_build_no": 1, "project": "p" }),
        _ => json!({ "x": "1" }),
    };
    for n in 0..60_u32 {
        let measures = async || {
            if n % 7 != 0 {
                let (context, component) = (format!("c{}", 1 + n / 6 % 2), format!("part{}", n % 3));
                let sent =
                    json!({ "sessionHash": format!("s{n}"), "contextHash": context, "componentName": component });
                app.record_all(vec![metric(sent)]).await;
            }
        };
        if n % 2 == 0 {
            measures().await;
        }
        let run_date = format!("2026-01-05T03:{:02}:{:02}", n / 12 * 4, n % 12);
        app.announce_session(session(
            &format!("s{n}"),
            json!({ "runDate": run_date, "scmRef": "abc", "tags": tags(n) }),
        ))
        .await;
        if n % 2 == 1 {
            measures().await;
        }
    }
}

/// Returns what a server shows of projects, runs and classes, independently of keys.
async fn shown(app: &TestApp) -> Value {
    let runs = "{ runs(first: 100) { nodes { grouping start revision machines tests metricCount build { name } pipeline { name }
        project { name } branch { name } sessions(first: 100) { nodes { hash } } } } }";
    let mut runs = app.bare(runs).await;
    runs.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    let builds = "{ builds(first: 100) { nodes { name pipeline { name project { name } } components { nodes { name } }
        sessions(first: 100) { nodes { hash } } } } }";
    let mut builds = app.bare(builds).await;
    builds.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    let mut branches =
        app.bare("{ branches { nodes { name project { name } sessions(first: 100) { nodes { hash } } } } }").await;
    branches.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    let classes = app.bare("{ machineClasses { nodes { ram python contexts { nodes { hash } } } } }").await;
    let mut listed = Vec::new();
    for path in ["/components/part0/pipelines", "/components/part1/pipelines/main/builds", "/pipelines/main/builds"] {
        let mut names = app.v1(path).await;
        let names = names.as_object_mut().unwrap().values_mut().find(|value| value.is_array()).unwrap().take();
        let mut names = names.as_array().unwrap().clone();
        names.sort_by_key(ToString::to_string);
        listed.push(names);
    }
    json!([runs, builds, branches, classes, listed])
}

on_both_engines! {
    async fn an_older_database_gets_its_runs_by_the_same_rules(app: &TestApp) {
        fill(app).await;
        let before = shown(app).await;
        assert!(before[0].as_array().unwrap().len() > 15, "{before:#}");
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        // The first eight steps stay.
        let later = u32::try_from(Migrator::migrations().len() - 8).unwrap();
        Migrator::down(&connection, Some(later)).await.unwrap();
        let statement = |sql: &str| Statement::from_string(connection.get_database_backend(), sql);
        // Without projects there is one pipeline of each name again.
        let doubled = "SELECT COUNT(*) FROM (SELECT name FROM pipeline GROUP BY name HAVING COUNT(*) > 1) AS doubled";
        let doubled: i64 = connection.query_one_raw(statement(doubled)).await.unwrap().unwrap().try_get_by_index(0).unwrap();
        assert_eq!(doubled, 0);
        let new = app.second_server().await;
        // A run that was split by machines as metrics came is the same when all is there at once.
        assert_eq!(shown(&new).await, before);
        assert_eq!(new.bare("{ runs(first: 1) { nodes { receivedAt isComplete } } }").await,
            json!([{ "receivedAt": null, "isComplete": true }]));
        // What comes now joins what was there.
        let tags = json!({ "pipeline_branch": "main", "pipeline_build_no": 0, "branch": "main" });
        new.announce_session(session("new", json!({ "scmRef": "abc", "tags": tags }))).await;
        let sessions = new.bare("{ session(hash: \"new\") { run { sessions { nodes { hash } } } } }").await;
        assert_eq!(sessions, json!(["s0", "s6", "new"]));
        connection.close().await.unwrap();
        counters::check(&new).await;
        new.finish().await;
    }
}
