//! `metrograph check`: a database that is right is found right, and everything that is wrong is found, named and repaired.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use metrograph::{
    commands::{self, Checked},
    config::CheckCommand,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, Value as Bound};
use serde_json::{Value, json};

use crate::support::{
    TestApp, backup,
    builders::graphql::{context, metric, session},
    counters, on_both_engines,
    program::{Server, run},
};

async fn check(app: &TestApp, repair: bool) -> Checked {
    let (url, storage) = (&app.settings().database_url, &app.settings().storage);
    commands::check(CheckCommand { repair }, url, storage).await.unwrap()
}

async fn assert_right(app: &TestApp) {
    let checked = check(app, false).await;
    assert!(checked.is_right && checked.output.result.is_empty(), "{checked:?}");
    assert!(checked.output.note.starts_with("nothing is wrong in "), "{checked:?}");
}

async fn execute(connection: &DatabaseConnection, sql: &str) {
    connection.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Metric number `n` of session `s`.
fn of_session(s: u32, n: u32) -> Value {
    let component = ["core", "net", "ui"][(n % (1 + s % 3)) as usize];
    metric(json!({
        "sessionHash": format!("s{s}"), "contextHash": format!("c{}", (n + s) % 3),
        "componentName": component, "itemName": format!("test_{}", n % 5),
        "variantName": format!("v{}", n % 20), "totalTime": f64::from((n * 37 + s * 11) % 101),
        "userTime": f64::from((n * 7 + s) % 13), "kernelTime": f64::from(n % 3), "memoryUsage": f64::from(n % 17) - 4.0,
        "startedAt": if n == 3 { "2026-01-05 03:00" } else { "2026-01-05T03:00:00" },
    }))
}

async fn announce(app: &TestApp, s: u32) {
    let tags = json!({ "pipeline_branch": format!("b{}", s % 2), "pipeline_build_no": (s / 2).to_string(), "python": format!("3.{s}"), "git_branch": format!("g{}", s % 2) });
    let changes =
        json!({ "scmRef": format!("ref{s}"), "runDate": format!("2026-01-{:02}T03:00:00", 1 + s), "tags": tags });
    app.announce_session(session(&format!("s{s}"), changes)).await;
}

/// Records sessions with 60 metrics each: five segments and a head. Session 4 is announced late, 5 never; 6 has no build.
async fn fill(app: &TestApp) {
    for c in 0..3 {
        app.announce_machine(context(&format!("c{c}"), json!({}))).await;
    }
    for s in 0..4 {
        announce(app, s).await;
    }
    app.announce_session(session("s6", json!({ "tags": { "project": "other" } }))).await;
    for part in 0..6 {
        for s in 0..7 {
            app.record_all((part * 10..part * 10 + 10).map(|n| of_session(s, n)).collect()).await;
        }
    }
    announce(app, 4).await;
    let connection = backup::connect(app).await;
    for _ in 0..500 {
        if number(&connection, "SELECT COUNT(*) FROM segment").await == 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    connection.close().await.unwrap();
}

/// Statements that damage what is kept, and the beginning of the line that says so.
const DAMAGES: &[(&str, &str)] = &[
    (
        "UPDATE session SET metric_count = metric_count + 1 WHERE hash = 's1'",
        "session 2 (s1): metric_count is 61, and must be 60",
    ),
    ("UPDATE session SET metric_count = 0 WHERE hash = 's5'", "session "),
    ("UPDATE execution_context SET metric_count = 3 WHERE hash = 'c0'", "execution_context 1 (c0): metric_count is 3"),
    ("UPDATE variant SET metric_count = metric_count - 1 WHERE id = 5", "variant 5 (v4): metric_count is "),
    ("UPDATE variant SET min_total_time = -1 WHERE id = 2", "variant 2 (v1): min_total_time is -1, and must be "),
    ("UPDATE variant SET max_user_time = 99 WHERE id = 2", "variant 2 (v1): max_user_time is 99, and must be "),
    ("UPDATE variant SET min_kernel_time = min_kernel_time + 1 WHERE id = 2", "variant 2 (v1): min_kernel_time is "),
    ("UPDATE variant SET max_cpu_usage = 0 WHERE id = 2", "variant 2 (v1): max_cpu_usage is 0, and must be 0.75"),
    ("UPDATE variant SET min_memory_usage = NULL WHERE id = 2", "variant 2 (v1): its extremes are missing"),
    (
        "DELETE FROM session_component WHERE session_id = 2 AND component_id = 1",
        "session_component 2/1: there is no row",
    ),
    (
        "INSERT INTO session_component (session_id, component_id, first_metric_id, metric_count) VALUES (1, 3, 1, 1)",
        "session_component 1/3 (s0, component ui): there is a row, and must be none",
    ),
    (
        "UPDATE session_component SET first_metric_id = 7, metric_count = 2 WHERE session_id = 2 AND component_id = 2",
        "session_component 2/2 (s1, component net): metric_count is 2",
    ),
    ("DELETE FROM session_context WHERE session_id = 3", "session_context 3/1: there is no row"),
    (
        "INSERT INTO session_context (session_id, context_id) SELECT 1, MAX(id) FROM execution_context",
        "session_context 1/4 (s0, context unused): there is a row",
    ),
    ("DELETE FROM component_build WHERE component_id = 1", "component_build 1/"),
    ("UPDATE component_build SET metric_count = metric_count + 1 WHERE component_id = 2", "component_build 2/"),
    ("UPDATE component_build SET first_metric_id = first_metric_id + 1 WHERE component_id = 2", "component_build 2/"),
    ("UPDATE run SET session_count = 9 WHERE id = 1", "run 1: its sessions say something else of session_count"),
    (
        "UPDATE run SET measured_count = 0, run_date = 5 WHERE id = 2",
        "run 2: its sessions say something else of measured_count, run_date",
    ),
    (
        "UPDATE run SET pipeline_id = NULL, build_id = NULL, scm_ref = 'x' WHERE id = 1",
        "run 1: its sessions say something else of pipeline_id, build_id, scm_ref",
    ),
    ("UPDATE run SET branch_id = NULL WHERE branch_id IS NOT NULL", "run "),
    ("UPDATE run SET machine = 'elsewhere' WHERE kind = 'inferred'", "run "),
    ("UPDATE branch SET last_run_date = 1", "branch 1: last_run_date is not that of its latest run"),
    ("UPDATE build SET last_run_date = NULL", "build "),
    ("UPDATE pipeline SET last_run_date = last_run_date + 1", "pipeline "),
    ("UPDATE history SET last_metric_id = last_metric_id - 30", "history: last_metric_id is "),
    ("UPDATE history SET sealed_until = 64", "history: sealed_until is 64, and must be at least "),
    ("INSERT INTO component (name, digest) SELECT 'nobody', digest FROM project WHERE name = ''", "component "),
    ("INSERT INTO tag (name, value, digest) SELECT 'a', 'b', digest FROM project WHERE name = ''", "tag "),
    ("INSERT INTO branch (project_id, name, digest) SELECT id, 'b', digest FROM project WHERE name = ''", "branch "),
    (
        "INSERT INTO deleted_key (name, greatest, row_count) VALUES ('session.announced', 1, 2)",
        "session: 4 announced rows are counted, and there are 6",
    ),
    ("DELETE FROM session_component", "session_component 1/1: there is no row, and must be one"),
    ("DELETE FROM session_context", "session_context 1/1: there is no row, and must be one"),
];

on_both_engines! {
    async fn what_was_recorded_and_deleted_is_right(app: &TestApp) {
        assert_right(app).await;
        fill(app).await;
        assert_right(app).await;
        app.delete(&["s1", "s4", "s5"]).await.unwrap();
        assert_right(app).await;
        app.record_all((0..200).map(|n| of_session(n % 3, n)).collect()).await;
        assert_right(app).await;
        let checked = check(app, true).await;
        assert!(checked.is_right && checked.output.result.is_empty(), "{checked:?}");
    }

    async fn a_small_history_is_right(app: &TestApp) {
        app.seed().await;
        assert_right(app).await;
        app.delete(&["s1", "s9"]).await.unwrap();
        assert_right(app).await;
    }

    async fn every_counter_that_is_wrong_is_named_and_repaired(app: &TestApp) {
        fill(app).await;
        app.announce_machine(context("unused", json!({}))).await;
        let connection = backup::connect(app).await;
        assert_right(app).await;
        for (sql, line) in DAMAGES {
            execute(&connection, sql).await;
            let checked = check(app, false).await;
            assert!(!checked.is_right, "{sql}: {checked:?}");
            let is_named = checked.output.result.lines().any(|found| found.starts_with(line));
            assert!(is_named, "{sql}\n{line}\n{checked:?}");
            // Without --repair nothing changes.
            assert!(!check(app, false).await.is_right, "{sql}");
            let repaired = check(app, true).await;
            assert!(repaired.is_right && repaired.output.note.contains("repaired"), "{sql}: {repaired:?}");
            assert_right(app).await;
            counters::check(app).await;
            // What comes next is counted on that.
            app.record_all(vec![of_session(0, 0)]).await;
            counters::check(app).await;
        }
        // All at once, bounded in lines.
        for sql in ["UPDATE session SET metric_count = 1", "UPDATE variant SET max_total_time = 0", "UPDATE run SET session_count = 0"] {
            execute(&connection, sql).await;
        }
        let checked = check(app, true).await;
        assert!(checked.is_right, "{checked:?}");
        let of_variants = checked.output.result.lines().filter(|line| line.starts_with("variant "));
        assert_eq!(of_variants.count(), 20, "{checked:?}");
        assert!(checked.output.result.contains("and 40 more like this"), "{checked:?}");
        counters::check(app).await;
        connection.close().await.unwrap();
    }

    async fn every_flipped_byte_is_found_and_nothing_is_repaired_then(app: &TestApp) {
        fill(app).await;
        let connection = backup::connect(app).await;
        let backend = connection.get_database_backend();
        let columns = Statement::from_string(backend, "SELECT segment_id, number, data FROM segment_column WHERE segment_id <= 2 ORDER BY number");
        let columns = connection.query_all_raw(columns).await.unwrap();
        assert!(columns.len() > 20, "{}", columns.len());
        let set = async |segment: i64, number: i64, data: Vec<u8>| {
            let sql = "UPDATE segment_column SET data = $3 WHERE segment_id = $1 AND number = $2";
            let values: [Bound; 3] = [segment.into(), number.into(), data.into()];
            connection.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.unwrap();
        };
        for (index, row) in columns.iter().enumerate() {
            let (segment, number): (i64, i64) = (row.try_get("", "segment_id").unwrap(), row.try_get("", "number").unwrap());
            let data: Vec<u8> = row.try_get("", "data").unwrap();
            let mut flipped = data.clone();
            // The first byte, the last one, and some in between.
            let at = [0, data.len() - 1, data.len() / 2, data.len() * 3 / 4][index % 4];
            flipped[at] ^= 1 << (index % 8);
            set(segment, number, flipped).await;
            let checked = check(app, false).await;
            assert!(!checked.is_right, "column {number} of segment {segment}: byte {at}: {checked:?}");
            let line = checked.output.result.lines().next().unwrap();
            assert!(line.starts_with(&format!("segment {segment} is damaged: ")) && line.ends_with("restore it from a backup"), "{line}");
            set(segment, number, data).await;
        }
        assert_right(app).await;
        // The counters may be right, and the metrics missing.
        execute(&connection, "DELETE FROM segment_column WHERE segment_id = 2 AND number = 3").await;
        execute(&connection, "UPDATE session SET metric_count = 77 WHERE hash = 's1'").await;
        let checked = check(app, true).await;
        assert!(!checked.is_right && checked.output.result.contains("nothing was repaired"), "{checked:?}");
        assert_eq!(number(&connection, "SELECT metric_count FROM session WHERE hash = 's1'").await, 77);
        connection.close().await.unwrap();
    }

    async fn what_is_missing_is_not_counted_away(app: &TestApp) {
        fill(app).await;
        let connection = backup::connect(app).await;
        execute(&connection, "DELETE FROM segment_column WHERE segment_id = 3").await;
        execute(&connection, "DELETE FROM segment WHERE id = 3").await;
        let checked = check(app, true).await;
        assert!(!checked.is_right, "{checked:?}");
        let result = &checked.output.result;
        assert!(result.contains("metrics 129 to 192 are not there: restore it from a backup"), "{result}");
        assert!(result.contains("nothing was repaired"), "{result}");
        connection.close().await.unwrap();
    }

    async fn a_server_may_record_and_delete_meanwhile(app: &TestApp) {
        fill(app).await;
        let connection = backup::connect(app).await;
        let is_done = AtomicBool::new(false);
        let recording = async {
            let mut n = 60;
            while !is_done.load(Ordering::Relaxed) {
                app.record_all((n..n + 7).map(|n| of_session(10 + n % 5, n)).collect()).await;
                n += 7;
                if n % 200 < 7 {
                    app.delete(&["s10"]).await.unwrap();
                }
            }
            n
        };
        let checking = async {
            for round in 0..12 {
                assert_right(app).await;
                if round % 3 == 0 {
                    execute(&connection, "UPDATE session SET metric_count = metric_count + 5 WHERE hash = 's0'").await;
                    execute(&connection, "UPDATE variant SET max_total_time = 1000 WHERE id = 1").await;
                    let checked = check(app, true).await;
                    // A deletion may have set the variant right meanwhile.
                    let lines = checked.output.result.lines().count();
                    assert!(checked.is_right && (1..=2).contains(&lines), "{checked:?}");
                }
            }
            is_done.store(true, Ordering::Relaxed);
        };
        let (recorded, ()) = tokio::join!(recording, checking);
        assert!(recorded > 200, "{recorded}");
        assert_right(app).await;
        counters::check(app).await;
        connection.close().await.unwrap();
    }
}

/// The program's exit codes and streams.
#[test]
fn the_exit_code_says_whether_something_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["check"], &[]).assert_refused(&["--database-url", "there is no database"]);
    let server = Server::start(folder.path(), &[], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    server.record("a");
    let ended = run(folder.path(), &["check"], &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stderr.ends_with("metrograph.db: 1 metric and 0 segments were read.\n"), "{ended:?}");
    let damage = async || {
        let url = format!("sqlite://{}", folder.path().join("metrograph.db").display());
        let connection = sea_orm::Database::connect(url).await.unwrap();
        execute(&connection, "UPDATE session SET metric_count = 3").await;
        connection.close().await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(damage());
    let ended = run(folder.path(), &["check"], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "session 1 (s): metric_count is 3, and must be 1\n", "{ended:?}");
    run(folder.path(), &["check", "--repair", "--read-only"], &[]).assert_refused(&["--read-only"]);
    let ended = run(folder.path(), &["check", "--repair"], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.starts_with("1 fault was found and repaired in "), "{ended:?}");
    server.record("b");
    server.stop();
    let ended = run(folder.path(), &["check"], &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
}
