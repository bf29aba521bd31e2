//! `metrograph token` writes to the database of a server, or refuses.

use std::fs;

use crate::support::{
    PostgresDatabase,
    access::bearer,
    builders::rest::metric_of,
    program::{Server, files, run},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");
const CREATE: [&str; 4] = ["token", "create", "--name=ci", "--scope=ingest"];

#[test]
fn no_command_on_tokens_makes_a_database() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Server::start(folder.path(), &[], &[ANYWHERE]).stop();
    let looked_for = elsewhere.path().canonicalize().unwrap().join("metrograph.db").display().to_string();
    for arguments in [&CREATE[..], &["token", "list"], &["token", "revoke", "ci"]] {
        let ended = run(elsewhere.path(), arguments, &[]);
        ended.assert_refused(&["--database-url", &looked_for, "start the server once"]);
        assert_eq!(ended.stderr.contains("--create-database"), arguments == CREATE, "{ended:?}");
        assert!(files(elsewhere.path()).is_empty(), "{arguments:?}");
        let there = format!("sqlite://{}/metrograph.db", folder.path().display());
        if arguments != ["token", "revoke", "ci"] {
            let ended = run(elsewhere.path(), arguments, &[("METROGRAPH_DATABASE_URL", &there)]);
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
    }
    let relative = run(folder.path(), &["token", "list", "--database-url=sqlite://deep/../other.db?mode=rwc"], &[]);
    relative.assert_refused(&["other.db", &folder.path().display().to_string()]);
    assert_eq!(files(folder.path()), ["metrograph.db"]);
}

#[test]
fn a_command_on_tokens_names_the_database_it_wrote_to() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &[], &[ANYWHERE]).stop();
    let place = folder.path().canonicalize().unwrap().join("metrograph.db").display().to_string();
    let made = run(folder.path(), &CREATE, &[]);
    assert!(made.code == Some(0) && made.stderr.contains(&place), "{made:?}");
    let revoked = run(folder.path(), &["token", "revoke", "ci"], &[]);
    assert!(revoked.code == Some(0) && revoked.stderr.contains(&place), "{revoked:?}");
    run(folder.path(), &["token", "revoke", "ci"], &[]).assert_refused(&["'ci'", &place]);
}

#[test]
fn an_empty_file_is_no_database_of_a_server() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("metrograph.db"), "").unwrap();
    for arguments in [&CREATE[..], &["token", "list"], &["token", "revoke", "ci"]] {
        run(folder.path(), arguments, &[]).assert_refused(&[
            "--database-url",
            "metrograph.db",
            "start the server once",
        ]);
        assert_eq!(fs::metadata(folder.path().join("metrograph.db")).unwrap().len(), 0);
    }
}

#[test]
fn the_first_token_of_a_closed_server_can_be_made_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), &[&CREATE[..], &["--create-database"]].concat(), &[]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let server = Server::start(folder.path(), &["--access=closed"], &[ANYWHERE]);
    assert_eq!(server.status_as(&bearer(made.stdout.trim_end()), "POST", "/api/v1/metrics/", &metric_of("a")), 201);
    server.stop();
    let again = run(folder.path(), &["token", "create", "--name=more", "--scope=read", "--create-database"], &[]);
    assert_eq!(again.code, Some(0), "one that is there is taken: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_postgresql_is_no_database_of_a_server() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = database.url();
    let at = [("METROGRAPH_DATABASE_URL", url.as_str())];
    for arguments in [&CREATE[..], &["token", "list"], &["token", "revoke", "ci"]] {
        run(folder.path(), arguments, &at).assert_refused(&["postgres://***@", "start the server once"]);
    }
    let made = run(folder.path(), &[&CREATE[..], &["--create-database"]].concat(), &at);
    assert!(made.code == Some(0) && made.stderr.contains("postgres://***@"), "{made:?}");
    let server = Server::start(folder.path(), &["--access=closed"], &[at[0], ANYWHERE]);
    assert_eq!(server.status_as(&bearer(made.stdout.trim_end()), "POST", "/api/v1/metrics/", &metric_of("a")), 201);
    server.stop();
    assert_eq!(run(folder.path(), &["token", "list"], &at).stdout.lines().count(), 2);
    database.remove().await;
}
