//! The database file is removed, renamed or replaced while a server uses it.

use std::{fs, path::Path};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{
    builders::rest::metric_of,
    program::{Server, files, run, until},
};

const ANYWHERE: &[(&str, &str)] = &[("METROGRAPH_LISTEN", "127.0.0.1:0")];
const NAME: &str = "metrograph.db";

fn start(folder: &Path) -> Server {
    Server::start(folder, &[], ANYWHERE)
}

/// Returns a file in which another server has stored one metric.
fn other_file(path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    server.record("test_other");
    server.stop();
    fs::copy(folder.path().join(NAME), path).unwrap();
}

/// Returns the items of the metrics in a file that is not open; it must be sound.
fn items(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{}", path.display());
    let sql = "SELECT item.name FROM metric_row JOIN variant ON variant.id = variant_id JOIN item ON item.id = item_id ORDER BY metric_row.id";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Asserts that requests fail with the problem and its remedy, and that the server is not ready.
fn assert_refused(server: &Server, words: &[&str]) {
    for _ in 0..2 {
        let (status, answer) = server.request("POST", "/api/v1/metrics/", &metric_of("test_lost"));
        assert_eq!(status, 503, "{answer}");
        for word in words {
            assert!(answer["message"].as_str().unwrap().contains(word), "{answer}");
        }
    }
    for path in ["/health", "/health/ready"] {
        let (status, answer) = server.request("GET", path, &Value::Null);
        assert_eq!((status, &answer["status"]), (503, &Value::from("unavailable")), "{path}: {answer}");
    }
}

#[test]
fn a_file_that_was_removed_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    server.record("test_kept");
    fs::remove_file(folder.path().join(NAME)).unwrap();
    assert_refused(&server, &[NAME, "put the same file back"]);
    server.stop();
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
}

#[test]
fn a_file_that_was_renamed_is_whole_and_serves_again_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join(NAME), folder.path().join("moved.db"));
    let server = start(folder.path());
    server.record("test_before");
    fs::rename(&here, &there).unwrap();
    assert_refused(&server, &[NAME]);
    fs::rename(&there, &here).unwrap();
    server.record("test_back");
    assert_eq!(server.get("/health")["status"], "ok");
    fs::rename(&here, &there).unwrap();
    assert_refused(&server, &[NAME]);
    server.stop();
    assert_eq!(files(folder.path()), ["moved.db"]);
    assert_eq!(items(&there), ["test_before", "test_back"]);
}

#[test]
fn a_folder_that_was_renamed_is_whole_and_serves_again_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    fs::create_dir(&here).unwrap();
    let server = start(&here);
    server.record("test_before");
    fs::rename(&here, &there).unwrap();
    assert_refused(&server, &[NAME]);
    fs::rename(&there, &here).unwrap();
    server.record("test_back");
    fs::rename(&here, &there).unwrap();
    assert_refused(&server, &[NAME]);
    server.stop();
    assert_eq!(items(&there.join(NAME)), ["test_before", "test_back"]);
}

/// Neither by the server that stops, nor by the files that it left, however it ended.
fn a_file_in_its_place_is_left_as_it_is(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(NAME);
    let server = start(folder.path());
    for number in 0..50 {
        server.record(&format!("test_{number}"));
    }
    let new = folder.path().join("new.db");
    other_file(&new);
    let content = fs::read(&new).unwrap();
    fs::rename(&new, &file).unwrap();
    assert_refused(&server, &["another file", NAME]);
    // Another program that opens it meanwhile finds all of its rows.
    assert_eq!(items(&file), ["test_other"]);
    server.signal(signal);
    server.ended();
    assert_eq!(files(folder.path()), [NAME]);
    assert!(fs::read(&file).unwrap() == content);
    let server = start(folder.path());
    server.record("test_new");
    server.stop();
    assert_eq!(items(&file), ["test_other", "test_new"]);
}

#[test]
fn a_file_in_its_place_is_left_as_it_is_at_a_stop() {
    a_file_in_its_place_is_left_as_it_is("TERM");
}

#[test]
fn a_file_in_its_place_is_left_as_it_is_at_a_kill() {
    a_file_in_its_place_is_left_as_it_is("KILL");
}

/// Without any request: the file is checked regularly, since another program may open it at any time.
#[test]
fn a_file_in_its_place_is_noticed_while_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    server.record("test_before");
    other_file(&folder.path().join("new.db"));
    fs::rename(folder.path().join("new.db"), folder.path().join(NAME)).unwrap();
    until("the log is gone", || files(folder.path()) == [NAME]);
    server.stop();
    assert_eq!(items(&folder.path().join(NAME)), ["test_other"]);
}

/// What was acknowledged is in the file at once: a kill loses nothing.
#[test]
fn a_log_that_was_removed_is_saved_before_it_is_lost() {
    for (end, signal) in [("-wal", "KILL"), ("-wal", "TERM"), ("-shm", "KILL"), ("-shm", "TERM")] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        let server = start(folder.path());
        server.record("test_before");
        fs::remove_file(folder.path().join(format!("{NAME}{end}"))).unwrap();
        assert_refused(&server, &[&format!("{NAME}{end}"), "stop the server"]);
        server.signal(signal);
        server.ended();
        assert_eq!(items(&file), ["test_before"], "{end} {signal}");
        let server = start(folder.path());
        server.record("test_after");
        server.stop();
        assert_eq!(items(&file), ["test_before", "test_after"], "{end} {signal}");
    }
}

/// Two logs can't both be right: the other one stays, and nothing is checkpointed into the file.
#[test]
fn a_foreign_log_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(format!("{NAME}-wal"));
    let server = start(folder.path());
    server.record("test_before");
    let theirs = folder.path().join("theirs");
    fs::write(&theirs, "not ours").unwrap();
    fs::rename(&theirs, &log).unwrap();
    assert_refused(&server, &[&format!("{NAME}-wal"), "restart the server"]);
    server.stop();
    assert_eq!(fs::read_to_string(&log).unwrap(), "not ours");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_elsewhere_is_another_file() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let (link, first, second) =
        (folder.path().join(NAME), folder.path().join("first.db"), folder.path().join("second.db"));
    symlink("first.db", &link).unwrap();
    let server = start(folder.path());
    server.record("test_before");
    other_file(&second);
    fs::remove_file(&link).unwrap();
    symlink("second.db", &link).unwrap();
    assert_refused(&server, &["another file", NAME]);
    server.stop();
    assert_eq!((items(&first), items(&second)), (vec!["test_before".to_owned()], vec!["test_other".to_owned()]));
}

/// The log may have the latest rows; SQLite would remove it when it creates a new file of that name.
#[test]
fn a_log_without_its_file_is_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let (file, moved) = (folder.path().join(NAME), folder.path().join("moved.db"));
    let server = start(folder.path());
    server.record("test_kept");
    server.signal("KILL");
    server.ended();
    for empty in [false, true] {
        fs::rename(&file, &moved).unwrap();
        if empty {
            fs::write(&file, "").unwrap();
        }
        let refused = run(folder.path(), &[], ANYWHERE);
        refused.assert_refused(&["--database-url", NAME, "-wal", "put the file back"]);
        fs::rename(&moved, &file).unwrap();
    }
    start(folder.path()).stop();
    assert_eq!(items(&file), ["test_kept"]);
}

/// While no server runs, only the log itself shows that it belongs to another file. A copy of both has the rows of both.
#[cfg(target_os = "linux")]
#[test]
fn a_log_is_replayed_only_over_its_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join(NAME), folder.path().join(format!("{NAME}-wal")));
    let server = start(folder.path());
    server.record("test_before");
    server.signal("KILL");
    server.ended();
    let copy = tempfile::tempdir().unwrap();
    for name in [NAME.to_owned(), format!("{NAME}-wal")] {
        fs::copy(folder.path().join(&name), copy.path().join(&name)).unwrap();
    }
    start(copy.path()).stop();
    assert_eq!(items(&copy.path().join(NAME)), ["test_before"]);
    let (kept, other) = (folder.path().join("kept.db"), folder.path().join("other.db"));
    other_file(&other);
    fs::rename(&file, &kept).unwrap();
    fs::rename(&other, &file).unwrap();
    let content = fs::read(&file).unwrap();
    run(folder.path(), &[], ANYWHERE).assert_refused(&[
        "--database-url",
        NAME,
        "-wal",
        "belongs to the file that was there before",
    ]);
    assert!(fs::read(&file).unwrap() == content);
    fs::rename(&file, &other).unwrap();
    fs::rename(&kept, &file).unwrap();
    start(folder.path()).stop();
    assert_eq!(items(&file), ["test_before"]);
    assert!(!log.exists());
}

#[test]
fn a_new_file_can_give_back_what_is_deleted_from_it() {
    const INCREMENTAL: i64 = 2;
    let folder = tempfile::tempdir().unwrap();
    start(folder.path()).stop();
    let file = Connection::open(folder.path().join(NAME)).unwrap();
    assert_eq!(file.query_row("PRAGMA auto_vacuum", [], |row| row.get::<_, i64>(0)).unwrap(), INCREMENTAL);
}
