//! Progress of a run, while it runs.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::{
        graphql::{metric, session},
        rest::of_build,
    },
    live::Events,
    on_both_engines,
};

const FIELDS: &str = "{ testsSeen testsExpected elapsed slowest { itemName totalTime } changed }";

async fn session_progress(app: &TestApp, hash: &str) -> Events {
    Events::post(app, &format!("subscription {{ runProgress(session: \"{hash}\") {FIELDS} }}")).await
}

async fn build_progress(app: &TestApp, pipeline: &str, build: &str) -> Events {
    let run = format!("build: {{pipeline: \"{pipeline}\", name: \"{build}\"}}");
    Events::post(app, &format!("subscription {{ runProgress({run}) {FIELDS} }}")).await
}

/// Announces a session of a build.
async fn announce(app: &TestApp, hash: &str, pipeline: &str, build: &str) {
    app.announce_session(session(hash, json!({ "tags": of_build(pipeline, build) }))).await;
}

/// Records metrics of these items and seconds, each started when the run was.
async fn record(app: &TestApp, session: &str, component: &str, tests: &[(&str, f64)]) {
    let one = |(item, seconds): &(&str, f64)| {
        metric(json!({ "sessionHash": session, "componentName": component, "itemName": item, "totalTime": seconds }))
    };
    app.record_all(tests.iter().map(one).collect()).await;
}

fn progress(seen: u64, expected: Option<u64>, elapsed: f64, slowest: &[(&str, f64)], changed: bool) -> Value {
    let slowest: Value =
        slowest.iter().map(|(item, seconds)| json!({ "itemName": item, "totalTime": seconds })).collect();
    json!({ "testsSeen": seen, "testsExpected": expected, "elapsed": elapsed, "slowest": slowest, "changed": changed })
}

on_both_engines! {
    async fn a_session_is_watched_from_before_its_start(app: &TestApp) {
        announce(app, "s1", "main", "1").await;
        record(app, "s1", "core", &[("a", 1.0), ("b", 2.0), ("c", 3.0)]).await;
        let mut events = session_progress(app, "s2").await;
        assert_eq!(events.field().await, progress(0, None, 0.0, &[], false));
        announce(app, "s2", "main", "2").await;
        assert_eq!(events.field().await, progress(0, Some(3), 0.0, &[], true));
        record(app, "s2", "core", &[("a", 1.5)]).await;
        assert_eq!(events.field().await, progress(1, Some(3), 1.5, &[("a", 1.5)], true));
        record(app, "s1", "core", &[("d", 9.0)]).await;
        events.assert_silent().await;
        let more: Vec<_> = ["b", "c", "d", "e", "f", "g"].into_iter().zip([0.5, 4.0, 0.25, 3.0, 2.0, 1.0]).collect();
        record(app, "s2", "core", &more).await;
        let slowest = [("c", 4.0), ("e", 3.0), ("f", 2.0), ("a", 1.5), ("g", 1.0)];
        // `elapsed` is that of the latest end, not of the newest metric.
        assert_eq!(events.field().await, progress(7, Some(3), 4.0, &slowest, true));
        // A later subscriber gets the current state.
        let mut late = session_progress(app, "s2").await;
        assert_eq!(late.field().await, progress(7, Some(3), 4.0, &slowest, false));
        // An implausible duration must not fail, and is ignored.
        record(app, "s2", "core", &[("x", 1e300)]).await;
        let progress = late.field().await;
        assert_eq!((&progress["elapsed"], &progress["slowest"][0]["itemName"]), (&json!(4.0), &json!("x")));
    }

    async fn a_session_that_only_metrics_have_named_began_with_the_first(app: &TestApp) {
        let at = |second: u8, total: f64| {
            metric(json!({ "sessionHash": "s", "startedAt": format!("2026-01-05T03:00:{second:02}"), "totalTime": total }))
        };
        app.record_all(vec![at(10, 1.0), at(20, 2.5)]).await;
        let mut events = session_progress(app, "s").await;
        let first = events.field().await;
        assert_eq!((&first["elapsed"], &first["testsSeen"], &first["testsExpected"]), (&json!(12.5), &json!(2), &Value::Null));
    }

    async fn a_session_is_compared_with_the_run_before_it(app: &TestApp) {
        let tests = [("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0), ("e", 1.0)];
        announce(app, "same", "main", "1").await;
        record(app, "same", "core", &tests[..2]).await;
        announce(app, "other component", "main", "2").await;
        record(app, "other component", "net", &tests[..3]).await;
        announce(app, "other pipeline", "next", "2").await;
        record(app, "other pipeline", "core", &tests[..4]).await;
        app.announce_session(session("no pipeline", json!({}))).await;
        record(app, "no pipeline", "core", &tests[..1]).await;
        announce(app, "worker", "main", "3").await;
        record(app, "worker", "core", &tests).await;
        announce(app, "now", "main", "3").await;
        record(app, "now", "core", &tests[..1]).await;
        app.announce_session(session("later", json!({ "tags": { "any": 1 } }))).await;
        record(app, "later", "core", &tests).await;
        announce(app, "after", "main", "4").await;
        record(app, "after", "core", &tests).await;
        for (hash, expected) in [("now", json!(2)), ("later", json!(1)), ("same", Value::Null)] {
            assert_eq!(session_progress(app, hash).await.field().await["testsExpected"], expected, "{hash}");
        }
    }

    async fn a_build_is_all_its_sessions(app: &TestApp) {
        for (build, hashes) in [("7", ["a1", "a2"]), ("8", ["b1", "b2"])] {
            for hash in hashes {
                announce(app, hash, "main", build).await;
                record(app, hash, "core", &[("x", 1.0), ("y", 2.0)]).await;
            }
        }
        record(app, "b2", "net", &[("z", 1.0)]).await;
        let mut events = build_progress(app, "main", "9").await;
        assert_eq!(events.field().await, progress(0, None, 0.0, &[], false));
        announce(app, "c1", "main", "9").await;
        assert_eq!(events.field().await, progress(0, Some(5), 0.0, &[], true));
        record(app, "c1", "core", &[("p", 1.0)]).await;
        assert_eq!(events.field().await, progress(1, Some(5), 1.0, &[("p", 1.0)], true));
        // Measured before it was announced as part of the build.
        record(app, "c2", "core", &[("early", 8.0), ("q", 2.0)]).await;
        events.assert_silent().await;
        announce(app, "c2", "main", "9").await;
        let slowest = [("early", 8.0), ("q", 2.0), ("p", 1.0)];
        assert_eq!(events.field().await, progress(3, Some(5), 8.0, &slowest, true));
        // Build 8 measured net, build 7 did not.
        record(app, "c1", "disk", &[("r", 0.5)]).await;
        assert_eq!(events.field().await["testsExpected"], Value::Null);
    }

    async fn one_run_is_asked_for(app: &TestApp) {
        for arguments in ["", "(session: \"s\", build: {pipeline: \"p\", name: \"1\"})"] {
            let mut events = Events::post(app, &format!("subscription {{ runProgress{arguments} {{ testsSeen }} }}")).await;
            let error = &events.next().await["errors"][0];
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
            assert_eq!(error["message"], "session, build: give one of them");
        }
    }

    async fn many_events_are_sent_a_few_times_a_second(app: &TestApp) {
        let mut events = session_progress(app, "s").await;
        events.field().await;
        let began = std::time::Instant::now();
        let tests = [("a", 1.0)];
        for _ in 0..60 {
            record(app, "s", "core", &tests).await;
        }
        let (mut received, mut seen) = (0, 0);
        while seen < 60 {
            seen = events.field().await["testsSeen"].as_u64().unwrap();
            received += 1;
        }
        assert!(received <= 2 + began.elapsed().as_millis() / 250, "{received} events");
    }

    async fn a_long_session_takes_as_many_statements_as_a_short_one(app: &TestApp) {
        let app = TestApp::unsealed(app.engine()).await.unwrap();
        let mut taken = Vec::new();
        for (hash, rows) in [("warm", 3), ("short", 3), ("long", 3000)] {
            app.record_all((0..rows).map(|_| metric(json!({ "sessionHash": hash }))).collect()).await;
            let mut one = session_progress(&app, hash).await;
            one.field().await;
            let mut other = session_progress(&app, hash).await;
            other.field().await;
            let before = app.statements();
            record(&app, hash, "core", &[("a", 1.0)]).await;
            one.field().await;
            other.field().await;
            taken.push(app.statements() - before);
        }
        assert_eq!(taken[1], taken[2], "{taken:?}");
        app.finish().await;
    }
}
