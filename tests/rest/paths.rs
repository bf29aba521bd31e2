//! REST v1: the spellings of a path.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{
    builders::rest::{context, metric, of_build, session},
    on_both_engines,
};

on_both_engines! {
    async fn a_trailing_slash_is_accepted_or_left_out_without_a_redirect(app: &TestApp) {
        app.announce("s", of_build("main", "7")).await;
        app.announce_context(json!({})).await;
        app.record(json!({})).await;
        for path in [
            "/metrics",
            "/metrics/count",
            "/sessions",
            "/sessions/s",
            "/contexts",
            "/contexts/c",
            "/components",
            "/components/core",
            "/components/count",
            "/pipelines",
            "/pipelines/main/builds",
            "/resources/cpu/head/3/metrics",
        ] {
            let without = app.get(&format!("/api/v1{path}")).await.expect(200);
            assert_eq!(app.get(&format!("/api/v1{path}/")).await.expect(200), without, "{path}");
        }
        app.post("/api/v1/metrics", &metric(json!({}))).await.expect(201);
        app.post("/api/v1/sessions", &session(json!({ "session_h": "s2" }))).await.expect(201);
        app.post("/api/v1/contexts", &context(json!({ "h": "c2" }))).await.expect(201);
    }

    async fn an_old_client_reads_to_the_end_by_appending_links_to_its_base(app: &TestApp, page_size: 2) {
        app.record_items(&["a", "b", "c", "d", "e"]).await;
        let (mut url, mut items) = ("/api/v1/metrics/".to_owned(), Vec::new());
        loop {
            let answer = app.get(&url).await.expect(200);
            items.extend(answer["metrics"].as_array().unwrap().iter().map(|metric| metric["item"].clone()));
            let Some(next) = answer["next_url"].as_str() else { break };
            url = format!("/api/v1{next}");
        }
        assert_eq!(items, ["a", "b", "c", "d", "e"]);
    }

    async fn the_doubled_prefix_takes_posts_too(app: &TestApp) {
        app.post("/api/v1/api/v1/metrics/", &metric(json!({}))).await.expect(201);
        app.get("/api/v1/api/v1/api/v1/metrics/").await.refuses(404, "path");
    }

    async fn five_endpoints_answer_at_the_root(app: &TestApp) {
        app.post("/contexts/", &context(json!({}))).await.expect(201);
        app.post("/sessions/", &session(json!({}))).await.expect(201);
        app.post("/metrics/", &metric(json!({}))).await.expect(201);
        assert_eq!(app.get("/contexts/c").await.expect(200), app.v1("/contexts/c").await);
        assert_eq!(app.get("/sessions/s").await.expect(200), app.v1("/sessions/s").await);
        app.post("/metrics", &metric(json!({}))).await.expect(201);
    }

    async fn no_other_endpoint_answers_at_the_root(app: &TestApp) {
        app.record_items(&["a"]).await;
        for path in ["/sessions/", "/contexts"] {
            app.get(path).await.refuses(405, "method");
        }
        // The server's own figures, see `web::monitoring`: nothing that was measured.
        for path in ["/metrics", "/metrics/"] {
            let reply = app.get(path).await;
            let text = reply.text();
            assert!(reply.status == 200 && reply.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
            assert!(text.contains("metrograph_stored_metrics 1\n") && !text.contains("test_"), "{text}");
        }
        for path in [
            "/metrics/count",
            "/components/",
            "/components/core",
            "/pipelines/",
            "/sessions/s/metrics",
            "/contexts/c/metrics",
            "/items/a/metrics",
            "/resources/cpu/head/metrics",
            "/swagger.json",
            "/docs",
        ] {
            app.get(path).await.refuses(404, "path");
        }
    }

    async fn a_count_at_the_root_is_a_prefix(app: &TestApp) {
        app.announce("count-me", json!({})).await;
        assert_eq!(app.get("/sessions/count").await.expect(200)["sessions"][0]["session_h"], "count-me");
        assert_eq!(app.get("/api/v1/sessions/count").await.expect(200), json!({ "count": 1 }));
    }

    async fn an_encoded_slash_is_part_of_the_name(app: &TestApp) {
        app.announce("s/1", of_build("feature/arrow", "1/2")).await;
        app.record(json!({ "session_h": "s/1", "component": "core/api", "item": "a/b", "item_variant": "a/b[/]" }))
            .await;
        assert_eq!(app.list("/pipelines/feature%2Farrow/builds").await, json!(["1/2"]));
        assert_eq!(app.list("/pipelines/feature%2farrow/builds/1%2F2/sessions").await, json!(["s/1"]));
        assert_eq!(app.list("/components/core%2Fapi/pipelines").await, json!(["feature/arrow"]));
        for path in
            ["/components/core%2Fapi/items/a%2Fb/metrics", "/variants/a%2Fb[%2F]/metrics", "/sessions/s%2F1/metrics"]
        {
            assert_eq!(app.items(path).await, json!(["a/b"]), "{path}");
        }
        assert_eq!(app.list("/pipelines/feature/arrow/builds").await, json!(["1/2"]));
    }

    async fn an_encoded_slash_comes_back_in_links_and_echoes(app: &TestApp, page_size: 1) {
        app.announce("s1", of_build("feature/arrow", "1")).await;
        app.announce("s2", of_build("feature/arrow", "2")).await;
        let answer = app.v1("/pipelines/feature%2farrow/builds").await;
        assert_eq!(answer["pipeline"], "feature/arrow");
        assert_eq!(answer["next_url"], "/api/v1/pipelines/feature%2Farrow/builds?page=2");
        assert_eq!(
            app.get("/api/v1/pipelines/feature%2Farrow/builds?page=2").await.expect(200)["builds"],
            json!(["2"])
        );
    }

    async fn an_argument_is_decoded_once(app: &TestApp) {
        app.record_items(&["a%2Fb", "a/b", "a+b", "a b"]).await;
        assert_eq!(app.items("/items/a%252Fb/metrics").await, json!(["a%2Fb"]));
        assert_eq!(app.items("/items/a%2Fb/metrics").await, json!(["a/b"]));
        assert_eq!(app.items("/items/a+b/metrics").await, json!(["a+b"]));
        assert_eq!(app.items("/items/a%20b/metrics").await, json!(["a b"]));
    }

    async fn a_blank_component_means_without_a_component(app: &TestApp) {
        app.announce("s", of_build("main", "7")).await;
        app.record(json!({ "item": "with" })).await;
        app.record(json!({ "item": "without", "component": "" })).await;
        for path in [
            "/components//metrics",
            "/components/metrics",
            "/components//items/without/metrics",
            "/components/items/without/metrics",
            "/components//variants/test_a[1]/metrics",
            "/components/variants/test_a[1]/metrics",
            "/resources/cpu/components//head/metrics",
            "/resources/cpu/components//tail/5/metrics",
        ] {
            assert_eq!(app.items(path).await, json!(["without"]), "{path}");
        }
        assert_eq!(app.v1("/components//pipelines").await["pipelines"], json!(["main"]));
        assert_eq!(app.v1("/components//pipelines").await["component"], "");
        assert_eq!(app.list("/components//pipelines/main/builds").await, json!(["7"]));
        assert_eq!(app.list("/components//pipelines/main/builds/7/sessions").await, json!(["s"]));
    }

    async fn a_blank_component_comes_back_in_links(app: &TestApp, page_size: 1) {
        app.record(json!({ "item": "a", "component": "" })).await;
        app.record(json!({ "item": "b", "component": "" })).await;
        for path in ["/components//metrics", "/components/metrics"] {
            let next = app.v1(path).await["next_url"].as_str().unwrap().to_owned();
            assert_eq!(app.get(&next).await.expect(200)["metrics"][0]["item"], "b", "{next}");
        }
    }

    async fn segments_of_the_paths_are_names_like_any_other(app: &TestApp) {
        for name in ["like", "count", "metrics", "items"] {
            app.record(json!({ "item": name, "item_variant": name, "component": name })).await;
            assert_eq!(app.items(&format!("/items/{name}/metrics")).await, json!([name]));
            assert_eq!(app.count(&format!("/items/{name}/metrics/count")).await, 1);
            assert_eq!(app.items(&format!("/variants/{name}/metrics")).await, json!([name]));
            assert_eq!(app.items(&format!("/components/{name}/metrics")).await, json!([name]));
            assert_eq!(app.items(&format!("/components/{name}/items/{name}/metrics")).await, json!([name]));
        }
    }

    async fn head_asks_whether_something_is_there(app: &TestApp) {
        let reply = app.send_body(Method::HEAD, "/api/v1/metrics/", "text/plain", "").await;
        assert_eq!((reply.status.as_u16(), reply.json()), (204, Value::Null));
    }
}
