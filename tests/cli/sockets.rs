//! Sockets that a supervisor holds and hands over: clients wait while the server restarts.
#![cfg(unix)]

use std::{
    env,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use serde_json::Value;

use crate::support::{
    builders::rest::metric_of,
    program::{Server, command, ended, request, until, wrapped_by},
};

/// Gives its standard input to the program as the first of `$SOCKETS` sockets.
const HAND_OVER: &str = r#"exec 3<&0 4<&0 0</dev/null; export LISTEN_FDS="$0"; LISTEN_PID=$$ exec "$@""#;

/// Returns the command of a server that gets `socket`, as one of `count`.
fn handed_over(socket: impl Into<OwnedFd>, count: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut wrapped = wrapped_by("sh", &["-c", HAND_OVER, count], &command(folder, arguments, &[]));
    wrapped.stdin(Stdio::from(socket.into()));
    wrapped
}

fn post(address: SocketAddr, item: &str) -> Option<u16> {
    request(address, "POST", "/api/v1/metrics/", &metric_of(item)).map(|(status, _)| status)
}

#[test]
fn a_socket_that_is_handed_over_is_listened_on_in_place_of_listen() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let early = thread::spawn(move || post(address, "test_before_the_server"));
    thread::sleep(std::time::Duration::from_millis(300));
    let start =
        |arguments: &[&str]| Server::of(handed_over(listener.try_clone().unwrap(), "1", folder.path(), arguments));
    let server = start(&[]);
    assert_eq!(server.address, address);
    assert_eq!(early.join().unwrap(), Some(201));
    server.stop();
    let between = thread::spawn(move || post(address, "test_between_two_servers"));
    // The setting has no effect, and is no reason to refuse the start.
    let server = start(&["--listen", "127.0.0.1:1"]);
    assert_eq!(between.join().unwrap(), Some(201));
    assert_eq!(server.count(), 2);
    server.stop();
}

#[test]
fn restarts_lose_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = || Server::of(handed_over(listener.try_clone().unwrap(), "1", folder.path(), &[]));
    let (is_over, stored) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut server = Some(start());
    thread::scope(|scope| {
        for client in 0..3 {
            let (is_over, stored) = (&is_over, &stored);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(post(address, &format!("test_{client}")), Some(201));
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..6 {
            let before = stored.load(Ordering::Relaxed);
            until("it stores", || stored.load(Ordering::Relaxed) > before);
            server.take().unwrap().stop();
            server = Some(start());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let server = server.unwrap();
    assert_eq!(server.count(), stored.into_inner());
    server.stop();
}

#[test]
fn sockets_that_can_not_be_listened_on_are_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ended(&mut handed_over(listener, "2", folder.path(), &[])).assert_refused(&["2 sockets", "ListenStream="]);
    let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    ended(&mut handed_over(listener, "1", folder.path(), &[])).assert_refused(&["TCP port", "ListenStream="]);
}

#[test]
fn systemd_hands_its_socket_over() {
    let program = "systemd-socket-activate";
    let is_there = env::split_paths(&env::var_os("PATH").unwrap()).any(|folder| folder.join(program).is_file());
    assert!(is_there || env::var_os("METROGRAPH_REQUIRE_POSTGRES").is_none(), "{program} is not installed");
    if !is_there {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plain = command(folder.path(), &[], &[]);
    let mut activated =
        wrapped_by(program, &["--listen", &address.to_string(), "--setenv=METROGRAPH_DRAIN=0s"], &plain);
    // It starts the server with the first connection.
    let mut child = activated.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the first request is answered", || post(address, "test_first") == Some(201));
    let (status, count) = request(address, "GET", "/api/v1/metrics/count", &Value::Null).unwrap();
    assert_eq!((status, count["count"].as_u64()), (200, Some(1)));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
