//! `metrograph push`: files to a running server.

use std::{net::TcpListener, thread, time::Duration};

use serde_json::{Value, json};

use super::{CONTEXTS, LATER, Target, metrics, write};
use crate::support::program::{Server, command, ended, run};

const SESSIONS: &str = r#"INSERT INTO TEST_SESSIONS VALUES ('plain', '2025-01-06T02:00:00', '', '{}'),
    ('own', '2025-01-07T02:00:00', 'def', '{"pipeline_branch": "nightly", "pipeline_build_no": "3", "branch": "next", "project": "mine"}');"#;
const GITHUB: [(&str, &str); 7] = [
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_REPOSITORY", "team/product"),
    ("GITHUB_REF_NAME", "main"),
    ("GITHUB_WORKFLOW", "tests"),
    ("GITHUB_RUN_NUMBER", "7"),
    ("GITHUB_SHA", "abc"),
    ("METROGRAPH_LOG", "off"),
];

fn sessions(server: &Server) -> Vec<Value> {
    let query = "{ sessions { nodes { hash scmRef project { name } branch { name } pipeline { name } build { name } metricCount } } }";
    let (status, answer) = server.request("POST", "/graphql", &json!({ "query": query }));
    assert_eq!(status, 200, "{answer}");
    answer["data"]["sessions"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

fn named(hash: &str, names: [&str; 5], count: u32) -> Value {
    let [scm_ref, project, branch, pipeline, build] = names;
    json!({ "hash": hash, "scmRef": scm_ref, "project": { "name": project }, "branch": { "name": branch }, "pipeline": { "name": pipeline },
        "build": { "name": build }, "metricCount": count })
}

#[tokio::test]
async fn a_push_says_what_the_ci_system_says_and_adds_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [metrics("plain", 0, 2_500), metrics("own", 0, 5), metrics("own", 0, 5)].join(";");
    write(folder.path(), ".pymon", &[LATER, CONTEXTS, SESSIONS, &rows].concat()).await;
    for target in Target::both(folder.path(), "target.db").await {
        let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0", "--database-url", &target.url], &[]);
        let to = format!("http://{}/api/v1", server.address);
        let arguments = ["push", ".pymon", "--to", &to, "--strict"];
        let first = run(folder.path(), &arguments, &GITHUB);
        assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "{first:?}");
        assert!(first.stdout.contains("2510 metrics stored, 0 there already"), "{first:?}");
        // Another build sends the same file.
        let variables: Vec<_> =
            GITHUB.iter().map(|(name, value)| (*name, if *value == "7" { "8" } else { value })).collect();
        let second = run(folder.path(), &arguments, &variables);
        assert_eq!((second.code, second.stderr.as_str()), (Some(0), ""), "{second:?}");
        assert!(second.stdout.contains("0 metrics stored, 2510 there already"), "{second:?}");
        let expected = [
            named("plain", ["abc", "team/product", "main", "tests", "7"], 2_500),
            named("own", ["def", "mine", "next", "nightly", "3"], 10),
        ];
        assert_eq!(sessions(&server), expected);
        server.stop();
        // What a server got is what an import brings.
        let said = target.take(folder.path(), &[".pymon"]);
        assert!(said.contains("0 metrics stored, 2510 there already"), "{said}");
        target.remove().await;
    }
}

#[tokio::test]
async fn a_server_that_is_down_costs_a_retry_and_not_the_job() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".pymon", &[LATER, CONTEXTS, SESSIONS, &metrics("own", 0, 5)].concat()).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to = format!("http://ingest:secret@{port}/p/team%2Fproduct/api/v1");
    let arguments = ["push", ".pymon", "--to", &to, "--retry", "1s"];
    let gone = run(folder.path(), &arguments, &[]);
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert!(
        gone.stderr.contains("warning: not everything was sent") && gone.stderr.contains("it can't be reached"),
        "{gone:?}"
    );
    assert!(!gone.stderr.contains("secret"), "{gone:?}");
    let strict = run(folder.path(), &[&arguments[..], &["--strict"]].concat(), &[]);
    assert_eq!(strict.code, Some(2), "{strict:?}");

    let mut patient = command(folder.path(), &["push", ".pymon", "--to", &to, "--retry", "30s", "--strict"], &[]);
    let waiting = thread::spawn(move || ended(&mut patient));
    thread::sleep(Duration::from_millis(700));
    let server = Server::start(folder.path(), &["--listen", &port.to_string()], &[]);
    let done = waiting.join().unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    let found = sessions(&server);
    assert_eq!(
        (found[0]["project"]["name"].clone(), found[1]["metricCount"].clone()),
        (json!("team/product"), json!(5))
    );
    server.stop();
}

#[tokio::test]
async fn a_closed_server_takes_a_token_of_the_scope_ingest() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".pymon", &[LATER, CONTEXTS, SESSIONS, &metrics("own", 0, 5)].concat()).await;
    let created =
        run(folder.path(), &["token", "create", "--name", "ci", "--scope", "ingest", "--create-database"], &[]);
    let token = created.stdout.trim().to_owned();
    let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0", "--access", "closed"], &[]);
    let to = format!("http://{}", server.address);
    let refused = run(folder.path(), &["push", ".pymon", "--to", &to, "--strict"], &[]);
    refused.assert_refused(&["token"]);
    let by_variable = run(
        folder.path(),
        &["push", ".pymon", "--strict"],
        &[("METROGRAPH_TOKEN", &token), ("METROGRAPH_PUSH_TO", &to)],
    );
    assert_eq!(by_variable.code, Some(0), "{by_variable:?}");
    let by_address = format!("http://ingest:{token}@{}", server.address);
    let again = run(folder.path(), &["push", ".pymon", "--to", &by_address, "--strict"], &[]);
    assert!(again.stdout.contains("5 there already"), "{again:?}");
    server.stop();
}
