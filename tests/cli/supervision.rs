//! The server under a supervisor: health, signals, logs and limits.
#![cfg(unix)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use metrograph::version::{COMMIT, VERSION};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{
    builders::rest::metric_of,
    program::{self, Server, command, files, until},
};

const ANYWHERE: &[(&str, &str)] = &[("METROGRAPH_LISTEN", "127.0.0.1:0")];
const NAME: &str = "metrograph.db";
/// Docker kills a container that takes longer to stop.
const DOCKER_STOP_TIMEOUT: Duration = Duration::from_secs(10);

fn start(folder: &Path) -> Server {
    Server::start(folder, &[], ANYWHERE)
}

fn run_sql(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join(NAME)).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// A request that is not answered until the rest of it arrives.
fn unfinished(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    let head = "POST /api/v1/metrics/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Stores a metric after lines could not be logged, whatever the log's destination.
fn a_log_that_cannot_be_written_stops_nothing(log: Stdio, afterwards: impl FnOnce()) {
    let folder = tempfile::tempdir().unwrap();
    let nothing = tempfile::tempfile().unwrap();
    let server = Server::logging_to(command(folder.path(), &[], ANYWHERE), log, nothing);
    afterwards();
    server.record("test_before");
    // Storing a metric fails, which is logged.
    run_sql(folder.path(), "ALTER TABLE history RENAME TO gone");
    for _ in 0..3 {
        assert_eq!(server.request("POST", "/api/v1/metrics/", &metric_of("test_lost")).0, 503);
    }
    run_sql(folder.path(), "ALTER TABLE gone RENAME TO history");
    server.record("test_after");
    assert_eq!(server.get("/health")["status"], "ok");
    server.stop();
    assert_eq!(start(folder.path()).count(), 2);
}

#[test]
fn a_log_whose_reader_is_gone_stops_nothing() {
    let (reader, writer) = io::pipe().unwrap();
    a_log_that_cannot_be_written_stops_nothing(writer.into(), || drop(reader));
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    a_log_that_cannot_be_written_stops_nothing(writer.into(), || {});
}

#[test]
fn a_log_whose_disk_is_full_stops_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    a_log_that_cannot_be_written_stops_nothing(full.into(), || {});
}

#[test]
fn an_unread_log_stops_nothing() {
    let (reader, mut writer) = io::pipe().unwrap();
    // Fills a pipe, so that one more byte blocks.
    writer.write_all("\n".repeat(65_536).as_bytes()).unwrap();
    a_log_that_cannot_be_written_stops_nothing(writer.into(), || {});
    drop(reader);
}

#[test]
fn a_standard_output_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = command(folder.path(), &["--listen", &free.to_string()], &[]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = command.stdout(full).stderr(Stdio::null()).spawn().unwrap();
    until("it serves", || {
        program::request(free, "GET", "/health", &Value::Null).is_some_and(|(status, _)| status == 200)
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The committer counts announcements; the greatest number overflows. Only builds that check arithmetic notice.
#[cfg(debug_assertions)]
#[test]
fn a_committer_that_dies_ends_the_server_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    server.record("test_kept");
    run_sql(folder.path(), "UPDATE session SET announced = 9223372036854775807");
    let session =
        serde_json::json!({ "session_h": "t", "run_date": "2025-01-06T02:00:00", "scm_ref": "", "description": {} });
    if let Some((status, answer)) = program::request(server.address, "POST", "/api/v1/sessions/", &session) {
        assert_eq!(status, 503, "{answer}");
    }
    let ended = server.ended();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the committer ended") && ended.stderr.contains("overflow"), "{ended:?}");
}

#[test]
fn health_answers_every_caller() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let ask = |method: &str, path: &str| {
        let mut stream = server.connect();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    };
    let well = json!({ "status": "ok", "version": VERSION, "commit": COMMIT }).to_string();
    for path in ["/health", "/health/", "/health/live", "/health/live/", "/health/ready", "/health/ready/"] {
        for (method, body) in [("GET", well.as_str()), ("HEAD", "")] {
            let (head, said) = ask(method, path);
            assert!(
                head.starts_with("http/1.1 200") && head.contains("cache-control: no-store"),
                "{method} {path}: {head}"
            );
            assert!(head.contains("content-type: application/json"), "{method} {path}: {head}");
            assert_eq!(said, body, "{method} {path}");
        }
        let (head, said) = ask("OPTIONS", path);
        assert!(head.starts_with("http/1.1 204") && head.contains("allow: get, head, options"), "{path}: {head}");
        assert_eq!(said, "");
    }
    server.stop();
}

#[test]
fn a_database_that_does_not_answer_is_not_ready_and_no_reason_to_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let ready = || server.request("GET", "/health/ready", &Value::Null);
    run_sql(folder.path(), "ALTER TABLE history RENAME TO gone");
    until("it is not ready", || ready().0 == 503);
    let (_, answer) = ready();
    assert!(answer["failed"]["database"].is_string(), "{answer}");
    assert_eq!(server.get("/health/live")["status"], "ok");
    run_sql(folder.path(), "ALTER TABLE gone RENAME TO history");
    until("it is ready", || ready().0 == 200);
    server.stop();
}

#[test]
fn a_server_that_stops_is_not_ready_first_and_serves_until_its_port_closes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--drain", "3s"], ANYWHERE);
    server.signal("TERM");
    until("it is not ready", || server.request("GET", "/health", &Value::Null).0 == 503);
    let (_, answer) = server.request("GET", "/health/ready", &Value::Null);
    assert_eq!(answer["failed"]["server"], "it is stopping", "{answer}");
    assert_eq!(server.get("/health/live")["status"], "ok");
    server.record("test_late");
    assert_eq!(server.ended().code, Some(0));
    assert_eq!(start(folder.path()).count(), 1);
}

/// Half a request, an unread response and slow work: none delays a stop.
#[test]
fn a_stop_is_over_before_docker_kills() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE, &[("METROGRAPH_DRAIN", "1s")]].concat());
    for number in 0..20 {
        server.record(&format!("test_{number}"));
    }
    let stuck: Vec<TcpStream> = (0..20).map(|_| unfinished(&server)).collect();
    let idle: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    let mut deaf = server.connect();
    for _ in 0..2_000 {
        if deaf.write_all(b"GET /api/v1/swagger.json HTTP/1.1\r\nHost: localhost\r\n\r\n").is_err() {
            break;
        }
    }
    server.signal("TERM");
    let start = Instant::now();
    let ended = server.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(start.elapsed() < DOCKER_STOP_TIMEOUT, "{:?}", start.elapsed());
    assert_eq!(files(folder.path()), [NAME]);
    drop((stuck, idle, deaf));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second, code) in [("TERM", "TERM", 143), ("TERM", "INT", 130), ("INT", "TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path());
        server.record("test_kept");
        let _stuck = unfinished(&server);
        until("the request is in flight", || server.get("/health/live")["status"] == "ok");
        server.signal(first);
        until("it stops", || server.log().contains("stopping"));
        server.signal(second);
        let start_of_end = Instant::now();
        let ended = server.ended();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(start_of_end.elapsed() < Duration::from_secs(4), "{:?}", start_of_end.elapsed());
        assert_eq!(start(folder.path()).count(), 1);
    }
}

#[test]
fn signals_that_mean_nothing_here_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    for signal in ["HUP", "USR1", "USR2", "PIPE", "XFSZ", "WINCH"] {
        for _ in 0..2 {
            server.signal(signal);
        }
        server.record(signal);
    }
    server.signal("QUIT");
    let ended = server.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(start(folder.path()).count(), 6);
}

/// Another process writes to the file, so the tables cannot be created yet.
#[test]
fn a_server_that_starts_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let held = Connection::open(folder.path().join(NAME)).unwrap();
    held.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; CREATE TABLE theirs (id INTEGER)").unwrap();
    let mut stderr = tempfile::tempfile().unwrap();
    let mut command = command(folder.path(), &[], ANYWHERE);
    let mut child = command.stdout(Stdio::null()).stderr(stderr.try_clone().unwrap()).spawn().unwrap();
    let said = |stderr: &mut File| {
        io::Seek::rewind(stderr).unwrap();
        io::read_to_string(stderr).unwrap()
    };
    // The wait is logged soon, with the file's name.
    thread::sleep(Duration::from_millis(100));
    until("the wait is logged", || {
        let log = fs::read_to_string(format!("/proc/{}/fd/2", child.id())).unwrap_or_default();
        log.contains(NAME) && log.contains("another process")
    });
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    until("it has ended", || child.try_wait().unwrap().is_some());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{}", said(&mut stderr));
    drop(held);
}

/// Returns the command of the program with a limit on open files.
fn limited(folder: &Path, limit: &str) -> Command {
    let plain = command(folder, &[], ANYWHERE);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit {limit} && exec \"$0\"")]).arg(plain.get_program()).current_dir(folder);
    limited.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    limited
}

#[test]
fn a_soft_limit_of_open_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::of(limited(folder.path(), "-Sn 64"));
    let idle: Vec<TcpStream> = (0..150).map(|_| server.connect()).collect();
    server.record("test_kept");
    assert_eq!(server.get("/health")["status"], "ok");
    drop(idle);
    server.stop();
}

#[test]
fn a_hard_limit_of_open_files_is_logged_and_leaves_the_database_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::of(limited(folder.path(), "-n 300"));
    let log = server.log();
    for word in ["300 files", "--max-connections 4096", "4296", "100 connections", "LimitNOFILE"] {
        assert!(log.contains(word), "{word}: {log}");
    }
    let mut kept = server.connect();
    let mut ask = || {
        write!(kept, "GET /api/v1/metrics/count HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let read = kept.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    };
    assert!(ask().starts_with("HTTP/1.1 200"));
    let idle: Vec<TcpStream> = (0..99).map(|_| server.connect()).collect();
    // New clients get an error, and a supervisor sees that the server works.
    until("all connections are in use", || server.request("GET", "/api/v1/metrics/count", &Value::Null).0 == 503);
    assert_eq!(server.get("/health/live")["status"], "ok");
    assert!(ask().starts_with("HTTP/1.1 200"));
    drop(idle);
    until("a connection is free again", || {
        program::request(server.address, "POST", "/api/v1/metrics/", &metric_of("test_kept"))
            .is_some_and(|(status, _)| status == 201)
    });
    server.stop();
}
