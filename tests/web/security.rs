//! Browser security: CSRF, CORS, DNS rebinding, security headers, introspection.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use metrograph::config::{AccessMode, Exposure, Settings, Switch};
use serde_json::json;

use crate::support::{Engine, Reply, TestApp, program::run};

const COUNT: &str = "/graphql?query=%7BmetricCount%7D";
const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");

/// Starts a server with the host name that `send` uses.
async fn exposed(change: impl FnOnce(&mut Exposure)) -> TestApp {
    let change = |settings: &mut Settings| {
        settings.exposure.hosts = vec!["ours.example".parse().unwrap()];
        change(&mut settings.exposure);
    };
    TestApp::with(Engine::Sqlite, change).await.unwrap()
}

async fn send(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)], body: &'static str) -> Reply {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "ours.example:8181");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    app.send(request.body(Body::from(body)).unwrap()).await
}

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> u16 {
    send(app, Method::GET, path, headers, "").await.status.as_u16()
}

async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> u16 {
    send(app, Method::POST, path, headers, r#"{"query": "{ metricCount }"}"#).await.status.as_u16()
}

/// Returns the status of a query sent to this host name.
async fn status_at(app: &TestApp, host: &str) -> u16 {
    let request = Request::get(COUNT).header(header::HOST, host).body(Body::empty()).unwrap();
    app.send(request).await.status.as_u16()
}

#[tokio::test]
async fn a_rebound_dns_name_is_refused() {
    let app = TestApp::with(Engine::Sqlite, |_| ()).await.unwrap();
    for ours in
        ["localhost", "localhost:8181", "LOCALHOST.", "a.localhost:1", "127.0.0.1:8181", "[::1]:8181", "192.168.0.7"]
    {
        assert_eq!(status_at(&app, ours).await, 200, "{ours}");
    }
    for other in [
        "evil.example",
        "evil.example:8181",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "@",
        "",
    ] {
        assert_eq!(status_at(&app, other).await, 403, "{other}");
    }
    // To a browser it is the same site.
    let origin = ("origin", "http://evil.example:8181");
    for path in ["/graphql", "/graphql/ws", "/api/v1/metrics/count"] {
        let request = Request::get(path).header(header::HOST, "evil.example:8181").header(origin.0, origin.1);
        let refused = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("--hosts"), "{}", refused.text());
    }
    // In the address, as in HTTP/2.
    let request = Request::get(format!("http://evil.example{COUNT}")).body(Body::empty()).unwrap();
    assert_eq!(app.send(request).await.status, 403);
    app.finish().await;
}

#[tokio::test]
async fn names_count_where_they_were_given_and_where_strangers_could_be_let_in() {
    let named = exposed(|_| ()).await;
    assert_eq!((status_at(&named, "Ours.Example.").await, status_at(&named, "evil.example").await), (200, 403));
    for (host, listen, mode, status) in [
        ("*", "127.0.0.1:0", AccessMode::Open, 200),
        ("ours.example", "0.0.0.0:0", AccessMode::Open, 403),
        ("", "0.0.0.0:0", AccessMode::Open, 200),
        ("", "[::1]:0", AccessMode::Open, 403),
        ("", "127.0.0.1:0", AccessMode::Read, 403),
        // It fails only for want of a token.
        ("", "127.0.0.1:0", AccessMode::Closed, 401),
    ] {
        let change = |settings: &mut Settings| {
            settings.exposure.hosts = host.split_terminator(',').map(|host| host.parse().unwrap()).collect();
            settings.listen = listen.parse().unwrap();
            settings.access.mode = mode;
        };
        let app = named.second_server_with(change).await;
        assert_eq!(status_at(&app, "any.example").await, status, "{host} {listen} {mode:?}");
        app.finish().await;
    }
    named.finish().await;
}

#[tokio::test]
async fn a_cross_site_page_can_neither_query_nor_store() {
    let app = exposed(|_| ()).await;
    let json = ("content-type", "application/json");
    for from in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://ours.example:8080"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(get(&app, COUNT, &[from]).await, 403, "{from:?}");
        assert_eq!(get(&app, "/api/v1/metrics/count", &[from]).await, 403, "{from:?}");
        assert_eq!(post(&app, "/graphql", &[from, json]).await, 403, "{from:?}");
        assert_eq!(post(&app, "/api/v1/metrics/", &[from, json]).await, 403, "{from:?}");
    }
    let refused = send(&app, Method::GET, COUNT, &[("origin", "https://evil.example")], "").await;
    assert_eq!(refused.json()["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert!(refused.text().contains("--cors-origin"));
    // What a form can send needs no CORS preflight: it is refused from everywhere.
    for simple in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        for path in ["/graphql", "/api/v1/metrics/"] {
            assert_eq!(post(&app, path, &[("content-type", simple)]).await, 415, "{path}: {simple}");
        }
    }
    assert_eq!(app.get("/api/v1/metrics/count").await.expect(200)["count"], 0);
    app.finish().await;
}

#[tokio::test]
async fn our_own_pages_and_clients_that_are_no_browsers_may_ask() {
    let app = exposed(|_| ()).await;
    let ours = ("origin", "http://ours.example:8181");
    for from in [
        &[][..],
        &[ours],
        &[("sec-fetch-site", "same-origin"), BROWSER],
        &[("sec-fetch-site", "none"), BROWSER],
        &[("user-agent", "curl/8.5.0")],
    ] {
        assert_eq!(get(&app, COUNT, from).await, 200, "{from:?}");
        assert_eq!(
            post(&app, "/graphql", &[from, &[("content-type", "application/json")]].concat()).await,
            200,
            "{from:?}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_browser_without_sec_fetch_site_needs_a_header_that_forms_cannot_send() {
    let app = exposed(|_| ()).await;
    for simple in
        [&[BROWSER][..], &[BROWSER, ("content-type", "text/plain")], &[BROWSER, ("apollo-require-preflight", "")]]
    {
        assert_eq!(get(&app, COUNT, simple).await, 403, "{simple:?}");
    }
    for asked_for in [
        ("x-apollo-operation-name", "a"),
        ("apollo-require-preflight", "1"),
        ("graphql-require-preflight", "1"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(get(&app, COUNT, &[BROWSER, asked_for]).await, 200, "{asked_for:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn links_from_other_sites_lead_to_pages_but_run_no_query() {
    let app = exposed(|_| ()).await;
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("accept", "text/html,*/*;q=0.8"),
        BROWSER,
    ];
    for path in ["/", "/graphiql", "/graphql", "/api/v1/docs", "/api/v1/metrics/count"] {
        assert_eq!(get(&app, path, &link).await, 200, "{path}");
    }
    assert_eq!(get(&app, COUNT, &link).await, 403);
    let framed = [link[0], link[1], ("sec-fetch-dest", "iframe")];
    assert_eq!(get(&app, "/api/v1/metrics/count", &framed).await, 403);
    app.finish().await;
}

#[tokio::test]
async fn other_sites_may_ask_once_they_are_named() {
    let app = exposed(|exposure| exposure.cors_origin = vec!["https://dash.example".parse().unwrap()]).await;
    let dash = ("origin", "https://dash.example");
    let asks =
        [("access-control-request-method", "POST"), ("access-control-request-headers", "content-type,authorization")];
    for path in ["/graphql", "/api/v1/metrics/"] {
        let preflight = send(&app, Method::OPTIONS, path, &[&[dash][..], &asks].concat(), "").await;
        assert_eq!(preflight.status, 200, "{path}");
        assert_eq!(preflight.headers["access-control-allow-origin"], "https://dash.example");
        assert_eq!(preflight.headers["access-control-allow-credentials"], "true");
        let allowed = preflight.headers["access-control-allow-headers"].to_str().unwrap();
        assert_eq!(allowed, "content-type,authorization");
        let evil =
            send(&app, Method::OPTIONS, path, &[&[("origin", "https://evil.example")][..], &asks].concat(), "").await;
        assert!(!evil.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    let answer = send(&app, Method::GET, COUNT, &[dash, ("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["access-control-allow-origin"]),
        (200, &"https://dash.example".parse().unwrap())
    );
    // The refusal is readable there, too.
    let refused = send(&app, Method::POST, "/graphql", &[dash, ("content-type", "text/plain")], "{}").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["access-control-allow-origin"]),
        (415, &"https://dash.example".parse().unwrap())
    );
    assert_eq!(get(&app, COUNT, &[("origin", "https://evil.example")]).await, 403);
    // The socket: 426, since this is no handshake.
    assert_eq!(get(&app, "/graphql/ws", &[dash]).await, 426);
    assert_eq!(get(&app, "/graphql/ws", &[("origin", "https://evil.example")]).await, 403);
    app.finish().await;
}

#[tokio::test]
async fn every_site_may_ask_when_all_are_named_but_without_credentials() {
    let app = exposed(|exposure| exposure.cors_origin = vec!["*".parse().unwrap()]).await;
    let answer = send(&app, Method::GET, COUNT, &[("origin", "https://any.example")], "").await;
    assert_eq!((answer.status.as_u16(), &answer.headers["access-control-allow-origin"]), (200, &"*".parse().unwrap()));
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    app.finish().await;
}

#[tokio::test]
async fn no_site_may_ask_unless_it_is_named() {
    let app = exposed(|_| ()).await;
    let asks = [("origin", "https://dash.example"), ("access-control-request-method", "POST")];
    let preflight = send(&app, Method::OPTIONS, "/graphql", &asks, "").await;
    assert!(
        !preflight.headers.keys().any(|name| name.as_str().starts_with("access-control")),
        "{:?}",
        preflight.headers
    );
    app.finish().await;
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let app = exposed(|_| ()).await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/graphiql"),
        (Method::GET, "/graphql"),
        (Method::GET, COUNT),
        (Method::GET, "/api/v1/docs"),
        (Method::GET, "/api/v1/swagger.json"),
        (Method::GET, "/api/v1/metrics/"),
        (Method::GET, "/nowhere"),
        (Method::DELETE, "/graphql"),
        (Method::POST, "/graphql"),
        (Method::POST, "/api/v1/metrics/"),
        (Method::GET, "/health"),
        (Method::GET, "/assets/none.js"),
    ] {
        let reply = send(&app, method.clone(), path, &[], "").await;
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; script-src 'self';"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", "camera=()"),
        ] {
            let given = reply.headers.get(name).unwrap_or_else(|| panic!("{method} {path}: {name}")).to_str().unwrap();
            assert!(given.starts_with(value), "{method} {path}: {name}: {given}");
        }
        assert!(!reply.headers.contains_key("strict-transport-security"), "{path}: without TLS it would lock out");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("http") && !policy.contains("unsafe-eval")
        );
        assert_eq!(policy.matches("'unsafe-inline'").count(), 1, "only styles: {policy}");
    }
    app.finish().await;
}

#[tokio::test]
async fn no_page_has_a_script_in_it_or_loads_one_from_elsewhere() {
    let app = exposed(|_| ()).await;
    for path in ["/", "/graphiql", "/api/v1/docs"] {
        let page = app.get(path).await.text();
        for script in page.split("<script").skip(1) {
            let (attributes, rest) = script.split_once('>').unwrap();
            let inside = rest.split_once("</script>").unwrap().0;
            assert!(attributes.contains("src=") && inside.trim().is_empty(), "{path}: {script}");
            assert!(!attributes.contains("//"), "{path}: {attributes}");
        }
        assert!(
            ![" onload=", " onclick=", " onerror=", "javascript:"].iter().any(|text| page.contains(text)),
            "{path}"
        );
    }
    assert!(app.get("/api/v1/docs/swagger-initializer.js").await.text().contains(r#""validatorUrl": "none""#));
    app.finish().await;
}

#[tokio::test]
async fn introspection_can_be_turned_off() {
    let asks = [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"Metric\") { name } }",
        "{ ...S } fragment S on Query { s: __schema { types { name } } }",
    ];
    let open = exposed(|_| ()).await;
    let closed = exposed(|exposure| exposure.introspection = Switch::Off).await;
    for query in asks {
        open.graphql(query).await;
        let refused = closed.graphql_with(query, json!({})).await;
        assert!(refused.get("data").is_none(), "{refused}");
        assert_eq!(refused["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
        assert!(refused["errors"][0]["message"].as_str().unwrap().contains("--introspection"));
    }
    assert_eq!(closed.graphql("{ __typename metricCount }").await, json!({ "__typename": "Query", "metricCount": 0 }));
    // An operation that does not run does not count.
    let two =
        json!({ "query": "query A { __schema { queryType { name } } } query B { metricCount }", "operationName": "B" });
    assert_eq!(closed.post("/graphql", &two).await.expect(200)["data"], json!({ "metricCount": 0 }));
    assert_eq!(closed.get("/api/v1/metrics/count").await.expect(200)["count"], 0);
    open.finish().await;
    closed.finish().await;
}

#[tokio::test]
async fn suggestions_can_be_turned_off() {
    for (suggestions, is_told) in [(Switch::On, true), (Switch::Off, false)] {
        let app = exposed(|exposure| exposure.suggestions = suggestions).await;
        for query in ["{ metricCoun }", "{ metricCount(wher: {}) }"] {
            let answer = app.graphql_with(query, json!({})).await;
            assert_eq!(answer.to_string().contains("Did you mean"), is_told, "{answer}");
        }
        let query = "query($o: MetricOrder) { metrics(orderBy: $o) { totalCount } }";
        let answer = app.graphql_with(query, json!({ "o": { "by": "TOTAL" } })).await;
        assert_eq!(answer.to_string().contains("STARTED_AT"), is_told, "{answer}");
        app.finish().await;
    }
}

#[test]
fn guard_settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, value) in [
        ("--max-body", "0"),
        ("--max-body", "2TiB"),
        ("--max-body", "abc"),
        ("--max-body", "12"),
        ("--request-timeout", "0s"),
        ("--request-timeout", "2h"),
        ("--request-timeout", "soon"),
        ("--rate-limit", "0/s"),
        ("--rate-limit", "50"),
        ("--rate-limit", "50/day"),
        ("--rate-limit", "1000001/s"),
        ("--max-connections", "0"),
        ("--max-subscriptions", "0"),
        ("--hosts", "https://ours.example"),
        ("--hosts", "ours.example:8181"),
        ("--hosts", ""),
        ("--introspection", "maybe"),
        ("--suggestions", "1"),
    ] {
        run(folder.path(), &[&format!("{flag}={value}")], &[("METROGRAPH_LISTEN", "127.0.0.1:0")])
            .assert_refused(&[flag]);
    }
    for (variable, flag) in [
        ("METROGRAPH_MAX_BODY", "--max-body"),
        ("METROGRAPH_REQUEST_TIMEOUT", "--request-timeout"),
        ("METROGRAPH_RATE_LIMIT", "--rate-limit"),
        ("METROGRAPH_MAX_CONNECTIONS", "--max-connections"),
        ("METROGRAPH_MAX_SUBSCRIPTIONS", "--max-subscriptions"),
        ("METROGRAPH_CORS_ORIGIN", "--cors-origin"),
        ("METROGRAPH_INTROSPECTION", "--introspection"),
        ("METROGRAPH_SUGGESTIONS", "--suggestions"),
    ] {
        run(folder.path(), &[], &[(variable, "nonsense")]).assert_refused(&[flag, "nonsense"]);
    }
    for (given, lacking) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        run(folder.path(), &[given, "only.pem"], &[]).assert_refused(&[lacking]);
    }
}
