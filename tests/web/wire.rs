//! The bytes of HTTP/1: what is accepted, and how malformed requests are refused.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{builders::rest::metric_of, program::Server};

fn server(folder: &TempDir, variables: &[(&str, &str)]) -> Server {
    let variables: Vec<_> = [("METROGRAPH_LISTEN", "127.0.0.1:0")].iter().chain(variables).copied().collect();
    Server::start(folder.path(), &[], &variables)
}

/// Reads the next response of a connection: status, head and body.
fn answer(stream: &mut TcpStream) -> Option<(u16, String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, head, String::from_utf8(body).unwrap()))
}

fn ask(server: &Server, request: &[u8]) -> (u16, String, String) {
    let mut stream = server.connect();
    stream.write_all(request).unwrap();
    answer(&mut stream).unwrap()
}

/// Asserts a refusal in JSON whose message contains this.
fn assert_refused((status, head, body): &(u16, String, String), expected: u16, named: &str) {
    assert_eq!(*status, expected, "{head}{body}");
    assert!(head.to_ascii_lowercase().contains("\r\ncontent-type: application/"), "{head}");
    let json: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {head}{body}"));
    let message = json["message"].as_str().or_else(|| json["errors"][0]["message"].as_str());
    assert!(message.is_some_and(|message| message.contains(named)), "{named}: {body}");
}

#[test]
fn a_request_names_exactly_one_host() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[]);
    for path in ["/health", "/graphql?query=%7BmetricCount%7D", "/api/v1/metrics/count", "/", "/nowhere"] {
        for hosts in [
            "",
            "Host:\r\n",
            "Host: a\r\nHost: a\r\n",
            "Host: a\r\nhost: b\r\n",
            "Host: a b\r\n",
            "Host: u@a\r\n",
            "Host: a:99999\r\n",
            "Host: a/b\r\n",
            "Host: []\r\n",
            "Host: [evil]\r\n",
            "Host: a:+80\r\n",
            "Host: :80\r\n",
        ] {
            let refused = ask(&server, format!("GET {path} HTTP/1.1\r\n{hosts}\r\n").as_bytes());
            assert_refused(&refused, 400, "Host");
        }
        let elsewhere = format!("GET http://evil.example{path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
        assert_refused(&ask(&server, elsewhere.as_bytes()), 400, "Host");
    }
    for request in [
        "GET /health HTTP/1.0\r\n\r\n",
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: [::1]:8181\r\n\r\n",
        "GET http://LOCALHOST:80/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let (status, head, _) = ask(&server, request.as_bytes());
        assert!(status < 300, "{request}: {head}");
    }
    server.stop();
}

#[test]
fn the_host_in_the_address_counts() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[("METROGRAPH_HOSTS", "metrograph.example")]);
    let ask = |target: &str, host: &str| {
        ask(&server, format!("GET {target}/api/v1/metrics/count HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
    };
    assert_eq!(ask("", "metrograph.example").0, 200);
    assert_eq!(ask("http://metrograph.example", "metrograph.example").0, 200);
    assert_refused(&ask("", "evil.example"), 403, "--hosts");
    assert_refused(&ask("http://evil.example", "evil.example"), 403, "--hosts");
    assert_refused(&ask("http://evil.example", "metrograph.example"), 400, "Host");
    server.stop();
}

#[test]
fn what_is_no_http_is_refused_with_a_reason() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let long = "x".repeat(100_000);
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    for (request, status, named) in [
        ("GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400, "percent-encoded"),
        ("GET / HTTP/1.1\r\nHost a\r\n\r\n".to_owned(), 400, "header"),
        ("nonsense\r\n\r\n".to_owned(), 400, "HTTP"),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(), 400, "HTTP"),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414, "address"),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), 431, "headers"),
    ] {
        let refused = ask(&server, request.as_bytes());
        assert_refused(&refused, status, named);
        assert!(refused.1.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{}", refused.1);
        assert!(refused.1.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{}", refused.1);
    }
    // A client that is still sending can read the reason.
    let refused =
        ask(&server, format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(3_000_000)).as_bytes());
    assert_refused(&refused, 431, "headers");
    server.stop();
}

#[test]
fn characters_that_are_not_encoded_stand_for_themselves() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let mut stream = server.connect();
    let mut send = |request: String| {
        stream.write_all(request.as_bytes()).unwrap();
        answer(&mut stream).unwrap()
    };
    let name = "<lambda>`\"|^{}";
    let body = metric_of(name).to_string();
    let length = body.len();
    // On one connection, before a body and after one.
    for _ in 0..2 {
        let head = "POST /api/v1/metrics/?<`>\" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        assert_eq!(send(format!("{head}Content-Length: {length}\r\n\r\n{body}")).0, 201);
        let (status, _, found) = send(format!("GET /api/v1/items/{name}/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(status, 200, "{found}");
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["metrics"][0]["item"], name);
    }
    server.stop();
}

#[test]
fn the_next_request_of_a_connection_is_not_lost_to_a_refused_one() {
    let folder = TempDir::new().unwrap();
    let server =
        server(&folder, &[("METROGRAPH_CORS_ORIGIN", "https://dash.example"), ("METROGRAPH_MAX_BODY", "200KiB")]);
    let json = "Content-Type: application/json\r\n";
    for (target, headers, expected) in [
        ("POST /api/v1/metrics/", "Content-Type: application/json\r\nOrigin: https://evil.example\r\n", 403),
        ("PUT /api/v1/metrics/", json, 405),
        ("POST /api/v1/metrics/", "Content-Type: text/plain\r\n", 415),
        ("POST /graphql", "Content-Type: text/plain\r\n", 415),
        ("DELETE /graphql", json, 405),
        ("POST /nowhere", json, 404),
        ("POST /", json, 405),
        ("POST /api/v1/metrics/", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415),
        ("POST /api/v1/metrics/", json, 413),
    ] {
        // Some within what is read ahead, and more than that.
        for size in [1_000, 100_000, 900_000, 8_000_000] {
            if expected == 413 && size < 300_000
                || expected == 415 && target.ends_with("metrics/") && !headers.contains("gzip") && size > 200_000
            {
                continue;
            }
            let mut stream = server.connect();
            let head = format!("{target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {size}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            // The server may close the connection first.
            let _ = stream.write_all(&vec![b'x'; size]);
            let (status, head, body) = answer(&mut stream).unwrap_or_else(|| panic!("{target} {size}: no answer"));
            assert_eq!(status, expected, "{target} {size}: {body}");
            let is_said = head.to_ascii_lowercase().contains("\r\nconnection: close\r\n");
            assert!(size < 1_000_000 || is_said, "{target} {size}: {head}");
            if !is_said {
                stream.write_all(b"GET /api/v1/metrics/count HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
                let next =
                    answer(&mut stream).unwrap_or_else(|| panic!("{target} {size}: the server announced no end"));
                assert_eq!((next.0, next.2.as_str()), (200, r#"{"count":0}"#), "{target} {size}");
            }
        }
    }
    // A malformed body, on an endpoint that reads it.
    let mut stream = server.connect();
    let head = "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    stream.write_all(format!("{head}\r\n\r\nzz\r\n").as_bytes()).unwrap();
    let (status, head, _) = answer(&mut stream).unwrap();
    assert!(status == 400 && head.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{head}");
    // Chunked bodies, too; and a client that waits for `100 Continue` need not send its body.
    let mut stream = server.connect();
    stream
        .write_all(
            b"PUT /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n0\r\n\r\n",
        )
        .unwrap();
    assert_eq!(answer(&mut stream).unwrap().0, 405);
    stream
        .write_all(b"PUT /health HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .unwrap();
    let (status, head, _) = answer(&mut stream).unwrap();
    assert!(status == 405 && head.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{head}");
    server.stop();
}

#[test]
fn options_lists_the_allowed_methods() {
    for variables in [&[][..], &[("METROGRAPH_CORS_ORIGIN", "https://dash.example.org")]] {
        let folder = TempDir::new().unwrap();
        let server = server(&folder, variables);
        let allow = |method: &str, path: &str| {
            let (status, head, _) =
                ask(&server, format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
            let allow = head.lines().find_map(|line| line.strip_prefix("Allow: ")).unwrap_or_default();
            let mut allow: Vec<_> = allow.split(", ").map(str::to_owned).collect();
            allow.sort_unstable();
            (status, allow.join(" "))
        };
        for (path, allowed) in [
            ("/", "GET HEAD OPTIONS"),
            ("/graphql", "GET HEAD OPTIONS POST"),
            ("/graphql/", "GET HEAD OPTIONS POST"),
            ("/health", "GET HEAD OPTIONS"),
            ("/api/v1/metrics/", "GET HEAD OPTIONS POST"),
            ("/api/v1//metrics", "GET HEAD OPTIONS POST"),
            ("/api/v1/sessions/count", "GET HEAD OPTIONS"),
            ("/api/v1/docs", "GET HEAD OPTIONS"),
            ("*", "GET HEAD OPTIONS POST"),
        ] {
            assert_eq!(allow("OPTIONS", path), (204, allowed.to_owned()), "{path}");
        }
        assert_eq!(allow("OPTIONS", "/nowhere").0, 404);
        assert_eq!(allow("PUT", "/api/v1/sessions/count"), (405, "GET HEAD OPTIONS".to_owned()));
        // HAProxy's default health check.
        assert_eq!(ask(&server, b"OPTIONS / HTTP/1.0\r\n\r\n").0, 204);
        server.stop();
    }
}

#[test]
fn no_body_is_taken_for_a_request() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let hidden = "GET /graphql?query=%7Bhidden:metricCount%7D HTTP/1.1\r\nHost: localhost\r\nX: ";
    let body = format!("x {}{hidden}", "<".repeat(hidden.len() / 2 + 1));
    for zeros in ["", "0", &"0".repeat(60), &"0".repeat(200)] {
        let mut stream = server.connect();
        let head =
            "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ";
        stream.write_all(format!("{head}{zeros}{}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).unwrap().0, 400);
        stream.write_all(b"GET /api/v1/metrics/count HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let (status, _, next) = answer(&mut stream).unwrap();
        assert_eq!((status, next.as_str()), (200, r#"{"count":0}"#));
    }
    server.stop();
}
