//! GraphQL over HTTP: methods, media types and statuses.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use metrograph::version::{COMMIT, VERSION};
use serde_json::{Value, json};

use crate::support::{
    Reply, TestApp,
    builders::graphql::{metric, session},
    on_both_engines,
};

const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
const COUNT: &str = r#"{"query": "{ sessionCount }"}"#;
const MUTATION: &str =
    "mutation { announceSession(input: {hash: \"a\", runDate: \"2026-01-01\", tags: {}}) { session { hash } } }";

async fn post(app: &TestApp, content_type: Option<&str>, accept: Option<&str>, body: impl Into<Body>) -> Reply {
    let mut request = Request::post("/graphql");
    for (name, value) in [(header::CONTENT_TYPE, content_type), (header::ACCEPT, accept)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    app.send(request.body(body.into()).unwrap()).await
}

async fn get(app: &TestApp, accept: &str, parameters: &[(&str, &str)]) -> Reply {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    app.send(Request::get(format!("/graphql?{query}")).header(header::ACCEPT, accept).body(Body::empty()).unwrap())
        .await
}

async fn send(app: &TestApp, method: Method, path: &str) -> Reply {
    app.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

fn media_type(reply: &Reply) -> &str {
    let value = reply.headers[header::CONTENT_TYPE].to_str().unwrap();
    value.strip_suffix("; charset=utf-8").unwrap_or(value)
}

fn code(reply: &Reply) -> Value {
    let answer = reply.json();
    assert!(answer.get("data").is_none(), "{answer}");
    answer["errors"][0]["extensions"]["code"].clone()
}

on_both_engines! {
    async fn a_body_must_come_as_json(app: &TestApp) {
        for wrong in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=x"),
            Some("application/graphql"), Some("application/jsonx"), Some("application/json; charset=utf-16"), Some("application/json;charset=iso-8859-1")] {
            for accept in [None, Some(RESPONSE)] {
                let reply = post(app, wrong, accept, COUNT).await;
                assert_eq!((reply.status.as_u16(), code(&reply)), (415, json!("UNSUPPORTED_MEDIA_TYPE")), "{wrong:?}");
            }
        }
        for right in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
            assert_eq!(post(app, Some(right), None, COUNT).await.expect(200), json!({ "data": { "sessionCount": 0 } }));
        }
    }

    async fn the_media_type_is_the_best_of_those_asked_for(app: &TestApp) {
        for (accept, expected) in [
            (None, JSON), (Some("*/*"), JSON), (Some("application/*"), JSON), (Some(JSON), JSON), (Some(RESPONSE), RESPONSE),
            (Some("application/graphql-response+json, application/json;q=0.9"), RESPONSE),
            (Some("application/json;q=0.9, application/graphql-response+json"), RESPONSE),
            (Some("application/graphql-response+json;q=0.1, application/json"), JSON),
            (Some("text/html, */*;q=0.1"), JSON), (Some("application/json;Q=0.1, application/graphql-response+json;q=0.2"), RESPONSE),
            (Some("application/graphql-response+json;q=0.5, */*;q=0.1"), RESPONSE), (Some("application/json;q=0.5, application/*;q=0.9"), JSON), (Some("Application/GraphQL-Response+JSON; charset=utf-8"), RESPONSE),
        ] {
            let reply = post(app, Some(JSON), accept, COUNT).await;
            assert_eq!((reply.status.as_u16(), media_type(&reply)), (200, expected), "{accept:?}");
            assert!(reply.headers[header::VARY].to_str().unwrap().to_ascii_lowercase().contains("accept"));
        }
        for accept in ["text/html", "image/png, text/plain", "application/json;q=0", "application/json;q=0, */*", "application/*;q=0, */*", "application/xml"] {
            let reply = post(app, Some(JSON), Some(accept), COUNT).await;
            assert_eq!((reply.status.as_u16(), code(&reply)), (406, json!("NOT_ACCEPTABLE")), "{accept}");
            assert_eq!(get(app, accept, &[("query", "{ sessionCount }")]).await.status, 406, "{accept}");
        }
    }

    async fn the_status_of_a_request_that_cannot_run_goes_by_the_media_type(app: &TestApp) {
        for (body, expected) in [
            (json!({ "query": "{ sessionCount" }), "GRAPHQL_PARSE_FAILED"),
            (json!({ "query": "" }), "GRAPHQL_PARSE_FAILED"),
            (json!({ "query": "{ nothing }" }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": "query a { sessionCount } query b { sessionCount }" }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": "query a { sessionCount }", "operationName": "b" }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": "query($h: String!) { session(hash: $h) { id } }" }), "BAD_USER_INPUT"),
            (json!({ "query": "query($h: String!) { session(hash: $h) { id } }", "variables": { "h": 1 } }), "BAD_USER_INPUT"),
            (json!({ "query": "query($h: String!) { session(hash: $h) { id } }", "variables": { "h": "a\0" } }), "BAD_USER_INPUT"),
        ] {
            let new = post(app, Some(JSON), Some(RESPONSE), body.to_string()).await;
            let old = post(app, Some(JSON), Some(JSON), body.to_string()).await;
            assert_eq!((new.status.as_u16(), media_type(&new), code(&new)), (400, RESPONSE, json!(expected)), "{body}: {}", new.text());
            assert_eq!((old.status.as_u16(), media_type(&old), code(&old)), (200, JSON, json!(expected)), "{body}");
        }
    }

    async fn what_was_run_is_200_whatever_came_of_it(app: &TestApp) {
        for (query, data) in [
            ("{ node(id: \"x\") { id } sessionCount }", json!({ "node": null, "sessionCount": 0 })),
            ("{ sessions(first: -1) { nodes { id } } }", Value::Null),
        ] {
            let reply = post(app, Some(JSON), Some(RESPONSE), json!({ "query": query }).to_string()).await;
            let answer = reply.expect(200);
            assert_eq!(answer.get("data"), Some(&data), "{query}");
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query}");
        }
    }

    async fn a_body_that_is_no_request_is_400(app: &TestApp) {
        for body in ["", "{", "null", "1", "\"{ sessionCount }\"", "[]", "[1]", "[[]]", r#"[{"query": "{ sessionCount }"}, null]"#, "{}", r#"{"query": null}"#,
            r#"{"query": 1}"#, r#"{"query": ["{ sessionCount }"]}"#, r#"{"query": "{ sessionCount }", "variables": []}"#,
            r#"{"query": "{ sessionCount }", "variables": "x"}"#, r#"{"query": "{ sessionCount }", "extensions": []}"#,
            r#"{"query": "{ sessionCount }", "extensions": "x"}"#, r#"{"documentId": 1}"#, r#"{"query": "{ sessionCount }", "extensions": {"cost": 1}}"#, r#"{"query": "{ sessionCount }", "operationName": 1}"#,
            r#"{"query": "{ sessionCount }"} trailing"#, r#"{"query": "{ sessionCount }", "query": "{ metricCount }"}"#, "\u{feff}{}"] {
            for accept in [JSON, RESPONSE] {
                let reply = post(app, Some(JSON), Some(accept), body).await;
                assert_eq!((reply.status.as_u16(), code(&reply)), (400, json!("GRAPHQL_PARSE_FAILED")), "{accept}: {body}");
            }
        }
        let bytes = post(app, Some(JSON), None, &b"{\"query\": \"\xff\"}"[..]).await;
        assert_eq!(bytes.status, 400);
    }

    async fn members_that_say_nothing_are_taken(app: &TestApp) {
        for body in [r#"{"query": "{ sessionCount }", "variables": null, "operationName": null, "extensions": {"a": 1}, "more": []}"#,
            r#"{"query": "{ sessionCount }", "variables": {}, "operationName": ""}"#,
            r#"{"query": "{ sessionCount }", "variables": {"unused": 1}}"#] {
            assert_eq!(post(app, Some(JSON), None, body).await.expect(200), json!({ "data": { "sessionCount": 0 } }), "{body}");
        }
    }

    async fn a_body_over_the_limit_is_413(app: &TestApp) {
        let fits = format!("{{\"query\": \"{{ sessionCount }}\", \"more\": \"{}\"}}", "x".repeat(16 * 1024 * 1024 - 50));
        assert_eq!(post(app, Some(JSON), None, fits.clone()).await.status, 200);
        let reply = post(app, Some(JSON), None, format!("{fits}{}", " ".repeat(100))).await;
        assert_eq!((reply.status.as_u16(), code(&reply)), (413, json!("PAYLOAD_TOO_LARGE")));
    }

    async fn get_runs_queries(app: &TestApp) {
        app.announce_session(session("s1", json!({}))).await;
        let query = "query one($h: String!) { session(hash: $h) { hash } } query two { sessionCount }";
        let one = get(app, RESPONSE, &[("query", query), ("operationName", "one"), ("variables", r#"{"h": "s1"}"#)]).await;
        assert_eq!((one.expect(200), media_type(&one)), (json!({ "data": { "session": { "hash": "s1" } } }), RESPONSE));
        let two = get(app, "*/*", &[("query", query), ("operationName", "two"), ("variables", "")]).await;
        assert_eq!((two.expect(200), media_type(&two)), (json!({ "data": { "sessionCount": 1 } }), JSON));
        let browser = get(app, "text/html,application/xhtml+xml,*/*;q=0.8", &[("query", "{ sessionCount }")]).await;
        assert_eq!(browser.expect(200), json!({ "data": { "sessionCount": 1 } }));
        for wrong in [&[][..], &[("query", "{")], &[("query", "{ a }")], &[("query", query)], &[("query", query), ("operationName", "x")],
            &[("query", query), ("operationName", "two"), ("variables", "{")], &[("query", query), ("operationName", "two"), ("variables", "[]")]] {
            let reply = get(app, RESPONSE, wrong).await;
            assert_eq!(reply.status, 400, "{wrong:?}");
            assert!(code(&reply).is_string(), "{wrong:?}");
        }
    }

    async fn get_runs_no_mutation(app: &TestApp) {
        let both = format!("query q {{ sessionCount }} {}", MUTATION.replace("mutation", "mutation m"));
        for parameters in [vec![("query", MUTATION)], vec![("query", &*both), ("operationName", "m")], vec![("query", &both)]] {
            for accept in [JSON, RESPONSE] {
                let reply = get(app, accept, &parameters).await;
                assert_eq!((reply.status.as_u16(), code(&reply)), (405, json!("METHOD_NOT_ALLOWED")), "{parameters:?}");
                assert_eq!(reply.headers[header::ALLOW], "POST");
            }
        }
        let reply = get(app, JSON, &[("query", &both), ("operationName", "q")]).await;
        assert_eq!(reply.expect(200), json!({ "data": { "sessionCount": 0 } }));
    }

    async fn head_is_as_careful_as_get(app: &TestApp) {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", MUTATION).finish();
        assert_eq!(send(app, Method::HEAD, &format!("/graphql?{query}")).await.status, 405);
        assert_eq!(app.bare("{ sessionCount }").await, json!(0));
    }

    async fn browsers_get_pages(app: &TestApp) {
        let no_page = get(app, "application/json, text/html;q=0", &[]).await;
        assert_eq!(code(&no_page), "GRAPHQL_PARSE_FAILED");
        for path in ["/", "/index.html", "/graphiql", "/graphql"] {
            let request = Request::get(path).header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
            let reply = app.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!((reply.status.as_u16(), media_type(&reply)), (200, "text/html"), "{path}");
            assert!(reply.text().to_ascii_lowercase().contains("<!doctype html>"), "{path}");
            assert!(reply.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
            assert_eq!(reply.headers["x-content-type-options"], "nosniff");
            let varies = reply.headers.get_all(header::VARY).iter().any(|vary| vary.to_str().unwrap().contains("accept"));
            assert!(varies || path != "/graphql", "{:?}", reply.headers);
        }
    }

    async fn other_paths_and_methods_are_refused_in_json(app: &TestApp) {
        assert_eq!(app.get("/health").await.expect(200), json!({ "status": "ok", "version": VERSION, "commit": COMMIT }));
        for path in ["/nothing", "/graphql/x", "/health/x", "/assets/none.js", "/%00", "/..%2f..%2fetc"] {
            let reply = app.get(path).await;
            assert!(reply.expect(404)["message"].is_string(), "{path}");
        }
        for method in [Method::DELETE, Method::PUT, Method::PATCH] {
            let reply = send(app, method.clone(), "/graphql").await;
            assert_eq!((reply.status.as_u16(), code(&reply)), (405, json!("METHOD_NOT_ALLOWED")), "{method}");
            assert!(reply.headers[header::ALLOW].to_str().unwrap().contains("GET"), "{method}");
        }
        for (method, path) in [(Method::POST, "/health"), (Method::POST, "/graphiql"), (Method::DELETE, "/")] {
            let reply = send(app, method.clone(), path).await;
            assert!(reply.expect(405)["message"].is_string(), "{method} {path}");
            assert!(reply.headers[header::ALLOW].to_str().unwrap().contains("GET"), "{method} {path}");
        }
    }

    async fn one_document_runs_with_many_variables(app: &TestApp) {
        app.record_all(vec![metric(json!({ "totalTime": 1 })), metric(json!({ "totalTime": 2 }))]).await;
        for (gt, expected) in [(0, 2), (1, 1), (2, 0), (0, 2)] {
            let answer = app.run("query($gt: Float!) { metricCount(where: {totalTime: {gt: $gt}}) }", json!({ "gt": gt })).await;
            assert_eq!(answer["metricCount"], expected);
        }
    }
}
