//! What `metrograph import` refuses, leaves out and counts.

use serde_json::Value;

use super::{CONTEXTS, LATER, Target, metrics, write};
use crate::support::program::{Server, files, run};

const SESSION: &str = "INSERT INTO TEST_SESSIONS VALUES ('s', '2025-01-06T02:00:00', 'abc', '{}');";
const ROW: &str = "INSERT INTO TEST_METRICS VALUES ('s', 'c', '2025-01-06T02:00:01', 'p', 'i', 'v', 'l.py', 'function', 'k', 1.5, 1.25, 0.25, 1.0, 2.5);";

#[tokio::test]
async fn broken_rows_are_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let broken = [
        ROW.replace("'2025-01-06T02:00:01'", "'yesterday'"),
        ROW.replace("1.25", "'much'"),
        ROW.replace("2.5", "NULL"),
        ROW.replace("2.5", "9e999"),
        ROW.replace("'s', 'c'", "NULL, 'c'"),
        ROW.replace("'v'", "x'00ff'"),
        ROW.replace("'v'", "'a' || char(0)"),
    ];
    let session = "INSERT INTO TEST_SESSIONS VALUES ('t', 'once', 'abc', '{}');";
    let context = "INSERT INTO EXECUTION_CONTEXTS (ENV_H, CPU_COUNT) VALUES ('d', 'many');";
    write(folder.path(), "a.pymon", &[LATER, CONTEXTS, SESSION, session, context, ROW, &broken.concat(), ROW].concat())
        .await;
    for target in Target::both(folder.path(), "target.db").await {
        let ended = target.import(folder.path(), &["a.pymon"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.contains("2 metrics stored, 0 there already, 9 rows left out"), "{ended:?}");
        for line in [
            "EXECUTION_CONTEXTS, row 2: CPU_COUNT: it is no number",
            "TEST_SESSIONS, row 2: RUN_DATE: it is no time",
            "TEST_METRICS, row 2: ITEM_START_TIME: it is no time",
            "TEST_METRICS, row 3: USER_TIME: it is no number",
            "TEST_METRICS, row 4: MEM_USAGE: it is missing",
            "TEST_METRICS, row 5: MEM_USAGE: it is no number that can be stored",
            "TEST_METRICS, row 6: SESSION_H: it is missing",
            "TEST_METRICS, row 7: ITEM_VARIANT: it is no text",
            "TEST_METRICS, row 8: variantName: U+0000",
        ] {
            assert!(ended.stderr.contains(&format!("left out: {line}")), "{line}: {ended:?}");
        }
        assert_eq!(target.lines(folder.path()).len(), 4);
        target.remove().await;
    }
}

#[tokio::test]
async fn a_session_that_is_stored_with_other_words_is_left_out_and_its_metrics_are_not() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.pymon", &[LATER, CONTEXTS, SESSION, ROW].concat()).await;
    let other = SESSION.replace("'{}'", r#"'{"branch": "main"}'"#);
    write(folder.path(), "b.pymon", &[LATER, CONTEXTS, &other, &metrics("s", 0, 3)].concat()).await;
    for target in Target::both(folder.path(), "target.db").await {
        target.take(folder.path(), &["a.pymon"]);
        let ended = target.import(folder.path(), &["b.pymon"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("left out: session s: session 's' is known with another run date"), "{ended:?}");
        assert_eq!(target.lines(folder.path()).len(), 6);
        target.remove().await;
    }
}

#[tokio::test]
async fn a_dry_run_counts_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.pymon", &[LATER, CONTEXTS, SESSION, ROW, ROW].concat()).await;
    write(folder.path(), "b.pymon", &[LATER, CONTEXTS, SESSION, ROW, ROW, ROW, &metrics("s", 0, 3)].concat()).await;
    for target in Target::both(folder.path(), "target.db").await {
        let before = files(folder.path());
        let said = target.take(folder.path(), &["--dry-run", "a.pymon"]);
        assert!(said.contains("2 metrics would be stored, 0 there already, 0 rows would be left out"), "{said}");
        assert_eq!(files(folder.path()), before);
        target.take(folder.path(), &["a.pymon"]);
        let said = target.take(folder.path(), &["b.pymon", "--dry-run"]);
        assert!(said.contains("4 metrics would be stored, 2 there already"), "{said}");
        assert_eq!(target.lines(folder.path()).len(), 4);
        target.remove().await;
    }
}

#[tokio::test]
async fn a_file_that_a_server_has_open_is_refused_and_push_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.pymon", &[LATER, CONTEXTS, SESSION, ROW].concat()).await;
    let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0"], &[]);
    let refused = run(folder.path(), &["import", "a.pymon"], &[]);
    refused.assert_refused(&[&format!("process {}", server.pid()), "metrograph.db", "metrograph push SOURCE --to URL"]);
    // Counting and exporting need no writer.
    assert_eq!(run(folder.path(), &["import", "a.pymon", "--dry-run"], &[]).code, Some(0));
    assert_eq!(run(folder.path(), &["export"], &[]).code, Some(0));
    server.stop();
    assert_eq!(run(folder.path(), &["import", "a.pymon"], &[]).code, Some(0));
    run(folder.path(), &["import", "metrograph.db"], &[])
        .assert_refused(&["it is the database of --database-url itself"]);
}

#[tokio::test]
async fn what_was_imported_lies_where_its_dates_say_and_belongs_to_its_branch() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = r#"INSERT INTO TEST_SESSIONS VALUES ('old', '2021-01-06T02:00:00', 'abc', '{"head": "x"}'),
        ('new', '2025-01-06T02:00:00', 'def', '{"head": "y"}');"#;
    write(
        folder.path(),
        "a.pymon",
        &[LATER, CONTEXTS, sessions, &metrics("new", 0, 2), ";", &metrics("old", 0, 2)].concat(),
    )
    .await;
    for target in Target::both(folder.path(), "target.db").await {
        target.take(folder.path(), &["a.pymon", "--branch-tag", "head"]);
        let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0", "--database-url", &target.url], &[]);
        let query = "{ runs { nodes { start branch { name } sessions { nodes { hash metricCount } } } } }";
        let (status, answer) = server.request("POST", "/graphql", &serde_json::json!({ "query": query }));
        assert_eq!(status, 200, "{answer}");
        let nodes = answer["data"]["runs"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let of = |node: &Value| {
            (node["start"].clone(), node["branch"]["name"].clone(), node["sessions"]["nodes"][0]["hash"].clone())
        };
        let found: Vec<_> = nodes.iter().map(of).collect();
        let run = |date: &str, branch: &str, hash: &str| (Value::from(date), Value::from(branch), Value::from(hash));
        assert_eq!(found, [run("2021-01-06T02:00:00", "x", "old"), run("2025-01-06T02:00:00", "y", "new")]);
        server.stop();
        target.remove().await;
    }
}
