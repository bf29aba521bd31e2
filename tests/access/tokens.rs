//! Tokens through the real program: created, listed and revoked while a server runs, and never in a log.

use std::{fs, path::Path, process::Stdio, thread, time::Duration};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client, client::IntoClientRequest as _};

use crate::support::{
    PostgresDatabase,
    access::{MUTATION, basic, bearer},
    builders::rest::metric_of,
    program::{Ended, Server, command, run},
};

/// Finds a free port, so that tests can run in parallel.
const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

fn token(folder: &Path, arguments: &[&str]) -> Ended {
    run(folder, &[&["token"], arguments].concat(), &[])
}

/// Creates a token named after its scope.
fn create(folder: &Path, scope: &str) -> String {
    let made = token(folder, &["create", "--name", scope, "--scope", scope, "--create-database"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    made.stdout.trim_end().to_owned()
}

fn start(folder: &Path, mode: &str) -> Server {
    Server::start(folder, &["--access", mode], &[ANYWHERE])
}

#[test]
fn create_prints_only_the_token_and_explains_it_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let made = token(
        folder.path(),
        &["create", "--name", "ci.linux_1-a", "--scope", "ingest", "--expires", "90d", "--create-database"],
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let line = made.stdout.strip_suffix('\n').unwrap();
    let random = line.strip_prefix("mg_").unwrap();
    assert!(random.len() == 43 && random.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{line}");
    assert!(made.stderr.contains("ci.linux_1-a") && made.stderr.contains("it expires at 20"), "{made:?}");
    assert!(!made.stderr.contains(random), "{made:?}");
    let other = token(folder.path(), &["create", "--name", "other", "--scope", "read"]);
    assert_ne!(other.stdout, made.stdout);
    // A token that cannot store is printed without instructions for storing.
    assert!(made.stderr.contains("pytest --remote-server http://ingest:TOKEN@"), "{made:?}");
    assert!(!other.stderr.contains("pytest") && other.stderr.contains("curl --user read http://HOST"), "{other:?}");
    let all = token(folder.path(), &["create", "--name", "all", "--scope", "admin"]);
    assert!(all.stderr.contains("pytest --remote-server http://ingest:TOKEN@"), "{all:?}");
}

/// A token that was never displayed must not grant access.
#[test]
fn a_token_that_cannot_be_shown_is_revoked() {
    let (folder, full) = (tempfile::tempdir().unwrap(), fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let (gone, closed) = std::io::pipe().unwrap();
    drop(gone);
    for (name, stdout) in [("full", Stdio::from(full)), ("closed", Stdio::from(closed))] {
        let arguments = ["token", "create", "--name", name, "--scope", "admin", "--create-database"];
        let ended = command(folder.path(), &arguments, &[]).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("can't be shown") && said.contains(&format!("'{name}' is revoked")), "{said}");
        assert!(!said.contains("mg_"), "{said}");
        let listed = token(folder.path(), &["list"]).stdout;
        assert!(listed.lines().any(|line| line.starts_with(name) && line.contains("revoked")), "{listed}");
    }
}

#[test]
fn only_a_hash_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let made = create(folder.path(), "admin");
    let file = fs::read(folder.path().join("metrograph.db")).unwrap();
    for secret in [made.as_bytes(), &made.as_bytes()[3..]] {
        assert!(!file.windows(secret.len()).any(|bytes| bytes == secret));
    }
}

#[test]
fn list_shows_everything_but_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let listed = || token(folder.path(), &["list"]).stdout;
    start(folder.path(), "open").stop();
    assert_eq!(listed(), "NAME  SCOPE  CREATED  EXPIRES  LAST USE  STATE\n");
    let made = create(folder.path(), "ingest");
    token(folder.path(), &["create", "--name", "dashboards", "--scope", "read", "--expires", "12h"]);
    let revoked = token(folder.path(), &["revoke", "ingest"]);
    assert_eq!((revoked.code, revoked.stdout.as_str()), (Some(0), ""), "{revoked:?}");
    create(folder.path(), "ingest");
    let text = listed();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows.iter().map(|row| (row[0], row[1])).collect::<Vec<_>>(),
        [("ingest", "ingest"), ("dashboards", "read"), ("ingest", "ingest")]
    );
    assert_eq!(rows.iter().map(|row| row[5]).collect::<Vec<_>>(), ["revoked", "live", "live"]);
    assert_eq!((rows[0][3], rows[0][4]), ("never", "never"));
    assert!(rows[1][3].starts_with("20") && rows[1][3].ends_with('Z'), "{text}");
    assert!(!text.contains(&made[3..]), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    create(folder.path(), "read");
    let long = "a".repeat(65);
    for (arguments, named) in [
        (&["create", "--name", "read", "--scope", "admin"][..], "'read' already"),
        (&["create", "--name", "", "--scope", "read"], "--name"),
        (&["create", "--name", "a b", "--scope", "read"], "--name"),
        (&["create", "--name", "ä", "--scope", "read"], "--name"),
        (&["create", "--name=-a", "--scope", "read"], "--name"),
        (&["create", "--name", &long, "--scope", "read"], "--name"),
        (&["create", "--scope", "read"], "--name"),
        (&["create", "--name", "a"], "--scope"),
        (&["create", "--name", "a", "--scope", "write"], "--scope"),
        (&["create", "--name", "a", "--scope", "read", "--expires", "90"], "--expires"),
        (&["create", "--name", "a", "--scope", "read", "--expires", "0d"], "--expires"),
        (&["create", "--name", "a", "--scope", "read", "--expires=-1d"], "--expires"),
        (&["create", "--name", "a", "--scope", "read", "--expires", "1 year"], "--expires"),
        (&["create", "--name", "a", "--scope", "read", "--expires", "36501d"], "--expires"),
        (&["create", "--name", "a", "--scope", "read", "--expires", "99999999999999999999w"], "--expires"),
        (&["create", "--name", "a", "--scope", "read", "--expires", "9é"], "--expires"),
        (&["revoke", "nobody"], "'nobody'"),
        (&["revoke"], "NAME"),
        (&["sing"], "sing"),
        (&[], "token"),
    ] {
        token(folder.path(), arguments).assert_refused(&[named]);
    }
    assert_eq!(token(folder.path(), &["list"]).stdout.lines().count(), 2);
    run(folder.path(), &["--access", "ajar"], &[ANYWHERE]).assert_refused(&["--access", "closed"]);
    run(folder.path(), &[], &[ANYWHERE, ("METROGRAPH_ACCESS", "")]).assert_refused(&["--access"]);
}

#[test]
fn tokens_come_and_go_while_a_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "closed");
    assert_eq!(server.request("POST", "/api/v1/metrics/", &metric_of("a")).0, 401);
    let made = create(folder.path(), "ingest");
    thread::sleep(Duration::from_millis(1_200));
    for credentials in [bearer(&made), basic("ingest", &made)] {
        assert_eq!(server.status_as(&credentials, "POST", "/api/v1/metrics/", &metric_of("a")), 201);
        assert_eq!(server.status_as(&credentials, "GET", "/api/v1/metrics/", &Value::Null), 403);
    }
    assert_eq!(token(folder.path(), &["revoke", "ingest"]).code, Some(0));
    thread::sleep(Duration::from_millis(1_200));
    assert_eq!(server.status_as(&bearer(&made), "POST", "/api/v1/metrics/", &metric_of("a")), 401);
    server.stop();
}

#[test]
fn the_mode_comes_from_the_flag_before_the_variable() {
    for (arguments, status) in [(&[][..], 401), (&["--access", "read"], 200), (&["--access=open"], 200)] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), arguments, &[ANYWHERE, ("METROGRAPH_ACCESS", "closed")]);
        assert_eq!(server.request("GET", "/api/v1/metrics/count", &Value::Null).0, status, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_kept_in_postgresql_likewise() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = [("METROGRAPH_DATABASE_URL", database.url())];
    let at: Vec<_> = at.iter().map(|(name, value)| (*name, value.as_str())).chain([ANYWHERE]).collect();
    let made = run(folder.path(), &["token", "create", "--name", "ci", "--scope", "ingest", "--create-database"], &at);
    let server = Server::start(folder.path(), &["--access", "read"], &at);
    assert_eq!(server.count(), 0);
    assert_eq!(server.request("POST", "/api/v1/metrics/", &metric_of("a")).0, 401);
    assert_eq!(server.status_as(&bearer(made.stdout.trim_end()), "POST", "/api/v1/metrics/", &metric_of("a")), 201);
    assert_eq!(run(folder.path(), &["token", "revoke", "ci"], &at).code, Some(0));
    thread::sleep(Duration::from_millis(1_200));
    assert_eq!(server.status_as(&bearer(made.stdout.trim_end()), "POST", "/api/v1/metrics/", &metric_of("a")), 401);
    server.stop();
    database.remove().await;
}

/// Returns the log of a server that is stopped at once.
fn log_of(folder: &Path, arguments: &[&str]) -> String {
    let server = Server::start(folder, arguments, &[]);
    server.signal("TERM");
    server.ended().stderr
}

#[test]
fn a_server_open_to_the_network_warns_and_names_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let remedy = "metrograph token create --name ci --scope ingest";
    let log = log_of(folder.path(), &["--listen", "0.0.0.0:0"]);
    assert!(log.contains("WARN") && log.contains(remedy) && log.contains("--access closed"), "{log}");
    for quiet in ["127.0.0.1:0", "[::ffff:127.0.0.1]:0"] {
        let log = log_of(folder.path(), &["--listen", quiet]);
        assert!(!log.contains("WARN"), "{quiet}: {log}");
    }
    let unusable = |mode, what: &str| {
        let log = log_of(folder.path(), &["--listen", "127.0.0.1:0", "--access", mode]);
        assert!(log.contains("WARN") && log.contains(what) && log.contains(remedy), "{log}");
    };
    unusable("read", "can write");
    unusable("closed", "can read or write");
    create(folder.path(), "read");
    unusable("closed", "can write");
    create(folder.path(), "ingest");
    let log = log_of(folder.path(), &["--listen", "0.0.0.0:0", "--access", "read"]);
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn a_token_is_in_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let made = create(folder.path(), "ingest");
    let server = Server::start(folder.path(), &["--access", "closed", "--log", "trace"], &[ANYWHERE]);
    let sent = [bearer(&made), basic("ingest", &made), bearer(&format!("{made}x")), format!("Digest {made}")];
    for credentials in &sent {
        for (path, body) in [("/api/v1/metrics/", metric_of("a")), ("/graphql", json!({ "query": MUTATION }))] {
            server.status_as(credentials, "POST", path, &body);
        }
    }
    let mut request = format!("ws://{}/graphql/ws", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    request.headers_mut().insert("authorization", bearer(&made).parse().unwrap());
    let (mut socket, _) = client(request, server.connect()).unwrap();
    let hello = json!({ "type": "connection_init", "payload": { "authorization": bearer(&made) } });
    socket.send(Message::text(hello.to_string())).unwrap();
    assert!(socket.read().unwrap().to_text().unwrap().contains("connection_ack"));
    drop(socket);
    server.signal("TERM");
    let log = server.ended().stderr;
    assert!(log.contains("DEBUG") && log.contains("/api/v1/metrics/"), "{log}");
    for credentials in &sent {
        let secret = credentials.split(' ').nth(1).unwrap();
        assert!(!log.contains(secret) && !log.contains(&made[3..]), "{log}");
    }
}
