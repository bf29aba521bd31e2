//! Deletion of sessions: what is left answers as if they had never been there.

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use metrograph::{commands::DeleteError, config::SegmentSizes};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{context, metric, session},
    counters,
    live::Events,
    on_both_engines,
    program::{Server, run, until},
};

/// The metrics of all segments and of the head.
const STORED: &str = "SELECT CAST((SELECT COALESCE(SUM(metric_count), 0) FROM segment WHERE replaced_at IS NULL) AS BIGINT) \
    + (SELECT COUNT(*) FROM metric_row WHERE id > (SELECT sealed_until FROM history))";
const ROWS: &str = "SELECT COUNT(*) FROM metric_row";
const LEFT: &str = "SELECT COUNT(*) FROM deletion";

async fn connect(app: &TestApp) -> DatabaseConnection {
    Database::connect(app.settings().database_url.as_str()).await.unwrap()
}

async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Metric number `n` of session `s`: sessions measure the same variants, in part, and have some words of their own.
fn of_session(s: u32, n: u32) -> Value {
    metric(json!({
        "sessionHash": format!("s{s}"), "contextHash": format!("c{}", if n.is_multiple_of(7) { 10 + s } else { s % 2 }),
        "componentName": if n.is_multiple_of(2) { "core" } else { "net" }, "itemName": format!("test_{}", n % 5),
        "variantName": if n.is_multiple_of(9) { format!("only in {s}") } else { format!("v{}", n % 20) },
        "startedAt": format!("2026-01-{:02}T03:{:02}:00", 1 + s, n % 60),
        "totalTime": f64::from((n * 37 + s * 11) % 101), "userTime": f64::from((n * 7 + s) % 13),
        "memoryUsage": f64::from(n % 17) - 4.0, "cpuUsage": f64::from((n + s * 5) % 11) / 4.0,
    }))
}

async fn announce(app: &TestApp, s: u32) {
    let build = if s.is_multiple_of(3) { String::new() } else { (s / 2).to_string() };
    let tags = json!({ "pipeline_branch": if s.is_multiple_of(2) { "main" } else { "next" }, "pipeline_build_no": build, "python": format!("3.{s}") });
    app.announce_session(session(&format!("s{s}"), json!({ "scmRef": format!("ref{}", s % 3), "tags": tags }))).await;
    for context_of in [s % 2, 10 + s] {
        app.announce_machine(context(&format!("c{context_of}"), json!({}))).await;
    }
}

/// Records 90 metrics for each of these sessions, which overlap; some are announced later.
async fn fill(app: &TestApp, sessions: &[u32]) {
    for s in sessions.iter().filter(|s| **s % 4 != 1) {
        announce(app, *s).await;
    }
    for part in 0..9 {
        for s in sessions {
            app.record_all((part * 10..part * 10 + 10).map(|n| of_session(*s, n)).collect()).await;
        }
    }
    for s in sessions.iter().filter(|s| **s % 4 == 1) {
        announce(app, *s).await;
    }
}

/// Paths of REST v1, those of sessions that were deleted included.
fn paths() -> Vec<String> {
    let mut paths: Vec<String> =
        ["/metrics/count", "/sessions/count", "/contexts/count", "/components/count", "/components/", "/pipelines/"]
            .map(str::to_owned)
            .into();
    for list in [
        "/metrics/",
        "/sessions/",
        "/contexts/",
        "/components/core/metrics",
        "/filters/scm/ref1/metrics",
        "/filters/scm/ref/sessions",
        "/variants/v3/metrics",
        "/variants/like/only/metrics",
        "/items/test_2/metrics",
        "/sessions/s",
    ] {
        paths.extend(["", "?page=1", "?page=2", "?page=-1", "?page=-2", "?page=9"].map(|page| format!("{list}{page}")));
    }
    for s in 0..8 {
        paths.extend([
            format!("/sessions/s{s}"),
            format!("/sessions/s{s}/metrics"),
            format!("/sessions/s{s}/metrics/count"),
        ]);
        paths.extend([format!("/contexts/c{}", 10 + s), format!("/contexts/c{}/metrics", 10 + s)]);
        paths.push(format!("/variants/only%20in%20{s}/metrics/count"));
        paths.push(format!("/sessions/?with_flags=python&restrict_flags=3.{s}"));
    }
    for pipeline in ["main", "next"] {
        paths.push(format!("/components/core/pipelines/{pipeline}/builds"));
        paths.push(format!("/pipelines/{pipeline}/builds"));
        for build in 0..5 {
            paths.push(format!("/pipelines/{pipeline}/builds/{build}/sessions"));
            paths.push(format!("/components/net/pipelines/{pipeline}/builds/{build}/sessions"));
            paths.push(format!("/resources/total_time/pipelines/{pipeline}/builds/{build}/head/5/metrics"));
        }
    }
    paths.push("/components/net/pipelines".to_owned());
    for resource in ["total_time", "cpu", "memory"] {
        paths.extend(["head", "tail"].map(|end| format!("/resources/{resource}/{end}/7/metrics")));
    }
    paths
}

async fn answers(app: &TestApp) -> Vec<(String, u16, String)> {
    let mut answers = Vec::new();
    for path in paths() {
        let reply = app.get(&format!("/api/v1{path}")).await;
        answers.push((path, reply.status.as_u16(), reply.text()));
    }
    answers
}

async fn assert_same_answers(app: &TestApp, other: &TestApp) {
    for (found, expected) in answers(app).await.into_iter().zip(answers(other).await) {
        assert_eq!(found, expected);
    }
}

on_both_engines! {
    /// Sessions 1, 4 and 6 lie between others, in segments and in the head.
    async fn what_is_left_answers_as_if_it_had_never_been_there(app: &TestApp, page_size: 20) {
        let never = TestApp::start(app.engine(), 20).await.unwrap();
        fill(app, &[0, 1, 2, 3, 4, 5, 6]).await;
        fill(&never, &[0, 2, 3, 5]).await;
        counters::check(app).await;
        let there = app.second_server().await;
        assert_eq!(there.count("/metrics/count").await, 630);
        let output = app.delete(&["s4", "s1", "s6", "s4"]).await.unwrap();
        assert!(output.note.starts_with("3 sessions with 270 metrics deleted from "), "{output:?}");
        for server in [app, &there] {
            assert_same_answers(server, &never).await;
        }
        counters::check(app).await;
        let connection = connect(app).await;
        assert_eq!(number(&connection, LEFT).await, 0);
        assert_eq!(number(&connection, STORED).await, 360);
        if app.engine() == Engine::Postgres {
            // Rows are kept.
            assert_eq!(number(&connection, ROWS).await, 360);
        }
        assert_eq!(number(&connection, "SELECT COUNT(*) FROM segment_column WHERE segment_id IN (SELECT id FROM segment WHERE replaced_at IS NOT NULL)").await, 0);
        connection.close().await.unwrap();
        // What comes later goes on as there.
        for server in [app, &never] {
            fill(server, &[7, 1]).await;
        }
        assert_same_answers(&there, &never).await;
        counters::check(app).await;
        let fresh = there.second_server().await;
        assert_same_answers(&fresh, &never).await;
        fresh.finish().await;
        there.finish().await;
        never.finish().await;
    }

    async fn everything_may_be_deleted(app: &TestApp) {
        fill(app, &[0, 1, 2]).await;
        app.delete(&["s2", "s0", "s1"]).await.unwrap();
        counters::check(app).await;
        assert_eq!(app.bare("{ metricCount sessionCount contextCount variants { totalCount } tags { totalCount } }").await,
            json!({ "metricCount": 0, "sessionCount": 0, "contextCount": 0, "variants": 0, "tags": 0 }));
        fill(app, &[2]).await;
        counters::check(app).await;
        assert_eq!(app.count("/metrics/count").await, 90);
        let fresh = app.second_server().await;
        assert_eq!(fresh.count("/metrics/count").await, 90);
        fresh.finish().await;
    }

    /// Caches of names, here and elsewhere, lead to rows that are gone.
    async fn what_is_recorded_afterwards_is_stored_under_new_keys(app: &TestApp) {
        fill(app, &[0, 1]).await;
        let ids = app.bare("{ sessions { nodes { id } } variants { nodes { id } } contexts { nodes { id } } }").await;
        let all = |ids: &Value| ids.to_string().split('"').map(str::to_owned).filter(|id| id.len() > 10).collect::<BTreeSet<_>>();
        app.delete(&["s0", "s1"]).await.unwrap();
        fill(app, &[0, 1]).await;
        let new = app.bare("{ sessions { nodes { id } } variants { nodes { id } } contexts { nodes { id } } }").await;
        assert!(all(&ids).is_disjoint(&all(&new)), "{ids} {new}");
        assert!(!all(&new).is_empty());
        let gone = ids["sessions"][0].as_str().unwrap();
        assert_eq!(app.graphql(&format!("{{ node(id: \"{gone}\") {{ id }} }}")).await, json!({ "node": null }));
        counters::check(app).await;
    }

    async fn cursors_and_subscriptions_go_on(app: &TestApp) {
        fill(app, &[0, 1, 2]).await;
        let query = "query($after: String) { metrics(first: 50, after: $after) { nodes { sessionHash } pageInfo { endCursor } } }";
        let first = app.run(query, json!({})).await;
        let mut events = Events::of(app, "subscription { metricRecorded { sessionHash } }").await;
        app.delete(&["s1"]).await.unwrap();
        let second = app.run(query, json!({ "after": first["metrics"]["pageInfo"]["endCursor"] })).await;
        let hashes = second["metrics"]["nodes"].as_array().unwrap();
        assert!(hashes.len() == 50 && hashes.iter().all(|node| node["sessionHash"] != "s1"), "{second}");
        app.record_all(vec![of_session(3, 1)]).await;
        assert_eq!(events.field().await, json!({ "sessionHash": "s3" }));
        drop(events);
    }

    async fn a_dry_run_and_an_unknown_hash_delete_nothing(app: &TestApp) {
        fill(app, &[0, 1]).await;
        let before = answers(app).await;
        let output = app.delete_as(&["--session", "s1", "--dry-run"]).await.unwrap();
        assert_eq!(output.result, "s1  2026-01-05T03:00:00  90 metrics\n");
        assert!(output.note.starts_with("1 session with 90 metrics would be deleted from "), "{output:?}");
        let error = app.delete(&["s0", "nowhere", "s"]).await.unwrap_err();
        assert!(matches!(&error, DeleteError::Unknown(hashes) if hashes == "'nowhere', 's'"), "{error:?}");
        assert_eq!(answers(app).await, before);
    }

    /// All of a session is there, or nothing.
    async fn readers_never_see_a_part_of_a_session(app: &TestApp) {
        fill(app, &[0, 1, 2, 3, 4]).await;
        let there = app.second_server().await;
        let deleting = async {
            for hash in ["s3", "s0", "s4"] {
                app.delete(&[hash]).await.unwrap();
            }
        };
        let reading = async {
            let mut counts = BTreeSet::new();
            for server in [app, &there].into_iter().cycle() {
                let answer = server.bare("{ metricCount metrics(first: 500) { totalCount nodes { sessionHash } } }").await;
                let count = answer["metrics"]["nodes"].as_array().unwrap().len();
                assert!(count.is_multiple_of(90), "{count}");
                counts.insert(count);
                if count == 180 {
                    return counts;
                }
            }
            counts
        };
        let (counts, ()) = futures_util::join!(reading, deleting);
        assert!(counts.len() > 1, "{counts:?}");
        counters::check(&there).await;
        there.finish().await;
    }

    /// Also to the session that is deleted: what comes later is a new one.
    async fn metrics_arrive_meanwhile(app: &TestApp) {
        fill(app, &[0, 1, 2]).await;
        let recording = async {
            for n in 90..190 {
                app.record_all(vec![of_session(0, n), of_session(1, n), of_session(2, n)]).await;
            }
        };
        let deleting = async {
            // It changes all the time.
            while app.delete(&["s1"]).await.is_err() {}
            app.delete(&["s2"]).await
        };
        let ((), _) = futures_util::join!(recording, deleting);
        counters::check(app).await;
        assert_eq!(app.count("/sessions/s0/metrics/count").await, 190);
    }

    /// The metrics that are taken over are not sealed yet.
    async fn sessions_are_deleted_while_an_older_database_is_taken_over(app: &TestApp) {
        let old = TestApp::unsealed(app.engine()).await.unwrap();
        fill(&old, &[0, 1, 2, 3, 4, 5]).await;
        let new = old.second_server_with(|settings| settings.storage.segments = SegmentSizes { page: 16, segment: 64 }).await;
        new.delete(&["s3", "s0"]).await.unwrap();
        assert_eq!(new.count("/metrics/count").await, 360);
        counters::check(&new).await;
        new.finish().await;
        old.finish().await;
    }
}

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

/// Records 14 sessions of 10,000 metrics.
fn record_sessions(server: &Server) {
    let mutation = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { userErrors { code } } }";
    for s in 0..14 {
        let metrics: Vec<Value> = (0..10_000).map(|n| of_session(s, n)).collect();
        let (status, answer) =
            server.request("POST", "/graphql", &json!({ "query": mutation, "variables": { "m": metrics } }));
        assert_eq!((status, &answer["data"]["recordMetrics"]["userErrors"]), (200, &json!([])), "{answer}");
    }
}

/// Segments have their usual size here.
#[test]
fn a_deletion_that_is_killed_is_completed_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [ANYWHERE, ("METROGRAPH_MAX_BODY", "64MiB")];
    let server = Server::start(folder.path(), &[], &variables);
    record_sessions(&server);
    server.stop();
    let file = folder.path().join("metrograph.db");
    let length = || fs::metadata(&file).unwrap().len();
    let before = length();
    let mut left = 140_000;
    for (hash, delay) in [("s1", 300), ("s3", 900), ("s4", 2_000)] {
        let mut command = crate::support::program::command(folder.path(), &["delete", "--session", hash], &[]);
        let mut child = command.spawn().unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(delay) && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let server = Server::start(folder.path(), &[], &variables);
        // All of it or nothing.
        let of_session = server.get(&format!("/api/v1/sessions/{hash}/metrics/count"))["count"].as_u64().unwrap();
        assert!(of_session == 0 || of_session == 10_000, "{of_session}");
        left -= 10_000 - of_session;
        assert_eq!(server.count(), left);
        server.signal("KILL");
        assert_eq!(server.ended().code, None);
    }
    let server = Server::start(folder.path(), &[], &variables);
    let ended = run(folder.path(), &["delete", "--session", "s0", "s2", "s5", "s6"], &[]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 4), "{ended:?}");
    assert!(ended.stderr.starts_with("4 sessions with 40000 metrics deleted from "), "{ended:?}");
    assert_eq!(server.count(), left - 40_000);
    server.stop();
    let server = Server::start(folder.path(), &[], &variables);
    assert_eq!(server.count(), left - 40_000);
    until("what was deleted is cleared away", || {
        let sql = "SELECT (SELECT COUNT(*) FROM deletion)";
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let connection = Database::connect(format!("sqlite://{}", file.display())).await.unwrap();
            let left = number(&connection, sql).await;
            connection.close().await.unwrap();
            left == 0
        })
    });
    server.stop();
    // At least four of fourteen are gone, and what was free before.
    assert!(length() < before * 3 / 4, "{} of {before} bytes are left", length());
}

#[test]
fn the_command_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["delete", "--session", "a"], &[]).assert_refused(&["--database-url", "there is no database"]);
    Server::start(folder.path(), &[], &[ANYWHERE]).stop();
    run(folder.path(), &["delete"], &[]).assert_refused(&["--session"]);
    run(folder.path(), &["delete", "--session"], &[]).assert_refused(&["--session"]);
    run(folder.path(), &["delete", "--session", "a", "--session", "b"], &[]).assert_refused(&[
        "--session",
        "'a', 'b'",
        "nothing was deleted",
    ]);
    run(folder.path(), &["delete", "--session", "a", "--read-only"], &[]).assert_refused(&["--read-only"]);
}
