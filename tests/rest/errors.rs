//! REST v1: every error is JSON, `{"message": …}`, and names what is wrong.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{
    builders::rest::{context, metric, session},
    on_both_engines,
};

const POSTS: [&str; 3] = ["metrics", "sessions", "contexts"];

fn payload(noun: &str) -> Value {
    match noun {
        "metrics" => metric(json!({})),
        "sessions" => session(json!({})),
        _ => context(json!({})),
    }
}

fn with(mut payload: Value, member: &str, value: Value) -> Value {
    payload[member] = value;
    payload
}

on_both_engines! {
    async fn a_missing_member_is_named(app: &TestApp) {
        for noun in POSTS {
            for member in payload(noun)
                .as_object()
                .unwrap()
                .keys()
                .filter(|name| !["scm_ref", "cpu_vendor"].contains(&name.as_str()))
            {
                let mut body = payload(noun);
                body.as_object_mut().unwrap().remove(member);
                app.post(&format!("/api/v1/{noun}/"), &body).await.refuses(400, &format!("{member}:"));
                app.post(&format!("/api/v1/{noun}/"), &with(body, member, Value::Null))
                    .await
                    .refuses(400, &format!("{member}:"));
            }
        }
        assert_eq!(
            app.count("/metrics/count").await + app.count("/sessions/count").await + app.count("/contexts/count").await,
            0
        );
    }

    async fn a_member_of_the_wrong_type_is_named(app: &TestApp) {
        for noun in POSTS {
            for (member, value) in payload(noun).as_object().unwrap() {
                // A text is a valid description.
                let is_text = value.is_string() || member == "description";
                let wrong = if is_text { json!(7) } else { json!("seven") };
                for wrong in [wrong, json!(["x"]), json!([[1]]), json!(true)] {
                    let body = with(payload(noun), member, wrong);
                    app.post(&format!("/api/v1/{noun}/"), &body).await.refuses(400, &format!("{member}:"));
                }
            }
        }
        app.post("/api/v1/metrics/", &with(payload("metrics"), "test_passed", json!("yes")))
            .await
            .refuses(400, "test_passed:");
        app.post("/api/v1/metrics/", &with(payload("metrics"), "test_passed", json!(1)))
            .await
            .refuses(400, "test_passed:");
        app.post("/api/v1/contexts/", &with(payload("contexts"), "cpu_count", json!(4.5)))
            .await
            .refuses(400, "cpu_count:");
        app.post("/api/v1/contexts/", &with(payload("contexts"), "ram_total", json!(1e30)))
            .await
            .refuses(400, "ram_total:");
    }

    async fn what_is_no_json_object_is_refused(app: &TestApp) {
        for noun in POSTS {
            for body in [
                "",
                "{",
                "{\"a\": }",
                "[]",
                "null",
                "7",
                "\"text\"",
                "{} {}",
                "{\"a\": NaN}",
                "{\"a\": 1e999}",
            ] {
                let reply = app.send_body(Method::POST, &format!("/api/v1/{noun}/"), "application/json", body).await;
                reply.refuses(400, "body");
            }
            let reply = app
                .send_body(Method::POST, &format!("/api/v1/{noun}/"), "application/json", &b"{\"a\": \"\xff\"}"[..])
                .await;
            reply.refuses(400, "body");
        }
    }

    async fn a_body_nested_without_end_is_refused(app: &TestApp) {
        let body = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        app.send_body(Method::POST, "/api/v1/metrics/", "application/json", body).await.refuses(400, "body");
    }

    async fn a_body_of_another_type_is_refused(app: &TestApp) {
        let body = payload("metrics").to_string();
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            let reply = app.send_body(Method::POST, "/api/v1/metrics/", media_type, body.clone()).await;
            reply.refuses(415, "Content-Type");
        }
        for media_type in ["application/json", "APPLICATION/JSON;charset=utf-8", "application/json ; x=y"] {
            app.send_body(Method::POST, "/api/v1/metrics/", media_type, body.clone()).await.expect(201);
        }
    }

    async fn a_nul_character_is_refused_in_a_body(app: &TestApp) {
        for noun in POSTS {
            for (member, _) in payload(noun).as_object().unwrap().iter().filter(|(_, value)| value.is_string()) {
                let body = with(payload(noun), member, json!("a\u{0}b"));
                app.post(&format!("/api/v1/{noun}/"), &body).await.refuses(400, member);
            }
        }
        for tags in [json!({ "a": "\u{0}" }), json!({ "\u{0}": "a" })] {
            app.post("/api/v1/sessions/", &with(payload("sessions"), "description", tags))
                .await
                .refuses(400, "description");
        }
    }

    async fn a_nul_character_is_refused_in_a_path(app: &TestApp) {
        for (path, argument) in [
            ("/items/a%00b/metrics", "item"),
            ("/items/a%00b/metrics/count", "item"),
            ("/items/like/%00/metrics", "pattern"),
            ("/sessions/%00", "prefix"),
            ("/sessions/%00/metrics", "session"),
            ("/contexts/%00", "prefix"),
            ("/components/%00", "prefix"),
            ("/components/%00/pipelines/x/builds/y/sessions", "component"),
            ("/components/x/pipelines/%00/builds", "pipeline"),
            ("/pipelines/x/builds/%00/sessions", "build"),
            ("/filters/scm/%00/sessions", "ref"),
            ("/filters/scope/%00/metrics", "kind"),
            ("/resources/cpu/components/%00/head/metrics", "component"),
        ] {
            app.get(&format!("/api/v1{path}")).await.refuses(400, argument);
        }
    }

    async fn a_nul_character_is_refused_in_a_query(app: &TestApp) {
        app.get("/api/v1/sessions/?with_flags=%00").await.refuses(400, "with_flags");
        app.get("/api/v1/sessions/?with_tags=a,%00").await.refuses(400, "with_flags");
        app.get("/api/v1/sessions/s?with_flags=a&restrict_flags=%00").await.refuses(400, "restrict_flags");
    }

    async fn an_unknown_method_of_matching_is_named(app: &TestApp) {
        app.get("/api/v1/sessions/?with_flags=a&method=match_none").await.refuses(400, "method");
        app.get("/api/v1/sessions/?method=").await.refuses(400, "method");
    }

    async fn a_path_that_is_no_utf_8_is_refused(app: &TestApp) {
        for path in ["/items/%FF/metrics", "/sessions/%C3", "/pipelines/a%80b/builds"] {
            app.get(&format!("/api/v1{path}")).await.refuses(400, "path");
        }
    }

    async fn a_query_that_is_no_utf_8_finds_nothing(app: &TestApp) {
        assert_eq!(app.v1("/sessions/?with_flags=%FF").await, Value::Null);
    }

    async fn a_body_over_the_limit_is_refused(app: &TestApp) {
        const LIMIT: usize = 16 * 1024 * 1024;
        let mut body = payload("metrics").to_string();
        body.push_str(&" ".repeat(LIMIT - body.len()));
        app.send_body(Method::POST, "/api/v1/metrics/", "application/json", body.clone()).await.expect(201);
        body.push(' ');
        app.send_body(Method::POST, "/api/v1/metrics/", "application/json", body.clone()).await.refuses(413, "body");
        app.send_body(Method::GET, "/api/v1/metrics/", "application/json", body).await.refuses(413, "body");
        assert_eq!(app.count("/metrics/count").await, 1);
    }

    async fn an_unknown_path_and_an_unknown_method_are_refused_in_json(app: &TestApp) {
        for path in [
            "/api/v1",
            "/api/v1/",
            "/api/v1/nothing",
            "/api/v3/metrics/",
            "/api/v1/metrics/count/more",
            "/api/v1/docs/none.js",
        ] {
            app.get(path).await.refuses(404, "");
        }
        for method in [Method::DELETE, Method::PUT, Method::PATCH] {
            app.send_body(method.clone(), "/api/v1/metrics/", "application/json", "{}").await.refuses(405, "method");
            app.send_body(method, "/api/v1/sessions/s", "application/json", "{}").await.refuses(405, "method");
        }
        app.post("/api/v1/pipelines/", &json!({})).await.refuses(405, "method");
    }
}
