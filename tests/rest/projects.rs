//! REST v1 and projects: it shows all projects as one, and `/p/NAME/api/v1` one of them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::rest::{context, metric, of_build, session},
    on_both_engines,
};

/// Sends a session to the address of a project, or to that of all.
async fn announce_to(app: &TestApp, base: &str, hash: &str, tags: Value) -> Value {
    let body = session(json!({ "session_h": hash, "description": tags }));
    app.post(&format!("{base}/api/v1/sessions/"), &body).await.expect(201)
}

async fn seed(app: &TestApp) {
    for (base, hash, build) in [("/p/core", "s1", "1"), ("", "s2", "1"), ("/p/web", "s3", "1"), ("/p/core", "s4", "2")]
    {
        announce_to(app, base, hash, of_build("main", build)).await;
        let body = metric(json!({ "session_h": hash, "item": hash }));
        app.post(&format!("{base}/api/v1/metrics/"), &body).await.expect(201);
    }
    announce_to(app, "/p/web", "s5", of_build("next", "1")).await;
    app.record(json!({ "session_h": "s5", "item": "s5" })).await;
}

on_both_engines! {
    async fn the_address_names_the_project(app: &TestApp) {
        seed(app).await;
        let stored = announce_to(app, "/p/a%2Fb%20c", "s6", json!({ "project": "tag", "x": "1" })).await;
        assert_eq!(stored["tags"], json!([{ "name": "project", "value": "tag" }, { "name": "x", "value": "1" }]));
        announce_to(app, "", "s7", json!({ "project": "tag" })).await;
        let mut projects = app.bare("{ projects { nodes { name sessions { nodes { hash } } } } }").await;
        projects.as_array_mut().unwrap().sort_by_key(|project| project["name"].as_str().unwrap().to_owned());
        assert_eq!(projects, json!([
            { "name": "", "sessions": ["s2"] }, { "name": "a/b c", "sessions": ["s6"] }, { "name": "core", "sessions": ["s1", "s4"] },
            { "name": "tag", "sessions": ["s7"] }, { "name": "web", "sessions": ["s3", "s5"] },
        ]));
        // Only the address and the tag name it.
        for (path, body) in [
            ("/api/v1/sessions/?project=x", session(json!({ "session_h": "s8" }))),
            ("/api/v1/sessions/", session(json!({ "session_h": "s9", "project": "x" }))),
        ] {
            app.post(path, &body).await.expect(201);
        }
        assert_eq!(app.bare("{ project(name: \"x\") { id } }").await, Value::Null);
        app.get("/p/a%00/api/v1/metrics/").await.refuses(404, "U+0000");
    }

    async fn the_pipelines_of_all_projects_look_as_if_there_were_none(app: &TestApp) {
        seed(app).await;
        assert_eq!(app.v1("/pipelines/").await, json!({ "pipelines": ["main", "next"] }));
        assert_eq!(app.v1("/pipelines/main/builds").await["builds"], json!(["1", "2"]));
        assert_eq!(app.v1("/pipelines/main/builds/1/sessions").await["sessions"], json!(["s1", "s2", "s3"]));
        assert_eq!(app.v1("/components/core/pipelines").await["pipelines"], json!(["main", "next"]));
        assert_eq!(app.v1("/components/core/pipelines/main/builds").await["builds"], json!(["1", "2"]));
        let sessions = app.v1("/components/core/pipelines/main/builds/1/sessions").await;
        assert_eq!(sessions["sessions"], json!(["s1", "s2", "s3"]));
        assert_eq!(app.count("/metrics/count").await, 5);
        let head = app.v1("/resources/memory/pipelines/main/builds/1/head/metrics").await;
        assert_eq!(head["metrics"].as_array().unwrap().len(), 3);
    }

    async fn an_address_of_a_project_answers_of_that_alone(app: &TestApp) {
        seed(app).await;
        let core = async |path: &str| app.get(&format!("/p/core/api/v1{path}")).await.expect(200);
        assert_eq!(core("/pipelines/").await, json!({ "pipelines": ["main"] }));
        assert_eq!(core("/pipelines/main/builds").await["builds"], json!(["1", "2"]));
        assert_eq!(core("/pipelines/main/builds/1/sessions").await["sessions"], json!(["s1"]));
        assert_eq!(core("/components/core/pipelines").await["pipelines"], json!(["main"]));
        assert_eq!(core("/components/core/pipelines/main/builds").await["builds"], json!(["1", "2"]));
        assert_eq!(core("/components/core/pipelines/main/builds/1/sessions").await["sessions"], json!(["s1"]));
        assert_eq!(core("/metrics/count").await, json!({ "count": 2 }));
        assert_eq!(core("/sessions/count").await, json!({ "count": 2 }));
        assert_eq!(core("/resources/memory/head/metrics").await["metrics"].as_array().unwrap().len(), 2);
        assert_eq!(app.get("/p/core/api/v1/sessions/s3").await.status, StatusCode::NO_CONTENT);
        assert_eq!(app.get("/p/nothing/api/v1/pipelines/").await.status, StatusCode::NO_CONTENT);
        // Another project had builds of these names before.
        assert_eq!(app.get("/p/web/api/v1/pipelines/main/builds").await.expect(200)["builds"], json!(["1"]));
        let names = "{ buildNames(where: {project: {in: [\"web\", \"core\"]}}) { totalCount names } }";
        assert_eq!(app.graphql(names).await["buildNames"], json!({ "totalCount": 3, "names": ["1", "2", "1"] }));
        let run = "{ build(by: {named: {pipeline: \"main\", name: \"1\"}}) { sessions { nodes { hash } } } \
            run(by: {build: {pipeline: \"main\", name: \"1\"}}) { sessions { nodes { hash } } } }";
        assert_eq!(app.bare(run).await, json!({ "build": ["s1"], "run": ["s1"] }));
        app.get("/p/core/api/v2/metrics/count").await.refuses(404, "argument project");
        // Contexts are of no project: the plugin asks for its own before it sends it.
        app.announce_context(json!({ "h": "c" })).await;
        assert_eq!(core("/contexts/c").await["contexts"][0]["h"], "c");
        let body = context(json!({ "h": "c2" }));
        app.post("/p/core/api/v1/contexts/", &body).await.expect(201);
        assert_eq!(app.count("/contexts/count").await, 2);
    }

    async fn links_keep_the_project_and_old_clients_may_double_it(app: &TestApp, page_size: 1) {
        seed(app).await;
        let page = app.get("/p/core/api/v1/metrics/").await.expect(200);
        assert_eq!(page["next_url"], "/p/core/api/v1/metrics/?page=2");
        for path in ["/p/core/api/v1/p/core/api/v1/metrics/?page=2", "/p/core/api/v1//p/core/api/v1/metrics/?page=2"] {
            let page = app.get(path).await.expect(200);
            assert_eq!(page["metrics"][0]["item"], "s4", "{path}");
            assert_eq!(page["prev_url"], "/p/core/api/v1/metrics/?page=1", "{path}");
        }
        app.post("/p/core/api/v1/metrics", &metric(json!({}))).await.expect(201);
        for path in ["/p/core", "/p/core/", "/p/core/graphql", "/p//api/v1/metrics/", "/p/core/health", "/p/core/metrics/"] {
            assert_eq!(app.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
