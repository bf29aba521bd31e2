//! REST v1: the 57 endpoints are all there and all documented, and so are the pages that document them.

use std::collections::BTreeSet;

use axum::http::header;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::rest::{context, metric, of_build, session},
    on_both_engines,
};

const ENTRY_POINTS: [(&str, &str); 57] = [
    ("get", "/metrics/"),
    ("post", "/metrics/"),
    ("get", "/metrics/count"),
    ("get", "/filters/scm/{ref}/metrics"),
    ("get", "/filters/scm/{ref}/metrics/count"),
    ("get", "/filters/scm/{ref}/sessions"),
    ("get", "/filters/scope/{kind}/metrics"),
    ("get", "/filters/scope/{kind}/metrics/count"),
    ("get", "/items/{item}/metrics"),
    ("get", "/items/{item}/metrics/count"),
    ("get", "/items/like/{pattern}/metrics"),
    ("get", "/variants/{variant}/metrics"),
    ("get", "/variants/{variant}/metrics/count"),
    ("get", "/variants/like/{pattern}/metrics"),
    ("get", "/sessions/"),
    ("post", "/sessions/"),
    ("get", "/sessions/count"),
    ("get", "/sessions/{prefix}"),
    ("get", "/sessions/{session}/metrics"),
    ("get", "/sessions/{session}/metrics/count"),
    ("get", "/contexts/"),
    ("post", "/contexts/"),
    ("get", "/contexts/count"),
    ("get", "/contexts/{prefix}"),
    ("get", "/contexts/{context}/metrics"),
    ("get", "/contexts/{context}/metrics/count"),
    ("get", "/components/"),
    ("get", "/components/{prefix}"),
    ("get", "/components/count"),
    ("get", "/components/{component}/metrics"),
    ("get", "/components/metrics"),
    ("get", "/components/{component}/pipelines"),
    ("get", "/components/{component}/pipelines/{pipeline}/builds"),
    ("get", "/components/{component}/pipelines/{pipeline}/builds/{build}/sessions"),
    ("get", "/components/{component}/items/{item}/metrics"),
    ("get", "/components/items/{item}/metrics"),
    ("get", "/components/{component}/variants/{variant}/metrics"),
    ("get", "/components/variants/{variant}/metrics"),
    ("get", "/pipelines/"),
    ("get", "/pipelines/{pipeline}/builds"),
    ("get", "/pipelines/{pipeline}/builds/{build}/sessions"),
    ("get", "/resources/{resource}/head/metrics"),
    ("get", "/resources/{resource}/head/{n}/metrics"),
    ("get", "/resources/{resource}/tail/metrics"),
    ("get", "/resources/{resource}/tail/{n}/metrics"),
    ("get", "/resources/{resource}/components/{component}/head/metrics"),
    ("get", "/resources/{resource}/components/{component}/head/{n}/metrics"),
    ("get", "/resources/{resource}/components/{component}/tail/metrics"),
    ("get", "/resources/{resource}/components/{component}/tail/{n}/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/head/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/head/{n}/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/tail/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/tail/{n}/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/builds/{build}/head/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/builds/{build}/head/{n}/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/builds/{build}/tail/metrics"),
    ("get", "/resources/{resource}/pipelines/{pipeline}/builds/{build}/tail/{n}/metrics"),
];

/// The values of the path arguments that match what [`fill`] stores.
const ARGUMENTS: [(&str, &str); 14] = [
    ("ref", "abc"),
    ("kind", "function"),
    ("item", "test_a"),
    ("pattern", "test"),
    ("variant", "test_a[1]"),
    ("session", "s"),
    ("context", "c"),
    ("component", "core"),
    ("pipeline", "main"),
    ("build", "7"),
    ("resource", "total_time"),
    ("n", "3"),
    ("components/{prefix}", "components/co"),
    ("sessions/{prefix}", "sessions/s"),
];

fn filled_in(path: &str) -> String {
    let path = path.replace("contexts/{prefix}", "contexts/c");
    ARGUMENTS.iter().fold(path, |path, (name, value)| {
        if name.contains('{') { path.replace(name, value) } else { path.replace(&format!("{{{name}}}"), value) }
    })
}

async fn fill(app: &TestApp) {
    app.announce("s", of_build("main", "7")).await;
    app.announce_context(json!({})).await;
    app.record(json!({})).await;
    app.record(json!({ "component": "" })).await;
}

async fn description(app: &TestApp) -> Value {
    app.v1("/swagger.json").await
}

/// Follows `$ref`.
fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(place) => description.pointer(place.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

on_both_engines! {
    async fn every_endpoint_finds_something(app: &TestApp) {
        fill(app).await;
        for (method, path) in ENTRY_POINTS {
            let path = format!("/api/v1{}", filled_in(path));
            assert!(!path.contains('{'), "{path}");
            if method == "get" {
                let answer = app.get(&path).await.expect(200);
                let empty = answer.as_object().unwrap().values().any(|value| *value == json!([]) || *value == json!(0));
                assert!(!empty, "{path}: {answer}");
            }
        }
        app.post("/api/v1/metrics/", &metric(json!({}))).await.expect(201);
        app.post("/api/v1/sessions/", &session(json!({ "session_h": "s2" }))).await.expect(201);
        app.post("/api/v1/contexts/", &context(json!({ "h": "c2" }))).await.expect(201);
    }

    async fn every_endpoint_answers_with_and_without_a_slash_and_under_the_doubled_prefix(app: &TestApp) {
        fill(app).await;
        for (_, path) in ENTRY_POINTS.iter().filter(|(method, _)| *method == "get") {
            let path = filled_in(path);
            let answer = app.v1(&path).await;
            let bare = path.trim_end_matches('/');
            for spelling in [format!("/api/v1{bare}"), format!("/api/v1{bare}/"), format!("/api/v1/api/v1{bare}")] {
                assert_eq!(app.get(&spelling).await.expect(200), answer, "{spelling}");
            }
        }
    }

    async fn exactly_these_endpoints_are_documented(app: &TestApp) {
        let description = description(app).await;
        let mut documented = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            documented.extend(keys(methods).into_iter().map(|method| (method, path.as_str())));
        }
        let expected = ENTRY_POINTS.map(|(method, path)| (method, format!("/api/v1{path}")));
        assert_eq!(documented, expected.iter().map(|(method, path)| (*method, path.as_str())).collect());
    }

    async fn the_description_has_the_parameters_of_each_endpoint(app: &TestApp) {
        let description = description(app).await;
        let mut ids = BTreeSet::new();
        for (method, path) in ENTRY_POINTS {
            let operation = &description["paths"][format!("/api/v1{path}")][method];
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
            assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{path}");
            let parameters = operation["parameters"].as_array().unwrap();
            let in_path =
                parameters.iter().filter(|parameter| parameter["in"] == "path").map(|p| p["name"].as_str().unwrap());
            let expected = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            assert_eq!(in_path.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{path}");
            assert!(parameters.iter().filter(|p| p["in"] == "path").all(|p| p["required"] == true), "{path}");
            assert_eq!(operation.get("requestBody").is_some(), method == "post", "{path}");
        }
        let sessions = description["paths"]["/api/v1/sessions/"]["get"]["parameters"].as_array().unwrap();
        let names: Vec<_> = sessions.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["with_flags", "with_tags", "restrict_flags", "method", "page"]);
    }

    async fn the_description_of_a_metric_has_its_members_with_types(app: &TestApp) {
        let description = description(app).await;
        let number = json!({ "type": "number" });
        let members = json!({
            "session_h": { "type": "string" }, "context_h": { "type": "string" }, "item_start_time": { "type": "string" },
            "item_path": { "type": "string" }, "item": { "type": "string" }, "item_variant": { "type": "string" },
            "item_fs_loc": { "type": "string" }, "kind": { "type": "string" }, "component": { "type": "string" },
            "total_time": number, "user_time": number, "kernel_time": number, "cpu_usage": number, "mem_usage": number,
            "test_passed": { "type": "boolean" },
        });
        let post = &description["paths"]["/api/v1/metrics/"]["post"];
        let sent = &post["requestBody"]["content"]["application/json"]["schema"];
        let answered = &post["responses"]["201"]["content"]["application/json"]["schema"];
        for schema in [resolved(&description, sent), resolved(&description, answered), &description["components"]["schemas"]["MetricV1"]] {
            assert_eq!(keys(&schema["properties"]), keys(&members));
            for (name, member) in members.as_object().unwrap() {
                // Null may be sent, and is omitted in responses.
                let may_be_null = name == "test_passed" && schema == resolved(&description, sent);
                let expected = if may_be_null { json!(["boolean", "null"]) } else { member["type"].clone() };
                assert_eq!(schema["properties"][name]["type"], expected, "{name}");
            }
            let required: BTreeSet<_> =
                schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            assert_eq!(required, keys(&members).into_iter().filter(|name| *name != "test_passed").collect());
        }
    }

    async fn the_example_of_a_post_can_be_posted(app: &TestApp) {
        let description = description(app).await;
        for noun in ["metrics", "sessions", "contexts"] {
            let body = &description["paths"][format!("/api/v1/{noun}/")]["post"]["requestBody"];
            app.post(&format!("/api/v1/{noun}/"), &body["content"]["application/json"]["example"]).await.expect(201);
        }
    }

    async fn the_description_of_an_answer_has_its_members(app: &TestApp) {
        fill(app).await;
        let description = description(app).await;
        for (_, path) in ENTRY_POINTS.iter().filter(|(method, _)| *method == "get") {
            let answers = &description["paths"][format!("/api/v1{path}")]["get"]["responses"];
            let schema = resolved(&description, &answers["200"]["content"]["application/json"]["schema"]);
            let links: BTreeSet<_> = ["prev_url", "next_url"].into();
            let answer = app.v1(&filled_in(path)).await;
            let (described, sent) = (keys(&schema["properties"]), keys(&answer));
            assert_eq!(&described - &links, &sent - &links, "{path}");
            assert_eq!(described.is_superset(&links), !answer["total_page"].is_null(), "{path}");
        }
    }

    async fn the_interactive_page_has_everything_it_asks_for(app: &TestApp) {
        for prefix in ["/api/v1", "/api/v2"] {
            let page = app.get(&format!("{prefix}/docs")).await;
            assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
            let text = page.text();
            let (near, far) = (r#"<base href="./">"#, r#"<base href="docs/">"#);
            assert_eq!(app.get(&format!("{prefix}/docs/")).await.text().replace(near, far), text);
            assert!(text.contains(far));
            let assets: Vec<_> = ["src=\"", "href=\"./"].iter().flat_map(|mark| text.split(mark).skip(1)).collect();
            assert!(assets.len() >= 4, "{text}");
            for asset in assets.iter().map(|rest| rest.split('"').next().unwrap().trim_start_matches("./")) {
                let reply = app.get(&format!("{prefix}/docs/{asset}")).await;
                assert_eq!(reply.status.as_u16(), 200, "{asset}");
                assert!(!reply.body.is_empty(), "{asset}");
            }
            let script = app.get(&format!("{prefix}/docs/swagger-initializer.js")).await.text();
            assert!(script.contains(r#""url": new URL("../swagger.json", document.baseURI).href"#), "{script}");
        }
    }
}
