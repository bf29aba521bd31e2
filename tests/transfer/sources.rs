//! What each kind of source says, field by field.

use serde_json::{Value, json};

use super::{CONTEXTS, FIRST, LATER, SERVER, Target, run_sql, write};
use crate::support::{PostgresDatabase, program::run};

fn context(hash: &str) -> Value {
    json!({ "type": "context", "hash": hash, "cpuCount": 8, "cpuFrequency": 2400.5, "cpuType": "x86_64", "cpuVendor": "Maker",
        "ramTotal": 32000, "machineNode": "ci-07", "machineType": "x86_64", "machineArch": "64bit", "systemInfo": "Linux - 6.1",
        "pythonInfo": "3.12.4" })
}

fn session(hash: &str, date: &str, scm_ref: impl Into<Value>, project: &str, tags: impl Into<Value>) -> Value {
    let (scm_ref, tags) = (scm_ref.into(), tags.into());
    json!({ "type": "session", "hash": hash, "runDate": date, "scmRef": scm_ref, "project": project, "tags": tags })
}

fn metric(session: &str, start: &str, names: [&str; 6], values: [f64; 5], passed: impl Into<Value>) -> Value {
    let passed = passed.into();
    let [component, path, item, variant, location, kind] = names;
    let [total, user, kernel, cpu, memory] = values;
    json!({ "type": "metric", "sessionHash": session, "contextHash": "c", "startedAt": start, "componentName": component, "itemPath": path,
        "itemName": item, "variantName": variant, "location": location, "kind": kind, "totalTime": total, "userTime": user,
        "kernelTime": kernel, "cpuUsage": cpu, "memoryUsage": memory, "passed": passed })
}

const VALUES: [f64; 5] = [1.5, 1.25, 0.25, 1.0, 2.5];

#[tokio::test]
async fn the_first_version_of_the_plugin_names_runs_by_date_and_revision() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "
        INSERT INTO TEST_METRICS VALUES ('2020-05-01T10:00:00.5', 'c', 'abc', '2020-05-01T10:00:01', 'pkg.test_a/test_x[1-2]', 'function',
         'core', 1.5, 1.25, 0.25, 1.0, 2.5);
        INSERT INTO TEST_METRICS VALUES ('2020-05-01T10:00:00.5', 'c', 'abc', '2020-05-01T10:00:00', 'pkg.test_a', 'module', NULL,
         1.5, 1.25, 0.25, 1.0, 2.5);";
    write(folder.path(), "a file", &format!("{FIRST}{CONTEXTS}{rows}")).await;
    for target in Target::both(folder.path(), "target.db").await {
        let said = target.take(folder.path(), &["a file"]);
        assert!(
            said.contains("2 metrics stored, 0 there already, 0 rows left out; 1 session and 1 execution context read"),
            "{said}"
        );
        // MD5 of revision and run date, as version 1.1 makes it.
        let hash = "0809ba6413278fa70bb90904db408f64";
        let lines = target.lines(folder.path());
        assert_eq!(
            lines,
            [
                context("c"),
                session(hash, "2020-05-01T10:00:00.5", json!("abc"), "", json!([])),
                metric(hash, "2020-05-01T10:00:00", ["", "pkg", "test_a", "", "", "module"], VALUES, Value::Null),
                metric(
                    hash,
                    "2020-05-01T10:00:01",
                    ["core", "pkg.test_a", "test_x", "test_x[1, 2]", "", "function"],
                    VALUES,
                    Value::Null
                ),
            ],
            "{:?}",
            target.engine()
        );
        target.remove().await;
    }
}

#[tokio::test]
async fn descriptions_are_texts_or_tags_in_one_file_and_forks_add_whether_a_test_passed() {
    let folder = tempfile::tempdir().unwrap();
    let rows = r#"
        ALTER TABLE TEST_METRICS ADD COLUMN TEST_PASSED boolean;
        INSERT INTO TEST_SESSIONS VALUES ('s1', '2020-05-01T10:00:00', 'abc', 'a nightly run'), ('s2', '2021-05-01T10:00:00', '', ''),
         ('s3', '2022-05-01T10:00:00', NULL, '{"project": "team/x", "n": 3, "yes": true, "nothing": null, "list": [1, 2]}');
        INSERT INTO TEST_METRICS VALUES ('s1', 'c', '2020-05-01T10:00:01', 'p', 'i', 'v', 'l.py', 'function', 'k', 1.5, 1.25, 0.25, 1.0, 2.5, NULL),
         ('s3', 'c', '2022-05-01T10:00:01', 'p', 'i', 'v', 'l.py', 'function', 'k', 1.5, 1.25, 0.25, 1.0, 2.5, 1),
         ('s3', 'c', '2022-05-01T10:00:02', 'p', 'i', 'v', 'l.py', 'function', 'k', 1.5, 1.25, 0.25, 1, 2.5, 'False');"#;
    write(folder.path(), ".pymon", &format!("{LATER}{CONTEXTS}{rows}")).await;
    let tag = |name: &str, value: &str| json!({ "name": name, "value": value });
    for target in Target::both(folder.path(), "target.db").await {
        target.take(folder.path(), &[".pymon"]);
        let names = ["k", "p", "i", "v", "l.py", "function"];
        let tags = json!([
            tag("project", "team/x"),
            tag("n", "3"),
            tag("yes", "true"),
            tag("nothing", ""),
            tag("list", "[1,2]")
        ]);
        assert_eq!(
            target.lines(folder.path()),
            [
                context("c"),
                session("s1", "2020-05-01T10:00:00", json!("abc"), "", json!([tag("description", "a nightly run")])),
                metric("s1", "2020-05-01T10:00:01", names, VALUES, Value::Null),
                session("s2", "2021-05-01T10:00:00", json!(""), "", json!([])),
                session("s3", "2022-05-01T10:00:00", Value::Null, "team/x", tags),
                metric("s3", "2022-05-01T10:00:01", names, VALUES, json!(true)),
                metric("s3", "2022-05-01T10:00:02", names, VALUES, json!(false)),
            ]
        );
        target.remove().await;
    }
}

#[tokio::test]
async fn a_file_of_the_first_version_that_was_upgraded_by_hand_holds_both_kinds_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "
        ALTER TABLE TEST_METRICS ADD COLUMN SESSION_H varchar(64);
        ALTER TABLE TEST_METRICS ADD COLUMN ITEM_PATH varchar(4096);
        ALTER TABLE TEST_METRICS ADD COLUMN ITEM_VARIANT varchar(2048);
        CREATE TABLE TEST_SESSIONS(SESSION_H varchar(64) primary key not null unique, RUN_DATE varchar(64), SCM_ID varchar(128),
         RUN_DESCRIPTION json);
        INSERT INTO TEST_SESSIONS VALUES ('s', '2021-05-01T10:00:00', 'def', '{}');
        INSERT INTO TEST_METRICS (RUN_DATE, SCM_ID, ENV_H, ITEM_START_TIME, ITEM, KIND, TOTAL_TIME, USER_TIME, KERNEL_TIME, CPU_USAGE, MEM_USAGE)
         VALUES ('2020-05-01T10:00:00', 'abc', 'c', '2020-05-01T10:00:01', 'pkg/test_x', 'function', 1.5, 1.25, 0.25, 1.0, 2.5);
        INSERT INTO TEST_METRICS (SESSION_H, ENV_H, ITEM_START_TIME, ITEM_PATH, ITEM, ITEM_VARIANT, KIND, TOTAL_TIME, USER_TIME, KERNEL_TIME,
         CPU_USAGE, MEM_USAGE) VALUES ('s', 'c', '2021-05-01T10:00:01', 'pkg', 'test_x', 'test_x', 'function', 1.5, 1.25, 0.25, 1.0, 2.5);";
    write(folder.path(), ".pymon", &format!("{FIRST}{CONTEXTS}{rows}")).await;
    for target in Target::both(folder.path(), "target.db").await {
        target.take(folder.path(), &[".pymon"]);
        let lines = target.lines(folder.path());
        let dates: Vec<_> = lines.iter().filter_map(|line| line["runDate"].as_str()).collect();
        assert_eq!(dates, ["2020-05-01T10:00:00", "2021-05-01T10:00:00"]);
        let of = |line: &Value| {
            [&line["itemPath"], &line["itemName"], &line["variantName"]].map(|name| name.as_str().unwrap().to_owned())
        };
        let items: Vec<_> = lines.iter().filter(|line| line["type"] == "metric").map(of).collect();
        assert_eq!(items, [["pkg", "test_x", "test_x"]; 2]);
        target.remove().await;
    }
}

#[tokio::test]
async fn a_database_of_monitor_server_is_taken_over_and_serve_names_the_command() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "server.db", SERVER).await;
    let mut sources = vec![("server.db".to_owned(), format!("sqlite://{}", folder.path().join("server.db").display()))];
    let database = PostgresDatabase::create().await;
    if let Some(database) = &database {
        run_sql(&database.url(), SERVER).await;
        sources.push((database.url(), database.url()));
    }
    let tag = |name: &str, value: &str| json!({ "name": name, "value": value });
    for (source, url) in &sources {
        let refused = run(folder.path(), &["--database-url", url], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
        refused.assert_refused(&["monitor-server", "untouched", "metrograph import "]);
        for target in Target::both(folder.path(), "target.db").await {
            target.take(folder.path(), &[source]);
            let context = json!({ "type": "context", "hash": "c", "cpuCount": 8, "cpuFrequency": 2400.0, "cpuType": "x86_64", "cpuVendor": null,
                "ramTotal": 32000, "machineNode": "ci-07", "machineType": "x86_64", "machineArch": "64bit", "systemInfo": "Linux - 6.1",
                "pythonInfo": "3.12.4" });
            let expected = [
                context,
                session(
                    "s",
                    "2025-01-06T02:00:00",
                    json!("abc"),
                    "",
                    json!([tag("pipeline_branch", "main"), tag("pipeline_build_no", "7")]),
                ),
                metric(
                    "s",
                    "2025-01-06T02:00:01.5",
                    ["core", "tests", "test_a", "test_a", "tests/test_a.py", "function"],
                    VALUES,
                    Value::Null,
                ),
                metric(
                    "s",
                    "2025-01-06T02:00:02",
                    ["", "tests", "test_b", "test_b[1]", "tests/test_b.py", "function"],
                    [0.5, 0.25, 0.125, 0.75, -1.5],
                    Value::Null,
                ),
                session("t", "2025-01-07T02:00:00", Value::Null, "", json!([])),
            ];
            assert_eq!(target.lines(folder.path()), expected, "{source}");
            std::fs::remove_file(folder.path().join("target.db")).unwrap_or_default();
            target.remove().await;
        }
    }
    if let Some(database) = database {
        database.remove().await;
    }
}

#[tokio::test]
async fn what_is_no_source_is_refused_before_anything_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "hello").unwrap();
    write(folder.path(), "other.db", "CREATE TABLE x (y)").await;
    for (source, words) in [
        ("nowhere", "No such file"),
        (".", "it is a folder"),
        ("empty", "it is empty"),
        ("notes.txt", "it is none of"),
        ("other.db", "it holds the tables of neither"),
        ("http://127.0.0.1:8181", "metrograph push"),
    ] {
        let ended = run(folder.path(), &["import", source], &[]);
        ended.assert_refused(&[words]);
        assert!(!folder.path().join("metrograph.db").exists(), "{source}");
    }
    run(folder.path(), &["import"], &[]).assert_refused(&["import", "SOURCE"]);
}
