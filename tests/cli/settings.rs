//! Settings by flag and by variable, their precedence, and what is refused before anything is changed.

use std::{fs, net::TcpListener};

use sea_orm::{ConnectionTrait as _, Database, Statement};

use crate::support::{
    PostgresDatabase,
    program::{Server, files, run},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");
/// A database of monitor-server 1.x.
const SERVER: &str = r#"
CREATE TABLE "EXECUTION_CONTEXTS" ("ENV_H" VARCHAR(64) NOT NULL, "CPU_COUNT" INTEGER NOT NULL, PRIMARY KEY ("ENV_H"));
CREATE TABLE "TEST_SESSIONS" ("SESSION_H" VARCHAR(64) NOT NULL, "RUN_DATE" VARCHAR(64) NOT NULL,
 "SCM_REF" VARCHAR(128), "DESCRIPTION" JSON, PRIMARY KEY ("SESSION_H"));
CREATE TABLE "TEST_METRICS" ("ITEM_PK" INTEGER NOT NULL, "SESSION_H" VARCHAR(64), "CONTEXT_H" VARCHAR(64),
 "ITEM" VARCHAR(2048) NOT NULL, "TOTAL_TIME" FLOAT NOT NULL, PRIMARY KEY ("ITEM_PK"),
 FOREIGN KEY("SESSION_H") REFERENCES "TEST_SESSIONS" ("SESSION_H"),
 FOREIGN KEY("CONTEXT_H") REFERENCES "EXECUTION_CONTEXTS" ("ENV_H"));
INSERT INTO "TEST_SESSIONS" VALUES ('s', '2025-01-06T02:00:00', NULL, '{}');
"#;
/// A database that the plugin itself writes.
const PYMON: &str = "
CREATE TABLE TEST_SESSIONS(SESSION_H varchar(64) primary key not null unique, RUN_DATE varchar(64),
 SCM_ID varchar(128), RUN_DESCRIPTION json);
CREATE TABLE TEST_METRICS (SESSION_H varchar(64), ENV_H varchar(64), ITEM varchar(2048), TOTAL_TIME float,
 FOREIGN KEY (ENV_H) REFERENCES EXECUTION_CONTEXTS(ENV_H), FOREIGN KEY (SESSION_H) REFERENCES TEST_SESSIONS(SESSION_H));
CREATE TABLE EXECUTION_CONTEXTS (ENV_H varchar(64) primary key not null unique, CPU_COUNT integer);
INSERT INTO TEST_SESSIONS VALUES ('s', '2025-01-06T02:00:00', NULL, '{}');
";

async fn run_sql(url: &str, sql: &str) {
    let connection = Database::connect(url).await.unwrap();
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}

/// Starts with these settings; returns the files this created and the number of pages of six metrics.
fn outcome_of(arguments: &[&str], variables: &[(&str, &str)]) -> (Vec<String>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), arguments, &[&[ANYWHERE], variables].concat());
    for number in 0..6 {
        server.record(&format!("test_{number}"));
    }
    let pages = server.get("/api/v1/metrics/")["total_page"].as_u64().unwrap();
    server.stop();
    (files(folder.path()), pages)
}

#[test]
fn a_flag_wins_over_its_variable_which_wins_over_the_legacy_one() {
    let flags = ["--page-size", "1", "--database-url", "sqlite://flag.db?mode=rwc"];
    let old = [("MONITOR_SERVER_PAGINATION_COUNT", "3"), ("MONITOR_SERVER_DATABASE_URI", "sqlite:///old.db")];
    let own = [("METROGRAPH_PAGE_SIZE", "2"), ("METROGRAPH_DATABASE_URL", "sqlite://own.db?mode=rwc")];
    let made = |file: &str, pages| (vec![file.to_owned()], pages);
    assert_eq!(outcome_of(&flags, &[own, old].concat()), made("flag.db", 6));
    assert_eq!(outcome_of(&[], &[own, old].concat()), made("own.db", 3));
    assert_eq!(outcome_of(&[], &old), made("old.db", 2));
    assert_eq!(outcome_of(&[], &[]), made("metrograph.db", 1));
}

#[test]
fn flags_stand_before_and_after_the_command() {
    let made = (vec!["flag.db".to_owned()], 6);
    assert_eq!(outcome_of(&["--page-size=1", "serve", "--database-url=sqlite://flag.db?mode=rwc"], &[]), made);
}

#[test]
fn the_address_comes_from_the_flag_before_the_variable() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let variable = [("METROGRAPH_LISTEN", taken.to_string())];
    let variable = variable.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0"], &variable);
    assert_ne!(server.address.port(), taken.port());
    assert_ne!(server.address.port(), 8181);
    server.stop();
}

#[test]
fn rest_dir_and_log_come_from_flags_and_variables() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    let document = "query howMany @rest(get: \"/many\", reply: OBJECT, summary: \"How many.\") { many: metricCount }";
    fs::write(folder.path().join("own/team.graphql"), document).unwrap();
    let by_flags: (&[&str], &[(&str, &str)]) = (&["--rest-dir", "own", "--log", "off"], &[ANYWHERE]);
    let variables = [ANYWHERE, ("METROGRAPH_REST_DIR", "own"), ("METROGRAPH_LOG", "off")];
    for (arguments, variables) in [by_flags, (&[], &variables)] {
        let server = Server::start(folder.path(), arguments, variables);
        assert_eq!(server.get("/api/team/many")["many"], 0);
        server.signal("TERM");
        let ended = server.ended();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn the_legacy_variable_takes_an_absolute_path_after_four_slashes() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uri = format!("sqlite:///{}", elsewhere.path().join("old.db").display());
    assert!(uri.starts_with("sqlite:////"));
    Server::start(folder.path(), &[], &[ANYWHERE, ("MONITOR_SERVER_DATABASE_URI", &uri)]).stop();
    assert_eq!(files(elsewhere.path()), ["old.db"]);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn the_legacy_variable_takes_every_character_of_a_path_and_ignores_what_is_meant_for_python() {
    let folder = tempfile::tempdir().unwrap();
    let uri = "sqlite:///50% of it.db?check_same_thread=false";
    Server::start(folder.path(), &[], &[ANYWHERE, ("MONITOR_SERVER_DATABASE_URI", uri)]).stop();
    assert_eq!(files(folder.path()), ["50% of it.db"]);
}

#[tokio::test]
async fn the_legacy_variable_takes_postgresql_with_and_without_a_driver() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let url = database.url();
    let rest = url.split_once("://").unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    for (stored, scheme) in (0..).zip(["postgresql", "postgresql+psycopg2", "postgres"]) {
        let uri = format!("{scheme}://{rest}");
        let server = Server::start(folder.path(), &[], &[ANYWHERE, ("MONITOR_SERVER_DATABASE_URI", &uri)]);
        assert_eq!(server.count(), stored, "{scheme}");
        server.record("test_kept");
        server.stop();
    }
    let server = Server::start(folder.path(), &["--database-url", &url], &[ANYWHERE]);
    assert_eq!(server.count(), 3);
    server.stop();
    assert!(files(folder.path()).is_empty());
    database.remove().await;
}

#[tokio::test]
async fn the_file_of_a_monitor_server_is_refused_and_left_as_it_is() {
    for (layout, mode) in [(SERVER, "DELETE"), (PYMON, "DELETE"), (SERVER, "WAL"), (PYMON, "WAL")] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("theirs.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        run_sql(&url, &format!("PRAGMA journal_mode={mode};{layout}")).await;
        let before = fs::read(&file).unwrap();
        assert_eq!(files(folder.path()), ["theirs.db"]);
        for setting in
            [("METROGRAPH_DATABASE_URL", url.as_str()), ("MONITOR_SERVER_DATABASE_URI", "sqlite:///theirs.db")]
        {
            let ended = run(folder.path(), &[], &[ANYWHERE, setting]);
            ended.assert_refused(&["monitor-server", "untouched", "--database-url"]);
            assert_eq!(files(folder.path()), ["theirs.db"], "{mode}");
            assert!(fs::read(&file).unwrap() == before, "{mode}: the file was changed");
        }
    }
}

#[tokio::test]
async fn the_file_of_a_monitor_server_is_refused_under_an_encoded_name_too() {
    let folder = tempfile::tempdir().unwrap();
    run_sql(&format!("sqlite://{}/their%20own.db?mode=rwc", folder.path().display()), SERVER).await;
    let before = fs::read(folder.path().join("their own.db")).unwrap();
    let ended = run(folder.path(), &["--database-url", "sqlite://their%20own.db?mode=rwc"], &[ANYWHERE]);
    ended.assert_refused(&["monitor-server", "untouched"]);
    assert!(fs::read(folder.path().join("their own.db")).unwrap() == before);
}

#[tokio::test]
async fn the_postgresql_database_of_a_monitor_server_is_refused_and_left_as_it_is() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    run_sql(&database.url(), SERVER).await;
    let ended = run(folder.path(), &["--database-url", &database.url()], &[ANYWHERE]);
    ended.assert_refused(&["monitor-server", "untouched", "--database-url"]);
    let connection = Database::connect(database.url()).await.unwrap();
    let sql =
        "SELECT string_agg(tablename, ' ' ORDER BY tablename) AS names FROM pg_tables WHERE schemaname = 'public'";
    let tables = Statement::from_string(connection.get_database_backend(), sql);
    let tables: String = connection.query_one_raw(tables).await.unwrap().unwrap().try_get("", "names").unwrap();
    assert_eq!(tables, "EXECUTION_CONTEXTS TEST_METRICS TEST_SESSIONS");
    connection.close().await.unwrap();
    database.remove().await;
}

#[test]
fn a_flag_that_makes_no_sense_is_refused_in_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("--page-size", "0"),
        ("--page-size", "-1"),
        ("--page-size", "abc"),
        ("--page-size", ""),
        ("--page-size", "100001"),
        ("--listen", "nowhere"),
        ("--listen", "127.0.0.1"),
        ("--listen", "127.0.0.1:99999"),
        ("--listen", ""),
        ("--database-url", ""),
        ("--database-url", "metrograph.db"),
        ("--database-url", "sqlite::memory:"),
        ("--database-url", "sqlite://:memory:"),
        ("--database-url", "sqlite://a.db?mode=memory"),
        ("--database-url", "sqlite:"),
        ("--database-url", "sqlite://"),
        ("--database-url", "sqlite://?mode=rwc"),
        ("--database-url", "mysql://user@localhost/name"),
        ("--rest-dir", "nowhere"),
        ("--rest-dir", ""),
        ("--log", "metrograph=loud"),
        ("--log", ""),
        ("--max-depth", "0"),
        ("--max-depth", "61"),
        ("--max-complexity", "0"),
        ("--max-aliases", "-1"),
        ("--max-root-fields", "0"),
        ("--max-directives", "many"),
        ("--max-tokens", "0"),
        ("--max-rows", "501"),
        ("--max-batch", "0"),
        ("--documents-dir", "nowhere"),
        ("--persisted-megabytes", "1001"),
        ("--cache-seconds", "-1"),
        ("--live-buffer", "0"),
        ("--live-buffer", "1000001"),
        ("--colour", "blue"),
    ];
    for (flag, value) in cases {
        let ended = run(folder.path(), &[&format!("{flag}={value}")], &[ANYWHERE]);
        ended.assert_refused(&[flag]);
        assert!(files(folder.path()).is_empty(), "{flag}={value}");
    }
    for number in [
        "--page-size",
        "--cache-seconds",
        "--live-buffer",
        "--max-connections",
        "--max-subscriptions",
        "--max-depth",
        "--persisted-megabytes",
        "--database-connections",
    ] {
        for value in ["x", "-1", "1.5", "99999999999"] {
            let ended = run(folder.path(), &[&format!("{number}={value}")], &[ANYWHERE]);
            ended.assert_refused(&[number, "give a whole number from "]);
        }
    }
    run(folder.path(), &["--page-size", "-1"], &[]).assert_refused(&["-1"]);
    run(folder.path(), &["sing"], &[]).assert_refused(&["sing"]);
    run(folder.path(), &["--page-size"], &[]).assert_refused(&["--page-size"]);
    run(folder.path(), &["--trusted-only"], &[]).assert_refused(&["--documents-dir"]);
}

#[test]
fn a_variable_that_makes_no_sense_is_refused_in_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("METROGRAPH_LISTEN", "nowhere", "--listen"),
        ("METROGRAPH_DATABASE_URL", "mysql://user@localhost/name", "--database-url"),
        ("METROGRAPH_PAGE_SIZE", "0", "--page-size"),
        ("METROGRAPH_REST_DIR", "nowhere", "--rest-dir"),
        ("METROGRAPH_LOG", "metrograph=loud", "--log"),
        ("METROGRAPH_MAX_DEPTH", "61", "--max-depth"),
        ("METROGRAPH_MAX_COMPLEXITY", "", "--max-complexity"),
        ("METROGRAPH_MAX_ALIASES", "x", "--max-aliases"),
        ("METROGRAPH_MAX_ROOT_FIELDS", "0", "--max-root-fields"),
        ("METROGRAPH_MAX_DIRECTIVES", "-1", "--max-directives"),
        ("METROGRAPH_MAX_TOKENS", "0", "--max-tokens"),
        ("METROGRAPH_MAX_ROWS", "0", "--max-rows"),
        ("METROGRAPH_MAX_BATCH", "0", "--max-batch"),
        ("METROGRAPH_DOCUMENTS_DIR", "nowhere", "--documents-dir"),
        ("METROGRAPH_TRUSTED_ONLY", "true", "--documents-dir"),
        ("METROGRAPH_PERSISTED_MEGABYTES", "-1", "--persisted-megabytes"),
        ("METROGRAPH_CACHE_SECONDS", "soon", "--cache-seconds"),
        ("MONITOR_SERVER_DATABASE_URI", "mysql://user@localhost/name", "MONITOR_SERVER_DATABASE_URI"),
        ("MONITOR_SERVER_DATABASE_URI", "old.db", "MONITOR_SERVER_DATABASE_URI"),
        ("MONITOR_SERVER_DATABASE_URI", "sqlite://", "MONITOR_SERVER_DATABASE_URI"),
        ("MONITOR_SERVER_DATABASE_URI", "sqlite:///:memory:", "MONITOR_SERVER_DATABASE_URI"),
        ("MONITOR_SERVER_DATABASE_URI", "", "MONITOR_SERVER_DATABASE_URI"),
        ("MONITOR_SERVER_PAGINATION_COUNT", "0", "MONITOR_SERVER_PAGINATION_COUNT"),
        ("MONITOR_SERVER_PAGINATION_COUNT", "many", "MONITOR_SERVER_PAGINATION_COUNT"),
    ];
    for (variable, value, name) in cases {
        let variables = [ANYWHERE, (variable, value)];
        let start = usize::from(variable == ANYWHERE.0);
        run(folder.path(), &[], &variables[start..]).assert_refused(&[name]);
        assert!(files(folder.path()).is_empty(), "{variable}={value}");
    }
}

#[test]
fn a_port_in_use_is_refused_before_a_database_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(folder.path(), &["--listen", &address], &[]).assert_refused(&["--listen", &address]);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = "not a database. ".repeat(1000);
    fs::write(folder.path().join("garbage.db"), &garbage).unwrap();
    fs::create_dir(folder.path().join("folder.db")).unwrap();
    for path in ["garbage.db", "folder.db", "missing/a.db"] {
        let url = format!("sqlite://{path}?mode=rwc");
        run(folder.path(), &["--database-url", &url], &[ANYWHERE]).assert_refused(&["--database-url"]);
        assert_eq!(files(folder.path()), ["folder.db", "garbage.db"], "{path}");
    }
    assert!(fs::read_to_string(folder.path().join("garbage.db")).unwrap() == garbage);
}

#[test]
fn a_postgresql_that_does_not_answer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Bound, but never accepted from: connections wait for an answer that never comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for host in [address.to_string(), "127.0.0.1:1".to_owned()] {
        let url = format!("postgres://user:secret@{host}/name");
        let ended = run(folder.path(), &["--database-url", &url], &[ANYWHERE]);
        ended.assert_refused(&["--database-url"]);
        assert!(!ended.stderr.contains("secret"), "{ended:?}");
    }
}

#[test]
fn a_database_that_is_not_there_is_named_by_where_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let url = "sqlite://missing/a.db";
    let (ours, theirs) = (("METROGRAPH_DATABASE_URL", url), ("MONITOR_SERVER_DATABASE_URI", "sqlite:///missing/a.db"));
    let by_ours = "metrograph: METROGRAPH_DATABASE_URL (--database-url): ";
    for (flag, variables, named) in [
        (&["--database-url", url][..], &[ours, theirs][..], "metrograph: --database-url: "),
        (&[], &[ours, theirs], by_ours),
        (&[], &[theirs], "metrograph: MONITOR_SERVER_DATABASE_URI: "),
        (&["--database-url", url], &[theirs], "metrograph: --database-url: "),
    ] {
        for command in [&[][..], &["token", "list"]] {
            let ended = run(folder.path(), &[command, flag].concat(), &[variables, &[ANYWHERE]].concat());
            ended.assert_refused(&[named, "missing/a.db"]);
        }
    }
}

#[test]
fn a_host_may_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--listen", "localhost:0"], &[]);
    drop(server);
}

#[test]
fn a_password_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["--database-url", "mysql://user:sekret@host/name"], &[]);
    ended.assert_refused(&["--database-url", "mysql://***"]);
    assert!(!ended.stderr.contains("sekret"), "{ended:?}");
    let help = run(folder.path(), &["--help"], &[("METROGRAPH_DATABASE_URL", "postgres://user:sekret@host/name")]);
    assert!(help.code == Some(0) && !help.stdout.contains("sekret"), "{help:?}");
}

#[test]
fn an_origin_that_no_browser_sends_is_refused_with_what_it_would_send() {
    let folder = tempfile::tempdir().unwrap();
    for (given, remedy) in [
        ("https://dash.example:443", "here that is https://dash.example\n"),
        ("http://dash.example:80", "here that is http://dash.example\n"),
        ("https://dash.example:", "here that is https://dash.example\n"),
        ("https://dash.example/path", "here that is https://dash.example\n"),
        ("https://a@a:8080", "here that is https://a:8080\n"),
        ("https://däsh.example", "here that is https://xn--dsh-qla.example\n"),
        ("https://[0:0:0:0:0:0:0:1]", "here that is https://[::1]\n"),
        ("http://127.1:8080", "here that is http://127.0.0.1:8080\n"),
        ("dash.example", "http://HOST or https://HOST"),
        ("ftp://dash.example", "http://HOST or https://HOST"),
        ("https://dash.example:99999", "http://HOST or https://HOST"),
        ("https://:::", "http://HOST or https://HOST"),
        ("https://:8080", "http://HOST or https://HOST"),
        ("https://[::1", "http://HOST or https://HOST"),
        ("null", "http://HOST or https://HOST"),
        ("", "http://HOST or https://HOST"),
    ] {
        run(folder.path(), &[&format!("--cors-origin={given}")], &[ANYWHERE])
            .assert_refused(&["--cors-origin", remedy]);
    }
}
