//! Errors of a start on a SQLite file: the file, the reason and the remedy, at once and in one line.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};

use crate::support::program::{Ended, Server, bound, command, ended, files, run, wrapped_by};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");
const NAME: &str = "metrograph.db";

/// Returns a folder with a file in which a server has stored a metric.
fn stored() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[], &[ANYWHERE]);
    server.record("test_kept");
    server.stop();
    folder
}

fn start_on(folder: &Path, url: &str) -> Ended {
    run(folder, &["--database-url", url], &[ANYWHERE])
}

fn plain(folder: &Path) -> Command {
    command(folder, &[], &[ANYWHERE])
}

fn assert_says(ended: &Ended, words: &[&str]) {
    // Log lines may come first.
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.starts_with("metrograph: --database-url: "), "{ended:?}");
    for word in words {
        assert!(last.contains(word), "{word}: {ended:?}");
    }
}

#[test]
fn a_mode_that_can_store_nothing_is_refused() {
    let folder = stored();
    for parameter in ["mode=ro", "immutable=true", "immutable=1", "mode=rwc&immutable=1"] {
        let refused = start_on(folder.path(), &format!("sqlite://{NAME}?{parameter}"));
        let said = parameter.split('&').next_back().unwrap();
        refused.assert_refused(&["--database-url", NAME, &format!("?{said}"), "leave that out"]);
    }
    let refused = start_on(folder.path(), &format!("sqlite://{NAME}?nolock=1"));
    refused.assert_refused(&["--database-url", "mode, cache, immutable and vfs"]);
    assert_eq!(files(folder.path()), [NAME]);
}

#[test]
fn what_is_no_file_and_can_be_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("folder.db")).unwrap();
    fs::write(folder.path().join("text.db"), "It was the best of times. ".repeat(100)).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.db")).status().unwrap().success());
    for (url, words) in [
        ("folder.db?mode=rwc", ["folder.db", "it is a folder"]),
        ("text.db?mode=rwc", ["text.db", "no SQLite database"]),
        ("pipe.db?mode=rwc", ["pipe.db", "it is no file"]),
        ("/dev/null?mode=rwc", ["/dev/null", "it is no file"]),
        ("not/there.db?mode=rwc", ["not/there.db", "create it first"]),
        ("not.db", ["not.db", "?mode=rwc"]),
        ("not.db?mode=rw", ["not.db", "?mode=rwc"]),
    ] {
        start_on(folder.path(), &format!("sqlite://{url}")).assert_refused(&words);
    }
    assert_eq!(files(folder.path()), ["folder.db", "pipe.db", "text.db"]);
}

#[test]
fn a_file_of_another_version_is_distinguished_from_a_damaged_one() {
    for (sql, words) in [
        ("INSERT INTO seaql_migrations VALUES ('m0099_later', 1)", &["newer metrograph (m0099_later)"][..]),
        ("DROP TABLE history", &["no such table: history", "put a backup"]),
        ("DELETE FROM seaql_migrations WHERE version > 'm0007'", &["already exists", "put a backup"]),
    ] {
        let folder = stored();
        Connection::open(folder.path().join(NAME)).unwrap().execute_batch(sql).unwrap();
        assert_says(&start_on(folder.path(), &format!("sqlite://{NAME}")), &[&[NAME], words].concat());
    }
    let folder = stored();
    let file = fs::OpenOptions::new().write(true).open(folder.path().join(NAME)).unwrap();
    file.set_len(9_000).unwrap();
    assert_says(&start_on(folder.path(), &format!("sqlite://{NAME}")), &[NAME, "it is damaged", "backup"]);
}

#[test]
fn a_file_that_another_process_has_locked_is_refused_soon() {
    for (is_new, how) in
        [(false, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE"), (true, "BEGIN EXCLUSIVE; CREATE TABLE a (b)")]
    {
        let folder = if is_new { tempfile::tempdir().unwrap() } else { stored() };
        let held = Connection::open(folder.path().join(NAME)).unwrap();
        held.execute_batch(how).unwrap();
        let start = Instant::now();
        assert_says(&start_on(folder.path(), &format!("sqlite://{NAME}")), &[NAME, "another process has it locked"]);
        // Far less than the ten minutes for which a server waits for another one that fills new tables.
        assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
        drop(held);
    }
}

/// The limits of file size by the shell's `ulimit`, in blocks of 512 or 1,024 bytes.
#[test]
fn a_full_disk_is_named_as_the_reason() {
    for blocks in ["0", "20"] {
        let folder = tempfile::tempdir().unwrap();
        let mut limited =
            wrapped_by("sh", &["-c", &format!("ulimit -f {blocks} && exec \"$0\"")], &plain(folder.path()));
        // The limit applies to the log, too, if it is a file.
        let output = limited.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ended = Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert_says(&ended, &[NAME, "has room"]);
    }
}

#[test]
fn what_may_not_be_written_is_refused() {
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o444, 0o000, 0o200] {
        let folder = stored();
        set(&folder.path().join(NAME), mode);
        ended(&mut bound(&plain(folder.path()))).assert_refused(&[
            "--database-url",
            NAME,
            "Permission denied",
            "let the user",
        ]);
        assert_eq!(files(folder.path()), [NAME]);
    }
    for folder in [stored(), tempfile::tempdir().unwrap()] {
        let before = files(folder.path());
        set(folder.path(), 0o555);
        ended(&mut bound(&plain(folder.path()))).assert_refused(&[
            "--database-url",
            NAME,
            "its folder",
            "Permission denied",
        ]);
        set(folder.path(), 0o755);
        assert_eq!(files(folder.path()), before);
    }
    // A link into a read-only folder: the write-ahead log would be there.
    let (folder, away) = (tempfile::tempdir().unwrap(), stored());
    std::os::unix::fs::symlink(away.path().join(NAME), folder.path().join(NAME)).unwrap();
    set(away.path(), 0o555);
    ended(&mut bound(&plain(folder.path()))).assert_refused(&[
        "--database-url",
        NAME,
        "its folder",
        "Permission denied",
    ]);
    set(away.path(), 0o755);
}

/// A user who may read the file and write its folder leaves these, which belong to that user.
#[test]
fn a_log_that_may_not_be_written_is_refused() {
    for (end, mode) in [("-wal", 0o444), ("-shm", 0o444), ("-wal", 0o000), ("-shm", 0o200), ("-journal", 0o000)] {
        let folder = stored();
        let left = folder.path().join(format!("{NAME}{end}"));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let reader = Connection::open_with_flags(folder.path().join(NAME), flags).unwrap();
        reader.query_row("SELECT COUNT(*) FROM metric_row", [], |row| row.get::<_, i64>(0)).unwrap();
        reader.close().unwrap();
        fs::OpenOptions::new().create(true).append(true).open(&left).unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(mode)).unwrap();
        let before = files(folder.path());
        let refused = ended(&mut bound(&plain(folder.path())));
        refused.assert_refused(&["--database-url", left.to_str().unwrap(), "Permission denied", "let the user"]);
        assert_eq!(files(folder.path()), before);
        // As its own message suggests.
        fs::set_permissions(&left, fs::Permissions::from_mode(0o600)).unwrap();
        let server = Server::of(bound(&plain(folder.path())));
        server.record("test_more");
        assert_eq!(server.count(), 2);
        server.stop();
    }
}
