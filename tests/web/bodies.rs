//! Headers of requests: encodings and media types of bodies, and the user agent.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use metrograph::config::AccessMode;
use serde_json::json;

use crate::support::{
    Engine, Reply, TestApp,
    access::{Socket, bearer},
    builders::rest::metric,
    live,
};

const GRAPHQL: &str = r#"{"query": "{ metricCount }"}"#;

async fn app() -> TestApp {
    TestApp::start(Engine::Sqlite, 500).await.unwrap()
}

async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let request = headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
    app.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn a_compressed_body_is_refused_by_the_header_that_says_so() {
    let app = app().await;
    let gzip: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for path in ["/graphql", "/api/v1/metrics/"] {
        for encoding in ["gzip", "br", "zstd", "deflate", "identity, gzip", "x-unknown"] {
            let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
            let refused = post(&app, path, &headers, gzip).await;
            assert!(refused.expect(415).to_string().contains("Content-Encoding"), "{path} {encoding}");
        }
    }
    let headers = [("content-type", "application/json"), ("content-encoding", "Identity")];
    post(&app, "/graphql", &headers, GRAPHQL).await.expect(200);
    post(&app, "/api/v1/metrics/", &headers, metric(json!({})).to_string()).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn a_browser_is_recognised_by_its_user_agent() {
    let app = app().await;
    let path = "/graphql?query=%7BmetricCount%7D";
    let get = async |headers: &[(&str, &str)]| {
        let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
        app.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    for agent in ["Opera/9.80 (X11) Presto/2.12", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140"] {
        let browser = [("user-agent", agent), ("accept-language", "de-CH,de;q=0.9")];
        assert_eq!(get(&browser).await, 403, "{agent}");
        // A header that no form sends, but that needs no preflight, proves nothing.
        for odd in ["foo", "a/b", "text/plain, application/json"] {
            assert_eq!(get(&[&browser[..], &[("content-type", odd)]].concat()).await, 403, "{agent} {odd}");
        }
        assert_eq!(get(&[&browser[..], &[("content-type", "application/json")]].concat()).await, 200, "{agent}");
    }
    // Node and similar programs.
    assert_eq!(get(&[("user-agent", "node"), ("accept-language", "*"), ("sec-fetch-mode", "cors")]).await, 200);
    for site in ["Cross-Site", "SAME-SITE"] {
        assert_eq!(get(&[("sec-fetch-site", site)]).await, 403, "{site}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_mutation_that_stores_nothing_counts_as_asking() {
    for query in [
        "mutation { __typename }",
        "mutation { ...A } fragment A on Mutation { a: __typename }",
        "mutation { announceSession(input: {hash: \"s\", runDate: \"2026-01-05T03:00:00\", tags: {}}) @skip(if: true) { userErrors { code } } }",
    ] {
        let app = TestApp::with(Engine::Sqlite, |settings| settings.limits.rate_limit = "2/min".parse().unwrap())
            .await
            .unwrap();
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(app.post("/graphql", &json!({ "query": query })).await.status.as_u16());
        }
        assert_eq!(answers, [200, 200, 429], "{query}");
        app.finish().await;
        let app = TestApp::with(Engine::Sqlite, |settings| settings.limits.rate_limit = "2/min".parse().unwrap())
            .await
            .unwrap();
        let mut socket = live::Socket::initialized(&app).await;
        assert!(socket.ask("1", query).await["data"].is_object());
        assert_eq!(socket.ask("2", query).await[0]["extensions"]["code"], "RATE_LIMITED", "{query}");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_socket_is_introduced_whatever_the_case_of_its_authorization() {
    let open = app().await;
    let token = bearer(&open.token("read").await);
    let closed = open.guarded(AccessMode::Closed).await;
    for payload in [json!({ "Authorization": token }), json!({ "AUTHORIZATION": token })] {
        Socket::open(&closed, None).await.unwrap().initialized(payload).await.unwrap();
    }
    let twice = json!({ "Authorization": token, "authorization": token });
    assert_eq!(Socket::open(&closed, None).await.unwrap().initialized(twice).await.err(), Some(4403));
    closed.finish().await;
    open.finish().await;
}

#[tokio::test]
async fn the_description_of_an_operators_own_rest_is_for_those_who_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let document = "query count @rest(get: \"/count\", reply: OBJECT, summary: \"Count.\") { count: metricCount }";
    std::fs::write(folder.path().join("team.graphql"), document).unwrap();
    let rest_dir = folder.path().to_owned();
    let app = TestApp::with(Engine::Sqlite, |settings| settings.rest_dir = Some(rest_dir)).await.unwrap();
    let (read, ingest) = (bearer(&app.token("read").await), bearer(&app.token("ingest").await));
    let closed = app.guarded(AccessMode::Closed).await;
    for path in ["/api/team/swagger.json", "/api/team/openapi-3.0.json"] {
        assert!(app.get(path).await.expect(200).to_string().contains("/count"));
        closed.get_as(None, path).await.refuses_caller(401, "");
        closed.get_as(Some(&ingest), path).await.refuses_caller(403, "read");
        closed.get_as(Some(&read), path).await.expect(200);
    }
    assert_eq!(closed.get_as(None, "/api/team/docs/").await.status, 200, "the page holds nothing of it");
    closed.finish().await;
    app.finish().await;
}

#[tokio::test]
async fn answers_without_a_page_have_their_headers_too() {
    let app = TestApp::with(Engine::Sqlite, |settings| settings.limits.max_body = 1024).await.unwrap();
    let query = "/graphql?query=%7BmetricCount%7D";
    let tag = app.get(query).await.headers[header::ETAG].clone();
    let unchanged = Request::get(query).header(header::IF_NONE_MATCH, tag).body(Body::empty()).unwrap();
    let index = app.get("/").await.text();
    let asset =
        index.split('"').filter_map(|part| part.strip_prefix('.')).find(|part| part.starts_with("/assets/")).unwrap();
    let json = [("content-type", "application/json")];
    for (reply, status) in [
        (app.send(unchanged).await, 304),
        (post(&app, "/graphql", &json, " ".repeat(1025)).await, 413),
        (post(&app, "/api/v1/metrics/", &json, " ".repeat(1025)).await, 413),
        (app.send(Request::get(asset).body(Body::empty()).unwrap()).await, 200),
        (app.send(Request::builder().method(Method::HEAD).uri(asset).body(Body::empty()).unwrap()).await, 200),
    ] {
        assert_eq!(reply.status, status);
        for name in ["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"] {
            assert!(reply.headers.contains_key(name), "{status}: {name}");
        }
    }
    app.finish().await;
}
