//! The commands, from start to exit.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    builders::rest::metric_of,
    program::{self, Server, command, files, run},
};

/// Finds a free port, so that tests can run in parallel.
const ANYWHERE: &[(&str, &str)] = &[("METROGRAPH_LISTEN", "127.0.0.1:0")];

#[test]
fn help_goes_to_standard_output_and_shows_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["--help"], &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for said in ["[default: 127.0.0.1:8181]", "default: metrograph.db", "default: 500", "METROGRAPH_DATABASE_URL"] {
        let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(files(folder.path()).is_empty());
}

#[test]
fn version_goes_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["--version"], &[]);
    let line = format!("metrograph {}\n", metrograph::version::VERSION_AND_COMMIT);
    assert!(line.starts_with(concat!("metrograph ", env!("CARGO_PKG_VERSION"))));
    assert_eq!((ended.code, ended.stdout, ended.stderr.as_str()), (Some(0), line, ""));
}

#[test]
fn serves_a_file_in_the_current_directory_without_arguments_and_with_serve() {
    for arguments in [&[][..], &["serve"]] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), arguments, ANYWHERE);
        assert_eq!(server.get("/health")["status"], "ok");
        server.stop();
        assert_eq!(files(folder.path()), ["metrograph.db"]);
    }
}

#[test]
fn a_metric_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    server.record("test_kept");
    let before = server.get("/api/v1/metrics/");
    server.stop();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    assert_eq!(server.get("/api/v1/metrics/"), before);
    assert_eq!(before["metrics"][0]["item"], "test_kept");
}

#[test]
fn what_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    for number in 0..20 {
        server.record(&format!("test_{number}"));
    }
    server.signal("KILL");
    assert_eq!(server.ended().code, None);
    assert_eq!(Server::start(folder.path(), &[], ANYWHERE).count(), 20);
}

/// Clients that never pause, so that some request is always in flight.
fn stops_amid_requests(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    let address = server.address;
    let clients: Vec<_> = (0..8)
        .map(|client| {
            thread::spawn(move || {
                let mut stored = Vec::new();
                for number in 0.. {
                    let item = format!("test_{client}_{number}");
                    match program::request(address, "POST", "/api/v1/metrics/", &metric_of(&item)) {
                        Some((201, _)) => stored.push(item),
                        Some((status, answer)) => panic!("{status}: {answer}"),
                        None => break,
                    }
                }
                stored
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    server.signal(signal);
    let start = Instant::now();
    assert_eq!(server.ended().code, Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let answered: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert!(!answered.is_empty());
    let server = Server::start(folder.path(), &[], ANYWHERE);
    for item in &answered {
        assert_eq!(server.get(&format!("/api/v1/items/{item}/metrics/count"))["count"], 1, "{item}");
    }
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_ends_well() {
    stops_amid_requests("TERM");
}

#[test]
fn sigint_finishes_what_is_in_flight_and_ends_well() {
    stops_amid_requests("INT");
}

#[test]
fn a_body_that_comes_late_is_still_taken_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    let body = metric_of("test_late").to_string();
    let (early, late) = body.split_at(20);
    let mut slow = server.connect();
    write!(
        slow,
        "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{early}",
        body.len()
    )
    .unwrap();
    thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    thread::sleep(Duration::from_millis(700));
    slow.write_all(late.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(server.ended().code, Some(0));
    assert_eq!(Server::start(folder.path(), &[], ANYWHERE).count(), 1);
}

#[test]
fn a_client_that_never_finishes_is_waited_for_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    server.record("test_kept");
    let mut slow = server.connect();
    let head = "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    slow.write_all(head.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    let start = Instant::now();
    assert_eq!(server.ended().code, Some(0));
    let waited = start.elapsed();
    assert!(waited > Duration::from_secs(4) && waited < Duration::from_secs(10), "{waited:?}");
    assert_eq!(files(folder.path()), ["metrograph.db"]);
}

#[test]
fn a_client_that_asks_nothing_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], ANYWHERE);
    let mut idle = server.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut some = [0; 16];
    idle.read_exact(&mut some).unwrap();
    let silent = server.connect();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop((idle, silent));
}

#[test]
fn schema_prints_the_contract_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["schema"], &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(
        ended.stdout == include_str!("../../schema.graphql"),
        "schema.graphql differs from what the program prints"
    );
    assert!(files(folder.path()).is_empty());
}

#[test]
fn openapi_prints_json() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, version) in [(&[][..], "3.1.0"), (&["--version", "3.1"], "3.1.0"), (&["--version", "3.0"], "3.0.3")]
    {
        let ended = run(folder.path(), &[&["openapi"], arguments].concat(), &[]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let description: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(description["openapi"], version);
        assert!(description["paths"].as_object().unwrap().len() >= 50);
    }
    let ended = run(folder.path(), &["openapi", "--api", "v2"], &[]);
    let description: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(description["info"]["title"], "Metrograph REST v2");
    run(folder.path(), &["openapi", "--api", "v3"], &[]).assert_refused(&["--api", "v1, v2"]);
    run(folder.path(), &["openapi", "--version", "2.0"], &[]).assert_refused(&["--version", "3.0", "3.1"]);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for printed in ["schema", "openapi", "--help"] {
        let mut command = command(folder.path(), &[printed], &[]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{printed}");
    }
}
