//! Servers after a reverse proxy that strips a prefix or changes `Host`.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use metrograph::config::AccessMode;
use serde_json::Value;
use url::Url;

use crate::support::{Engine, Reply, TestApp};

/// An endpoint of the operator.
const TEAM: &str = "query count @rest(get: \"/count\", reply: OBJECT, summary: \"Count.\") { count: metricCount }";
/// The `Accept` header of a browser's navigation.
const NAVIGATION: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
const JSON: (&str, &str) = ("content-type", "application/json");
/// Every page with each of its addresses.
const PAGES: [&str; 12] = [
    "/",
    "/index.html",
    "/graphiql",
    "/graphiql/",
    "/graphql",
    "/graphql/",
    "//graphiql",
    "/api/v1/docs",
    "/api/v1/docs/",
    "/api//v1/docs",
    "/api/team/docs",
    "/api/team/docs/",
];
/// nginx's default `Host`: the name in `proxy_pass`.
const CHANGED: &str = "127.0.0.1:8181";

async fn app() -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("team.graphql"), TEAM).unwrap();
    TestApp::with(Engine::Sqlite, |settings| settings.rest_dir = Some(folder.path().to_owned())).await.unwrap()
}

async fn send(app: &TestApp, request: (Method, &str), headers: &[(&str, &str)], body: &'static str) -> Reply {
    let request = Request::builder().method(request.0).uri(request.1);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    app.send(request.body(Body::from(body)).unwrap()).await
}

/// Returns the values of an attribute in a page.
fn named<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let mark = format!("{attribute}=\"");
    page.split(&mark).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Returns the path that the server gets when a browser requests `address` and a proxy strips `prefix`.
fn without_prefix<'a>(prefix: &str, address: &'a Url) -> &'a str {
    let path = address.path();
    path.strip_prefix(prefix)
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or_else(|| panic!("{address} leaves {prefix}"))
}

#[tokio::test]
async fn what_a_page_names_is_found_below_any_prefix() {
    let app = app().await;
    for prefix in ["", "/metrograph", "/tools/of/team%20a"] {
        for page in PAGES {
            let reply = send(&app, (Method::GET, page), &[NAVIGATION], "").await;
            assert_eq!(reply.status, 200, "{page}");
            let text = reply.text();
            let shown_at = Url::parse(&format!("https://public.example{prefix}{page}")).unwrap();
            let (head, rest) = text.split_once("<base href=\"").unwrap();
            assert!(named(head, " href").is_empty() && named(head, " src").is_empty(), "{head}: the base comes first");
            let base = shown_at.join(rest.split('"').next().unwrap()).unwrap();
            let loaded = [named(rest, " src"), named(rest, " href")].concat();
            assert!(loaded.len() >= 2, "{text}");
            for address in loaded.iter().filter(|address| !address.contains("://")) {
                let address = base.join(address).unwrap();
                assert_eq!(app.get(without_prefix(prefix, &address)).await.status, 200, "{address} of {page}");
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn endpoints_are_described_relative_to_their_description() {
    let app = app().await;
    for prefix in ["", "/metrograph", "/a/b"] {
        for (description, path) in [
            ("/api/v1/swagger.json", "/api/v1/metrics/count"),
            ("/api/v1/openapi-3.0.json", "/api/v1/metrics/count"),
            ("/api/team/swagger.json", "/api/team/count"),
            ("/api/team/openapi-3.0.json", "/api/team/count"),
        ] {
            let said: Value = app.get(description).await.expect(200);
            assert!(said["paths"][path].is_object(), "{description}");
            let found_at = Url::parse(&format!("https://public.example{prefix}{description}")).unwrap();
            let server = found_at.join(said["servers"][0]["url"].as_str().unwrap()).unwrap();
            let address = Url::parse(&format!("{}{path}", server.as_str().trim_end_matches('/'))).unwrap();
            assert_eq!(app.get(without_prefix(prefix, &address)).await.expect(200)["count"], 0, "{address}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn pages_name_the_access_mode() {
    let open = TestApp::with(Engine::Sqlite, |_| ()).await.unwrap();
    for (mode, said) in [(AccessMode::Open, "open"), (AccessMode::Read, "token"), (AccessMode::Closed, "token")] {
        let app = open.guarded(mode).await;
        for path in ["/", "/index.html"] {
            let page = app.get(path).await.text();
            assert_eq!(named(&page, "data-access"), [said], "{path} {mode:?}");
            assert!(page.contains("pip install pytest-monitor 'pytest&lt;9.2'"), "{path}");
            assert!(page.contains("metrograph token create --name ci --scope ingest"), "{path}");
        }
        app.finish().await;
    }
    open.finish().await;
}

/// The headers of a browser's WebSocket handshake.
const HANDSHAKE: [(&str, &str); 5] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-protocol", "graphql-transport-ws"),
];

/// Sends every kind of request from a page with these headers.
async fn asked_from(app: &TestApp, host: &str, from: &[(&str, &str)]) -> Vec<Reply> {
    let from = [&[(header::HOST.as_str(), host)], from].concat();
    let events = [&from[..], &[JSON, ("accept", "text/event-stream")]].concat();
    let json = [&from[..], &[JSON]].concat();
    let query = r#"{"query": "{ metricCount }"}"#;
    vec![
        send(app, (Method::POST, "/graphql"), &json, query).await,
        send(app, (Method::POST, "/graphql"), &events, query).await,
        send(app, (Method::GET, "/graphql?query=%7BmetricCount%7D"), &from, "").await,
        send(app, (Method::GET, "/api/v1/metrics/count"), &from, "").await,
        send(app, (Method::GET, "/api/team/count"), &from, "").await,
    ]
}

async fn handshake(app: &TestApp, path: &str, host: &str, from: &[(&str, &str)]) -> Reply {
    let headers = [&HANDSHAKE[..], &[(header::HOST.as_str(), host)], from].concat();
    send(app, (Method::GET, path), &headers, "").await
}

const SOCKETS: [&str; 2] = ["/graphql", "/graphql/ws"];

#[tokio::test]
async fn a_page_is_ours_by_sec_fetch_site_whatever_became_of_host() {
    let app = app().await;
    for origin in ["https://public.example", "http://localhost:8080", "null"] {
        let ours = [("origin", origin), ("sec-fetch-site", "same-origin")];
        for reply in asked_from(&app, CHANGED, &ours).await {
            assert_eq!(reply.status, 200, "{origin}: {}", reply.text());
        }
        for path in SOCKETS {
            // It gets as far as the connection, which a test of the router lacks.
            assert_ne!(handshake(&app, path, CHANGED, &ours).await.status, 403, "{origin} {path}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_page_that_may_be_ours_is_refused_with_what_a_proxy_must_pass_on() {
    let app = app().await;
    // Browsers send fetch metadata only to trustworthy origins, and older ones never.
    let mute = [("origin", "http://public.example:8080")];
    // nginx's `$host` lacks the port.
    for host in [CHANGED, "localhost", "127.0.0.1"] {
        let refused = asked_from(&app, host, &mute).await;
        for reply in refused.into_iter().chain([handshake(&app, SOCKETS[1], host, &mute).await]) {
            assert_eq!(reply.status, 403, "{host}");
            for hint in ["forward Host unchanged", "with its port", "--cors-origin", "proxy_set_header Host $http_host"]
            {
                assert!(reply.text().contains(hint), "{hint}: {}", reply.text());
            }
        }
    }
    // It is certainly another site, so proxies are not mentioned.
    for site in ["cross-site", "same-site"] {
        for from in [&[("origin", "https://evil.example"), ("sec-fetch-site", site)][..], &[("sec-fetch-site", site)]] {
            for reply in asked_from(&app, CHANGED, from).await {
                assert_eq!(reply.status, 403, "{from:?}");
                assert!(reply.text().contains("--cors-origin") && !reply.text().contains("proxy"), "{}", reply.text());
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_rebound_dns_name_is_refused_whatever_the_browser_sends() {
    let app = app().await;
    let rebound = [("origin", "http://evil.example:8181"), ("sec-fetch-site", "same-origin")];
    let mut refused = asked_from(&app, "evil.example:8181", &rebound).await;
    for path in SOCKETS {
        refused.push(handshake(&app, path, "evil.example:8181", &rebound).await);
    }
    for reply in refused {
        assert_eq!(reply.status, 403);
        assert!(reply.text().contains("--hosts"), "{}", reply.text());
    }
    app.finish().await;
}

#[tokio::test]
async fn a_port_that_a_scheme_has_by_itself_makes_no_other_site() {
    let app = app().await;
    for (origin, host, status) in [
        ("https://localhost", "localhost:443", 200),
        ("http://localhost", "LOCALHOST:80", 200),
        ("https://localhost", "localhost", 200),
        ("https://localhost", "localhost:80", 403),
        ("http://localhost", "localhost:443", 403),
        ("ftp://localhost", "localhost:443", 403),
        ("http://localhost:80", "localhost:80", 200),
        ("http://localhost:8080", "localhost:80", 403),
    ] {
        for reply in asked_from(&app, host, &[("origin", origin)]).await {
            assert_eq!(reply.status, status, "{origin} {host}");
        }
    }
    app.finish().await;
}
