//! HTTPS through the program: protocols, certificates, and their renewal.

use std::{
    fs,
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, ClientConnection, RootCertStore, StreamOwned,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use crate::support::program::{Server, run};

const ANYWHERE: &[(&str, &str)] = &[("METROGRAPH_LISTEN", "127.0.0.1:0")];
const FILES: &[&str] = &["--tls-cert", "cert.pem", "--tls-key", "key.pem"];

/// Writes a certificate for localhost and its key.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Builds a client that trusts only this certificate.
fn client(trusted: &CertificateDer<'static>, protocol: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Arc::new(config)
}

fn localhost() -> ServerName<'static> {
    "localhost".try_into().unwrap()
}

/// Returns the response over HTTP/1.1; an error if the certificate is not trusted or the server does not respond.
fn get(address: SocketAddr, trusted: &CertificateDer<'static>, path: &str) -> std::io::Result<String> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut stream = StreamOwned::new(ClientConnection::new(client(trusted, "http/1.1"), localhost()).unwrap(), socket);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_trusted(server: &Server, trusted: &CertificateDer<'static>) -> bool {
    get(server.address, trusted, "/health").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn https_works_over_http_1_and_sends_hsts() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path(), FILES, ANYWHERE);
    let answer = get(server.address, &trusted, "/api/v1/metrics/count").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"count":0}"#), "{answer}");
    assert!(answer.contains("Strict-Transport-Security: max-age=31536000\r\n"), "{answer}");
    server.stop();
}

/// Opens a connection of HTTP/2.
async fn http2_to(
    server: &Server,
    trusted: &CertificateDer<'static>,
) -> (http2::SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let stream = TlsConnector::from(client(trusted, "h2")).connect(localhost(), socket).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // Small windows: what is not read is not sent.
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(16 * 1024).initial_connection_window_size(64 * 1024);
    let (sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_http_2_that_asks_nothing_more_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path(), &[FILES, &["--request-timeout", "1s"]].concat(), ANYWHERE);
    let (mut idle, idle_connection) = http2_to(&server, &trusted).await;
    let (mut listening, listening_connection) = http2_to(&server, &trusted).await;
    let health = Request::get("https://localhost/health").body(Full::default()).unwrap();
    idle.send_request(health.clone()).await.unwrap().into_body().collect().await.unwrap();
    let subscription = Request::post("https://localhost/graphql").header("content-type", "application/json");
    let body = Full::new(Bytes::from(r#"{"query": "subscription { metricRecorded { itemName } }"}"#));
    let subscription = subscription.header("accept", "text/event-stream").body(body).unwrap();
    let events = listening.send_request(subscription).await.unwrap();
    assert_eq!(events.status(), 200);
    // The handle is kept, so the server is the one that disconnects.
    tokio::time::timeout(Duration::from_secs(20), idle_connection).await.unwrap().unwrap().unwrap();
    assert!(idle.is_closed());
    // A subscriber is not idle, even without events.
    assert_eq!(listening.send_request(health).await.unwrap().status(), 200);
    drop(events);
    tokio::time::timeout(Duration::from_secs(20), listening_connection).await.unwrap().unwrap().unwrap();
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
}

/// Builds a frame of HTTP/2 (RFC 9113, 4.1) on the first stream or, of type 4 (SETTINGS), on the connection.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, u8::from(kind != 4)], payload].concat()
}

/// Reads the type and payload of the next frame.
fn next_frame(stream: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut payload).map(|()| (head[3], payload))
}

#[test]
fn a_request_that_meets_the_end_of_an_idle_connection_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path(), &[FILES, &["--request-timeout", "2s"]].concat(), ANYWHERE);
    let session = ClientConnection::new(client(&trusted, "h2"), localhost()).unwrap();
    let mut stream = StreamOwned::new(session, server.connect());
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, &[])[..]].concat()).unwrap();
    // GOAWAY: the server closes the connection. The request was already on its way.
    while next_frame(&mut stream).unwrap().0 != 7 {}
    // :method POST, :scheme https, :path /graphql, :authority localhost, content-type application/json (RFC 7541).
    let head = b"\x83\x87\x04\x08/graphql\x01\x09localhost\x0f\x10\x10application/json";
    stream.write_all(&frame(1, 4, head)).unwrap();
    let (early, late) = br#"{"query": "{ metricCount }"}"#.split_at(9);
    stream.write_all(&frame(0, 0, early)).unwrap();
    thread::sleep(Duration::from_millis(1_500));
    stream.write_all(&frame(0, 1, late)).unwrap();
    let answer = loop {
        if let (0, data) = next_frame(&mut stream).unwrap() {
            break String::from_utf8(data).unwrap();
        }
    };
    assert_eq!(answer, r#"{"data":{"metricCount":0}}"#);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_over_http_2_may_be_read_slowly_but_not_be_left_unread() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path(), &[FILES, &["--request-timeout", "1s"]].concat(), ANYWHERE);
    let long = || Request::get("https://localhost/api/v1/swagger.json").body(Full::default()).unwrap();
    let (mut slow, _connection) = http2_to(&server, &trusted).await;
    let mut answer = slow.send_request(long()).await.unwrap().into_body();
    let (begun, mut length) = (Instant::now(), 0);
    while let Some(frame) = answer.frame().await {
        length += frame.unwrap().into_data().map_or(0, |data| data.len());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(length > 50_000 && begun.elapsed() > Duration::from_secs(2), "{length} in {:?}", begun.elapsed());
    let (mut deaf, connection) = http2_to(&server, &trusted).await;
    let unread = deaf.send_request(long()).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(20), connection).await.unwrap();
    drop(unread);
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn https_works_over_http_2_and_its_log_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path(), FILES, &[ANYWHERE, &[("METROGRAPH_LOG", "trace")]].concat());
    let (mut sender, connection) = http2_to(&server, &trusted).await;
    // Without `Host`: HTTP/2 has the name in the address, which identifies a page of ours, too.
    for (origin, status) in [("https://localhost", 200), ("https://evil.example", 403)] {
        let request = Request::post("https://localhost/graphql").header("origin", origin);
        let request = request.header("content-type", "application/json").header("authorization", "Bearer sekret");
        let body = Full::new(Bytes::from(r#"{"query": "{ metricCount }"}"#));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{origin}");
        response.into_body().collect().await.unwrap();
    }
    // It is open, but nothing is in flight.
    let begun = Instant::now();
    server.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    connection.await.unwrap().unwrap();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("TRACE") && !ended.stderr.contains("sekret"), "{}", ended.stderr);
}

#[test]
fn the_legacy_variable_names_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server =
        Server::start(folder.path(), &[], &[ANYWHERE, &[("MONITOR_SERVER_CERTIFICATE", "cert.pem,key.pem")]].concat());
    assert!(is_trusted(&server, &trusted));
    server.stop();
    let ended = run(folder.path(), &[], &[ANYWHERE, &[("MONITOR_SERVER_CERTIFICATE", "cert.pem")]].concat());
    ended.assert_refused(&["MONITOR_SERVER_CERTIFICATE", "comma"]);
}

#[test]
fn files_that_cannot_be_used_are_refused_at_start_with_file_and_reason() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certify(folder.path());
    certify(other.path());
    fs::copy(other.path().join("key.pem"), folder.path().join("other.pem")).unwrap();
    fs::write(folder.path().join("empty.pem"), "").unwrap();
    fs::write(folder.path().join("broken.pem"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    for (cert, key, words) in [
        ("missing.pem", "key.pem", ["--tls-cert", "missing.pem", "No such file"]),
        ("empty.pem", "key.pem", ["--tls-cert", "empty.pem", "no certificate"]),
        ("key.pem", "key.pem", ["--tls-cert", "key.pem", "no certificate"]),
        ("broken.pem", "key.pem", ["--tls-cert", "broken.pem", "PEM"]),
        ("cert.pem", "missing.pem", ["--tls-key", "missing.pem", "No such file"]),
        ("cert.pem", "cert.pem", ["--tls-key", "cert.pem", "no private key"]),
        ("cert.pem", "other.pem", ["--tls-key", "other.pem", "not the key of cert.pem"]),
    ] {
        run(folder.path(), &["--tls-cert", cert, "--tls-key", key], ANYWHERE).assert_refused(&words);
    }
    assert!(!folder.path().join("metrograph.db").exists(), "nothing was touched");
}

#[test]
fn a_new_certificate_is_taken_on_sighup_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let old = certify(folder.path());
    let server = Server::start(folder.path(), FILES, ANYWHERE);
    assert!(is_trusted(&server, &old));
    let new = certify(folder.path());
    assert!(is_trusted(&server, &old) && !is_trusted(&server, &new), "the change was not signalled yet");
    server.signal("HUP");
    eventually("the new certificate is used", || is_trusted(&server, &new));
    assert!(!is_trusted(&server, &old));
    fs::write(folder.path().join("cert.pem"), "garbage").unwrap();
    server.signal("HUP");
    thread::sleep(Duration::from_millis(500));
    assert!(is_trusted(&server, &new));
    server.signal("TERM");
    let ended = server.ended();
    assert_eq!(ended.code, Some(0));
    for said in ["certificate reloaded", "keeping the old one", "cert.pem", "no certificate in it"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}

#[test]
fn a_handshake_that_does_not_come_delays_no_other_and_times_out() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path(), &[FILES, &["--request-timeout", "1s"]].concat(), ANYWHERE);
    let mut silent = server.connect();
    let begun = Instant::now();
    assert!(is_trusted(&server, &trusted));
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "hung up");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    server.stop();
}

#[test]
fn what_is_in_flight_at_the_end_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start(folder.path(), FILES, ANYWHERE);
    let mut stream =
        StreamOwned::new(ClientConnection::new(client(&trusted, "http/1.1"), localhost()).unwrap(), server.connect());
    let body = crate::support::builders::rest::metric_of("test_late").to_string();
    let (early, late) = body.split_at(20);
    write!(stream, "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{early}", body.len()).unwrap();
    thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    thread::sleep(Duration::from_millis(500));
    stream.write_all(late.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(server.ended().code, Some(0));
}
