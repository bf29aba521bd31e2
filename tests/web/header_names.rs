//! Response headers for clients that compare header names by case.

use std::io::{Read as _, Write as _};

use tempfile::TempDir;

use crate::support::program::Server;

/// Returns the head of the response to a request of HTTP/1.1.
fn head(server: &Server, request: &str) -> String {
    let mut stream = server.connect();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

fn names(head: &str) -> Vec<&str> {
    head.lines().skip(1).filter_map(|line| line.split_once(": ").map(|(name, _)| name)).collect()
}

#[test]
fn headers_are_named_in_title_case() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    for path in ["/", "/health", "/graphql?query=%7BmetricCount%7D", "/api/v1/metrics/count", "/nowhere"] {
        let head = head(&server, &format!("GET {path} HTTP/1.1\nHost: localhost\n\n"));
        for name in names(&head) {
            let is_title = name.split('-').all(|word| word.starts_with(|first: char| first.is_ascii_uppercase()));
            assert!(is_title, "{path}: {name}");
        }
        assert!(names(&head).contains(&"Content-Type"), "{path}: {head}");
    }
    server.stop();
}

#[test]
fn a_handshake_is_answered_in_the_spelling_of_its_client() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), &[], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    let common = "Host: localhost\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";
    for path in ["/graphql", "/graphql/ws"] {
        for (name, spelling) in [
            ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol"),
            ("sec-websocket-protocol", "sec-websocket-protocol"),
            ("SEC-WEBSOCKET-PROTOCOL", "SEC-WEBSOCKET-PROTOCOL"),
        ] {
            let offer = format!("{name}: graphql-ws, graphql-transport-ws");
            let head = head(&server, &format!("GET {path} HTTP/1.1\n{common}{offer}\n\n"));
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            assert!(head.contains(&format!("\r\n{spelling}: graphql-transport-ws\r\n")), "{head}");
        }
    }
    server.stop();
}
