//! The duration of a run whose tests changed the clock of their machine.

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

/// A metric: its start, and its duration in seconds.
type Test = (&'static str, f64);

/// A run of six minutes: a test of 50 seconds each minute.
const RUN: [Test; 6] = [
    ("2026-01-05T03:00:10", 50.0),
    ("2026-01-05T03:01:10", 50.0),
    ("2026-01-05T03:02:10", 50.0),
    ("2026-01-05T03:03:10", 50.0),
    ("2026-01-05T03:04:10", 50.0),
    ("2026-01-05T03:05:10", 50.0),
];
/// The time of a changed clock.
const MOVED: [&str; 4] = ["2126-03-01T00:00:00", "1970-01-01T00:00:00", "9999-12-31T23:59:59", "2025-12-24T12:00:00"];
const YEAR: f64 = 365.0 * 86_400.0;

async fn record(app: &TestApp, hash: &str, tests: &[Test]) {
    let one =
        |(start, seconds): &Test| metric(json!({ "sessionHash": hash, "startedAt": start, "totalTime": seconds }));
    app.record_all(tests.iter().map(one).collect()).await;
}

async fn watch(app: &TestApp, run: &str) -> Events {
    Events::post(app, &format!("subscription {{ runProgress({run}) {{ elapsed testsSeen }} }}")).await
}

async fn elapsed(events: &mut Events) -> f64 {
    events.field().await["elapsed"].as_f64().unwrap()
}

/// Returns the first event of a session for a new subscriber.
async fn so_far(app: &TestApp, hash: &str) -> f64 {
    elapsed(&mut watch(app, &format!("session: \"{hash}\"")).await).await
}

/// Minutes, since what a clock change hides may be the pause before one test.
fn is_six_minutes(seconds: f64) -> bool {
    (290.0..=360.0).contains(&seconds)
}

on_both_engines! {
    async fn a_test_that_starts_on_a_moved_clock_is_no_matter_of_years(app: &TestApp) {
        for announced in [true, false] {
            for place in 0..RUN.len() {
                for moved in MOVED {
                    let hash = format!("{announced} {place} {moved}");
                    if announced {
                        app.announce_session(session(&hash, json!({}))).await;
                    }
                    let mut tests = RUN;
                    tests[place].0 = moved;
                    record(app, &hash, &tests).await;
                    let seconds = so_far(app, &hash).await;
                    assert!(is_six_minutes(seconds), "{hash}: {seconds}");
                }
            }
        }
    }

    async fn a_test_that_moves_the_clock_while_it_runs_takes_no_years(app: &TestApp) {
        for place in [0, 3, 5] {
            for said in [100.0 * YEAR, -100.0 * YEAR, 1e300, 3.0 * 86_400.0] {
                let hash = format!("{place} {said}");
                app.announce_session(session(&hash, json!({}))).await;
                let mut tests = RUN;
                tests[place].1 = said;
                record(app, &hash, &tests).await;
                let seconds = so_far(app, &hash).await;
                assert!((250.0..=360.0).contains(&seconds), "{hash}: {seconds}");
            }
        }
    }

    async fn a_clock_that_stays_moved_goes_on(app: &TestApp) {
        for (hash, first) in [("from the third on", 2), ("from the first on", 0), ("the last", 5)] {
            for year in ["2126", "1999"] {
                let hash = format!("{hash} {year}");
                app.announce_session(session(&hash, json!({}))).await;
                let starts: Vec<String> = RUN.iter().map(|(start, _)| start.replace("2026", year)).collect();
                let tests = RUN.iter().zip(&starts).enumerate();
                let tests = tests.map(|(n, ((start, took), moved))| (if n < first { *start } else { moved }, *took));
                let metrics = tests.map(|(start, took)| metric(json!({ "sessionHash": hash, "startedAt": start, "totalTime": took })));
                app.record_all(metrics.collect()).await;
                let seconds = so_far(app, &hash).await;
                assert!(is_six_minutes(seconds), "{hash}: {seconds}");
            }
        }
    }

    async fn clocks_that_were_not_moved_count_as_before(app: &TestApp) {
        app.announce_session(session("s", json!({}))).await;
        record(app, "s", &RUN).await;
        assert!((360.0..361.0).contains(&so_far(app, "s").await));
        // A long pause is part of the run.
        record(app, "s", &[("2026-01-05T08:00:00", 60.0)]).await;
        assert!((18_060.0..18_061.0).contains(&so_far(app, "s").await));
    }

    async fn a_run_that_is_watched_goes_by_the_servers_clock(app: &TestApp) {
        app.announce_session(session("s", json!({}))).await;
        let mut events = watch(app, "session: \"s\"").await;
        assert!((0.0..0.1).contains(&elapsed(&mut events).await));
        // Hours are plausible in a history, but not between two metrics that arrived moments apart.
        for test in [("2026-01-05T03:00:01", 1.0), ("2026-01-05T15:00:00", 1.0), ("2026-01-05T03:00:03", 7200.0), ("2026-01-05T03:00:05", 1.0)] {
            record(app, "s", &[test]).await;
            let seconds = elapsed(&mut events).await;
            assert!((1.0..=30.0).contains(&seconds), "{test:?}: {seconds}");
        }
        // Clocks that stay changed do not stop the duration either.
        let before = { record(app, "s", &[("2019-01-01T00:00:00", 2.0)]).await; elapsed(&mut events).await };
        record(app, "s", &[("2019-01-01T00:00:04", 2.0)]).await;
        assert!((1.0..=10.0).contains(&(elapsed(&mut events).await - before)));
    }

    async fn a_build_outlives_the_clock_of_one_of_its_machines(app: &TestApp) {
        let of_build = |date: &str| json!({ "runDate": date, "tags": of_build("main", "7") });
        for (hash, date) in [("a", "2026-01-05T03:00:00"), ("b", "2026-01-05T03:00:30"), ("c", "2126-01-05T03:00:00")] {
            app.announce_session(session(hash, of_build(date))).await;
            record(app, hash, &RUN).await;
        }
        let run = "build: {pipeline: \"main\", name: \"7\"}";
        let seconds = elapsed(&mut watch(app, run).await).await;
        assert!((360.0..361.0).contains(&seconds), "{seconds}");
        let moved: Vec<Test> = RUN.iter().map(|(_, took)| ("2226-01-01T00:00:00", *took)).collect();
        app.announce_session(session("d", of_build("1971-01-01T00:00:00"))).await;
        record(app, "d", &moved).await;
        assert!(is_six_minutes(elapsed(&mut watch(app, run).await).await));
    }

    async fn all_of_a_run_is_looked_at_in_parts_as_in_one_go(app: &TestApp) {
        let mut tests = RUN;
        tests[2].0 = MOVED[0];
        app.announce_session(session("s", json!({}))).await;
        record(app, "s", &tests[..3]).await;
        let mut events = watch(app, "session: \"s\"").await;
        let early: Value = events.field().await;
        assert_eq!((&early["testsSeen"], early["elapsed"].as_f64().unwrap() < 360.0), (&json!(3), true));
        record(app, "s", &tests[3..]).await;
        assert!(is_six_minutes(elapsed(&mut events).await));
        assert!(is_six_minutes(so_far(app, "s").await));
    }
}
