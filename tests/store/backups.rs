//! `metrograph backup` and `metrograph restore`: nothing is lost, nothing is half done.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use metrograph::{
    commands::{self, BackupError},
    config::BackupCommand,
};
use sea_orm::{ConnectionTrait as _, Database, Statement};
use serde_json::json;

use crate::support::{
    Engine, TestApp, backup,
    builders::{graphql::metric, rest::metric_of},
    program::{Server, command, files, request, run},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

fn start(folder: &Path) -> Server {
    Server::start(folder, &[], &[ANYWHERE])
}

/// Starts a server on another file of the folder, and returns how many metrics it has.
fn count_in(folder: &Path, file: &str) -> u64 {
    let server = Server::start(folder, &["--database-url", &format!("sqlite://{file}?mode=rw")], &[ANYWHERE]);
    let count = server.count();
    server.stop();
    count
}

/// Runs a statement on a file, and returns the number that it selects; `None` if it fails.
fn number(file: &Path, sql: &str) -> Option<i64> {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let connection = Database::connect(format!("sqlite://{}", file.display())).await.ok()?;
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await;
        connection.close().await.unwrap();
        row.ok()??.try_get_by_index(0).ok()
    })
}

fn execute(file: &Path, sql: &str) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let connection = Database::connect(format!("sqlite://{}", file.display())).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// The names of what a restore has kept.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let is_kept = |name: &String| name.starts_with("metrograph.db.before-");
    files(folder).into_iter().filter(is_kept).map(|name| folder.join(name)).collect()
}

#[test]
fn a_backup_while_the_server_stores_has_everything_that_was_answered_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let (is_done, stored, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for worker in 0..2 {
            let (is_done, stored, refused, address) = (&is_done, &stored, &refused, server.address);
            scope.spawn(move || {
                for n in 0_u64.. {
                    if is_done.load(Ordering::Relaxed) {
                        break;
                    }
                    let item = format!("test_{worker}_{}", n % 50);
                    match request(address, "POST", "/api/v1/metrics/", &metric_of(&item)) {
                        Some((201, _)) => stored.fetch_add(1, Ordering::SeqCst),
                        _ => refused.fetch_add(1, Ordering::SeqCst),
                    };
                }
            });
        }
        for round in 0..5 {
            let start = Instant::now();
            while stored.load(Ordering::SeqCst) < 40 * (round + 1) && start.elapsed() < Duration::from_mins(1) {
                thread::sleep(Duration::from_millis(5));
            }
            let before = stored.load(Ordering::SeqCst);
            let name = format!("copy-{round}.db");
            let ended = run(folder.path(), &["backup", &name], &[]);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
            assert!(ended.stderr.contains(&format!("was backed up to {name}: ")), "{ended:?}");
            let metrics = ended.stderr.split_whitespace().rev().nth(8).unwrap().parse::<u64>().unwrap();
            assert!(metrics >= before && before > 0, "{before}: {ended:?}");
            let of_copy = number(&folder.path().join(name), "SELECT COUNT(*) FROM metric_row").unwrap();
            assert_eq!(of_copy.unsigned_abs(), metrics);
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(refused.load(Ordering::SeqCst), 0);
    assert_eq!(server.count(), stored.load(Ordering::SeqCst));
    server.stop();
    let left = files(folder.path());
    let expected = ["copy-0.db", "copy-1.db", "copy-2.db", "copy-3.db", "copy-4.db", "metrograph.db"];
    assert_eq!(left, expected);
    // A copy is served as the file is, and space is given back in it, too.
    assert_eq!(number(&folder.path().join("copy-4.db"), "PRAGMA auto_vacuum"), Some(2));
    assert!(count_in(folder.path(), "copy-4.db") > 0);
}

/// Why the documents warn of `cp`.
#[test]
fn a_copy_of_the_file_alone_lacks_what_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    server.record("first");
    server.stop();
    let server = start(folder.path());
    (0..40).for_each(|n| server.record(&format!("test_{n}")));
    fs::copy(folder.path().join("metrograph.db"), folder.path().join("copied.db")).unwrap();
    assert_eq!(run(folder.path(), &["backup", "backup.db"], &[]).code, Some(0));
    assert_eq!(server.count(), 41);
    server.stop();
    // It opens, and looks well.
    let copied = number(&folder.path().join("copied.db"), "SELECT COUNT(*) FROM metric_row");
    assert_eq!(copied, Some(1));
    assert_eq!(count_in(folder.path(), "backup.db"), 41);
}

#[test]
fn what_can_not_be_backed_up_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["backup", "copy.db"], &[]).assert_refused(&[
        "--database-url",
        "there is no database",
        "metrograph.db",
    ]);
    run(folder.path(), &["backup"], &[]).assert_refused(&["<TO>"]);
    start(folder.path()).stop();
    fs::write(folder.path().join("taken.db"), "precious").unwrap();
    run(folder.path(), &["backup", "taken.db"], &[]).assert_refused(&["TO: taken.db is there already"]);
    run(folder.path(), &["backup", "no/copy.db"], &[]).assert_refused(&["TO: the folder of no/copy.db does not exist"]);
    assert_eq!(fs::read_to_string(folder.path().join("taken.db")).unwrap(), "precious");
    let other = ["--database-url", "sqlite://taken.db?mode=rw"];
    run(folder.path(), &[&["backup", "copy.db"][..], &other].concat(), &[])
        .assert_refused(&["--database-url", "no SQLite database"]);
    let postgres = ("METROGRAPH_DATABASE_URL", "postgres://ann:s3cret@db.example:5433/metrics");
    let ended = run(folder.path(), &["backup", "copy of it.dump"], &[postgres]);
    ended.assert_refused(&[
        "METROGRAPH_DATABASE_URL",
        "pg_dump --format=custom --file='copy of it.dump' --host=db.example --port=5433 --username=ann --dbname=metrics",
    ]);
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
    let ended = run(folder.path(), &["restore", "a.dump"], &[postgres]);
    ended.assert_refused(&[
        "pg_restore --clean --if-exists --single-transaction --host=db.example",
        "--dbname=metrics a.dump",
    ]);
    assert!(!ended.stderr.contains("s3cret"), "{ended:?}");
    assert_eq!(files(folder.path()), ["metrograph.db", "taken.db"]);
}

#[test]
fn a_backup_that_is_killed_leaves_no_half_file_under_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    (0..60).for_each(|n| server.record(&format!("test_{n}")));
    let mut killed = 0;
    for (round, delay) in [0, 5, 10, 20, 30, 45, 60, 90].into_iter().enumerate() {
        let name = format!("copy-{round}.db");
        let mut child = command(folder.path(), &["backup", &name], &[]).spawn().unwrap();
        thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        let copy = folder.path().join(&name);
        if copy.exists() {
            assert_eq!(number(&copy, "SELECT COUNT(*) FROM metric_row"), Some(60), "{delay}");
        }
    }
    assert!(killed > 0);
    assert_eq!(run(folder.path(), &["backup", "copy.db"], &[]).code, Some(0));
    server.stop();
}

#[tokio::test]
async fn a_damaged_database_is_not_backed_up_as_if_it_were_sound() {
    let app = TestApp::start(Engine::Sqlite, 500).await.unwrap();
    app.record_all((0..200).map(|n| metric(json!({ "variantName": format!("v{n}") }))).collect()).await;
    let connection = backup::connect(&app).await;
    for _ in 0..500 {
        let sealed = Statement::from_string(connection.get_database_backend(), "SELECT COUNT(*) FROM segment");
        let sealed: i64 = connection.query_one_raw(sealed).await.unwrap().unwrap().try_get_by_index(0).unwrap();
        if sealed > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy.db");
    let back_up = async || {
        let command = BackupCommand { to: to.clone() };
        commands::back_up(&command, &app.settings().database_url, &app.settings().storage).await
    };
    connection
        .execute_unprepared("UPDATE segment_column SET data = zeroblob(length(data)) WHERE number = 7")
        .await
        .unwrap();
    let error = back_up().await.unwrap_err();
    assert!(
        matches!(&error, BackupError::Unsound(reason) if reason.contains("segment 1 is damaged: column 7")),
        "{error}"
    );
    assert_eq!(files(folder.path()), <[String; 0]>::default());
    connection.close().await.unwrap();
    app.finish().await;
}

#[test]
fn a_restore_keeps_what_was_there_and_is_refused_while_a_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    (0..5).for_each(|n| server.record(&format!("test_{n}")));
    assert_eq!(run(folder.path(), &["backup", "copy.db"], &[]).code, Some(0));
    (0..3).for_each(|n| server.record(&format!("later_{n}")));
    let before = fs::read(folder.path().join("copy.db")).unwrap();
    run(folder.path(), &["restore", "copy.db"], &[]).assert_refused(&[
        "--database-url",
        "a server has",
        "open: stop it first",
    ]);
    assert_eq!(server.count(), 8);
    server.record("still");
    // Its log is not folded into the file.
    server.signal("KILL");
    server.ended();
    let ended = run(folder.path(), &["restore", "copy.db"], &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    let [kept] = &kept(folder.path())[..] else { panic!("{:?}", files(folder.path())) };
    assert!(ended.stderr.contains(&format!("is kept as {}", kept.display())), "{ended:?}");
    assert_eq!(fs::read(folder.path().join("copy.db")).unwrap(), before);
    let server = start(folder.path());
    assert_eq!(server.count(), 5);
    server.record("new");
    assert_eq!(server.count(), 6);
    server.stop();
    assert_eq!(count_in(folder.path(), kept.file_name().unwrap().to_str().unwrap()), 9);
    assert_eq!(count_in(folder.path(), "copy.db"), 5);
    assert_eq!(run(folder.path(), &["check"], &[]).code, Some(0));
}

#[test]
fn a_restore_takes_the_place_of_a_missing_or_broken_file() {
    let folder = tempfile::tempdir().unwrap();
    let (database, log) = (folder.path().join("metrograph.db"), folder.path().join("metrograph.db-wal"));
    let server = start(folder.path());
    (0..5).for_each(|n| server.record(&format!("test_{n}")));
    assert_eq!(run(folder.path(), &["backup", "copy.db"], &[]).code, Some(0));
    server.stop();
    fs::remove_file(&database).unwrap();
    fs::write(&log, "what is left").unwrap();
    run(folder.path(), &["restore", "copy.db"], &[]).assert_refused(&["metrograph.db-wal is there without it"]);
    fs::remove_file(&log).unwrap();
    assert_eq!(run(folder.path(), &["restore", "copy.db"], &[]).code, Some(0));
    assert!(kept(folder.path()).is_empty());
    assert_eq!(start(folder.path()).count(), 5);
    fs::write(&database, "this is no database, but may hold something: it stays").unwrap();
    for end in ["-wal", "-shm"] {
        _ = fs::remove_file(folder.path().join(format!("metrograph.db{end}")));
    }
    assert_eq!(run(folder.path(), &["restore", "copy.db"], &[]).code, Some(0));
    let [kept] = &kept(folder.path())[..] else { panic!("{:?}", files(folder.path())) };
    assert!(fs::read_to_string(kept).unwrap().starts_with("this is no database"));
    let server = start(folder.path());
    assert_eq!(server.count(), 5);
    // Broken under a server that runs: it holds its locks all the same.
    server.record("new");
    let file = fs::OpenOptions::new().write(true).open(&database).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 100], 0).unwrap();
    run(folder.path(), &["restore", "copy.db"], &[]).assert_refused(&["open: stop it first"]);
}

#[test]
fn what_is_no_backup_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = start(folder.path());
    (0..5).for_each(|n| server.record(&format!("test_{n}")));
    server.stop();
    let before = fs::read(path("metrograph.db")).unwrap();
    let refused = |from: &str, words: &[&str]| {
        let ended = run(folder.path(), &["restore", from], &[]);
        ended.assert_refused(&[&["FROM: ", "nothing was restored"], words].concat());
        assert!(!ended.stderr.contains("--database-url"), "{ended:?}");
        assert_eq!(fs::read(path("metrograph.db")).unwrap(), before, "{from}");
        assert!(kept(folder.path()).is_empty(), "{from}");
    };
    run(folder.path(), &["restore"], &[]).assert_refused(&["<FROM>"]);
    refused("nothing.db", &["there is no such file"]);
    refused("metrograph.db", &["it is the database itself"]);
    fs::write(
        path("text.db"),
        "no database at all, but some text that is longer than a header of SQLite, which has 100 bytes.",
    )
    .unwrap();
    refused("text.db", &["no SQLite database"]);
    fs::write(path("empty.db"), "").unwrap();
    refused("empty.db", &["there is no database of Metrograph"]);
    for (name, damage, word) in [
        (
            "newer.db",
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_newer', 0)",
            "newer metrograph",
        ),
        ("counted.db", "UPDATE session SET metric_count = 9", "metric_count is 9, and must be 5"),
        ("foreign.db", "DROP TABLE seaql_migrations", "of another program"),
    ] {
        fs::copy(path("metrograph.db"), path(name)).unwrap();
        execute(&path(name), damage);
        refused(name, &[word]);
    }
    let mut bytes = before.clone();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..].fill(0xa5);
    fs::write(path("torn.db"), bytes).unwrap();
    refused("torn.db", &[]);
    run(folder.path(), &["restore", "torn.db", "--read-only"], &[]).assert_refused(&["--read-only"]);
    // A backup with counters that are wrong can be made right.
    let of_backup = ["check", "--repair", "--database-url", "sqlite://counted.db?mode=rw"];
    assert_eq!(run(folder.path(), &of_backup, &[]).code, Some(0));
    assert_eq!(run(folder.path(), &["restore", "counted.db"], &[]).code, Some(0));
    assert_eq!(start(folder.path()).count(), 5);
    let is_partial = |name: &String| name.contains("partial");
    assert!(!files(folder.path()).iter().any(is_partial), "{:?}", files(folder.path()));
}
