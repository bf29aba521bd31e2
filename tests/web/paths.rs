//! Paths as clients and proxies spell them.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::json;

use crate::support::{
    TestApp,
    builders::rest::{context, metric, session},
    on_both_engines,
};

on_both_engines! {
    async fn empty_segments_in_front_of_an_endpoint_are_passed_over(app: &TestApp) {
        app.post("//contexts/", &context(json!({ "h": "c" }))).await.expect(201);
        app.post("/api/v1//sessions/", &session(json!({ "session_h": "s" }))).await.expect(201);
        app.post("/api/v1//metrics/", &metric(json!({ "session_h": "s", "context_h": "c", "component": "" }))).await.expect(201);
        app.post("///api//v1///metrics", &metric(json!({ "component": "core" }))).await.expect(201);
        for path in ["//contexts/c", "/api/v1//contexts/c", "/api//v1/contexts/c", "//api/v1//api/v1/contexts/c"] {
            assert_eq!(app.get(path).await.expect(200)["contexts"][0]["h"], "c", "{path}");
        }
        for path in ["/api/v1//metrics/count", "//api/v1/metrics/count/", "/api/v1//metrics/count//"] {
            assert_eq!(app.get(path).await.expect(200), json!({ "count": 2 }), "{path}");
        }
        // An empty name in its place is a name.
        for path in ["/api/v1/components//metrics", "/api/v1//components//metrics", "/api/v1//components//metrics//"] {
            let metrics = app.get(path).await.expect(200)["metrics"].clone();
            assert_eq!((metrics.as_array().unwrap().len(), &metrics[0]["component"]), (1, &json!("")), "{path}");
        }
        // Links are canonical.
        let pages = app.get("/api/v1//metrics/?page=1").await.expect(200);
        assert_eq!(pages["total_page"], 1);
        app.get("//graphql?query=%7BmetricCount%7D").await.expect(200);
        for path in ["//", "//graphiql", "//health"] {
            assert_eq!(app.get(path).await.status, 200, "{path}");
        }
        app.get("/api/v1//nowhere").await.refuses(404, "path");
        app.get("//api/v1//").await.refuses(404, "path");
        app.send_body(Method::PUT, "/api/v1//metrics/", "application/json", "{}").await.refuses(405, "method");
    }

    async fn names_may_have_slashes_that_are_not_encoded(app: &TestApp) {
        for (hash, pipeline, build) in [("s1", "feature/x", "test 1/3"), ("s2", "main", "7"), ("s3", "a/builds/b", "1")] {
            app.announce(hash, json!({ "pipeline_branch": pipeline, "pipeline_build_no": build })).await;
            app.record(json!({ "session_h": hash, "component": "core/sort", "item": "test_a/b", "item_variant": "test_a/b[1/2]" })).await;
        }
        for (raw, encoded) in [
            ("/pipelines/feature/x/builds", "/pipelines/feature%2Fx/builds"),
            ("/pipelines/feature/x/builds/", "/pipelines/feature%2Fx/builds"),
            ("/pipelines/feature/x/builds/test%201/3/sessions", "/pipelines/feature%2Fx/builds/test%201%2F3/sessions"),
            ("/components/core/sort/metrics", "/components/core%2Fsort/metrics"),
            ("/components/core/sort/pipelines", "/components/core%2Fsort/pipelines"),
            ("/components/core/sort/pipelines/feature/x/builds", "/components/core%2Fsort/pipelines/feature%2Fx/builds"),
            ("/components/core/sort/pipelines/feature/x/builds/test%201/3/sessions",
                "/components/core%2Fsort/pipelines/feature%2Fx/builds/test%201%2F3/sessions"),
            ("/items/test_a/b/metrics", "/items/test_a%2Fb/metrics"),
            ("/items/like/a/b/metrics", "/items/like/a%2Fb/metrics"),
            ("/components/core/sort/variants/test_a/b[1/2]/metrics", "/components/core%2Fsort/variants/test_a%2Fb%5B1%2F2%5D/metrics"),
            ("/resources/memory/components/core/sort/head/2/metrics", "/resources/memory/components/core%2Fsort/head/2/metrics"),
            ("/resources/memory/pipelines/feature/x/tail/metrics", "/resources/memory/pipelines/feature%2Fx/tail/metrics"),
        ] {
            let right = app.get(&format!("/api/v1{encoded}")).await.expect(200);
            assert_eq!(app.get(&format!("/api/v1{raw}")).await.expect(200), right, "{raw}");
            assert_eq!(app.get(&format!("/api/v1//{}", &raw[1..])).await.expect(200), right, "//{raw}");
        }
        // An exact match wins: builds of the pipeline `main`, sessions of its build 7.
        let sessions = app.get("/api/v1/pipelines/main/builds/7/sessions").await.expect(200);
        assert_eq!(sessions["sessions"], json!(["s2"]));
        assert_eq!(app.get("/api/v1/pipelines/a/builds/b/builds").await.expect(200)["builds"], json!(["1"]));
        app.get("/api/v1/sessions/a/b").await.refuses(404, "path");
        app.get("/api/v1/components/a/b").await.refuses(404, "path");
        app.get("/pipelines/feature/x/builds").await.refuses(404, "path");
    }

    async fn links_of_such_paths_are_encoded(app: &TestApp, page_size: 1) {
        for hash in ["s1", "s2"] {
            app.announce(hash, json!({ "scm_ref": "refs/heads/x" })).await;
            app.record(json!({ "session_h": hash, "component": "a/b" })).await;
        }
        let page = app.get("/api/v1/components/a/b/metrics").await.expect(200);
        assert_eq!(page["next_url"], "/api/v1/components/a%2Fb/metrics?page=2");
        // A legacy client appends it to its base address without encoding.
        let next = app.get("/api/v1//api/v1/components/a/b/metrics?page=2").await.expect(200);
        assert_eq!(next["metrics"][0]["session_h"], "s2");
    }
}

#[tokio::test]
async fn pages_and_graphql_may_end_in_a_slash() {
    let Some(app) = TestApp::start(crate::support::Engine::Sqlite, 500).await else { return };
    for path in ["/graphiql/", "/health/", "/graphql/?query=%7BmetricCount%7D"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    let body = json!({ "query": "{ metricCount }" });
    assert_eq!(app.post("/graphql/", &body).await.expect(200)["data"]["metricCount"], 0);
    // The same as without the slash.
    assert_eq!(app.get("/graphql/").await.expect(400), app.get("/graphql").await.expect(400));
    app.finish().await;
}

#[tokio::test]
async fn a_handshake_that_lost_its_upgrade_is_refused_with_the_reason() {
    let Some(app) = TestApp::start(crate::support::Engine::Sqlite, 500).await else { return };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    for path in ["/graphql", "/graphql/", "/graphql/ws", "/graphql/ws/"] {
        let lost: [&[(&str, &str)]; 3] = [
            &[
                ("sec-websocket-key", key),
                ("sec-websocket-version", "13"),
                ("sec-websocket-protocol", "graphql-transport-ws"),
            ],
            &[("sec-websocket-key", key), ("sec-websocket-version", "13"), ("connection", "close")],
            &[
                ("sec-websocket-key", key),
                ("sec-websocket-version", "13"),
                ("upgrade", "websocket"),
                ("connection", "keep-alive"),
            ],
        ];
        for headers in lost {
            let request =
                headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
            let reply = app.send(request.body(Body::empty()).unwrap()).await;
            reply.refuses(426, "Upgrade");
            assert!(reply.text().contains("proxy"), "{path}: {}", reply.text());
            assert_eq!(reply.headers[header::UPGRADE], "websocket");
        }
        let old = Request::get(path).header("upgrade", "websocket").header("connection", "upgrade");
        let old = old.header("sec-websocket-key", key).header("sec-websocket-version", "8");
        let reply = app.send(old.body(Body::empty()).unwrap()).await;
        reply.refuses(426, "Sec-WebSocket-Version");
        assert_eq!(reply.headers["sec-websocket-version"], "13");
    }
    app.get("/graphql/ws").await.refuses(426, "Upgrade");
    // A query string is not part of the path.
    app.get("/graphql?query=%7BmetricCount%7D").await.expect(200);
    app.finish().await;
}
