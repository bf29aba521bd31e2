//! Deletion by request: who may do it, what goes, and the records of it.

use metrograph::config::AccessMode;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    access::bearer,
    builders::graphql::{metric, session},
    counters, on_both_engines,
};

const RECORDS: &str = "{ auditRecords { totalCount nodes { at token action subject sessionCount metricCount } } }";

fn deletion(filter: &str, more: &str) -> String {
    format!("mutation {{ deleteSessions(where: {filter}{more}) {{ sessionCount metricCount }} }}")
}

/// Six sessions with two metrics each, in builds 0 to 2 of two pipelines.
async fn fill(app: &TestApp) {
    for n in 0..6 {
        let tags =
            json!({ "pipeline_branch": if n < 4 { "main" } else { "next" }, "pipeline_build_no": (n / 2).to_string() });
        let date = format!("2026-01-0{}T03:00:00", n + 1);
        app.announce_session(session(&format!("s{n}"), json!({ "runDate": date, "tags": tags }))).await;
        app.record_all(
            (0..2).map(|m| metric(json!({ "sessionHash": format!("s{n}"), "variantName": format!("v{m}") }))).collect(),
        )
        .await;
    }
}

async fn hashes(app: &TestApp) -> Value {
    app.bare("{ sessions { nodes { hash } } }").await
}

on_both_engines! {
    async fn whoever_has_an_admin_token_deletes_sessions(app: &TestApp) {
        fill(app).await;
        let (reader, writer, admin) = (app.token("read").await, app.token("ingest").await, app.token("admin").await);
        let admin = bearer(&admin);
        let one = deletion("{hash: {eq: \"s0\"}}", "");
        for mode in [AccessMode::Read, AccessMode::Closed] {
            let guarded = app.guarded(mode).await;
            for question in [one.as_str(), RECORDS] {
                guarded.ask_as(None, question).await.refuses_caller(401, "admin");
                for token in [&reader, &writer] {
                    guarded.ask_as(Some(&bearer(token)), question).await.refuses_caller(403, "admin");
                }
            }
            guarded.finish().await;
        }
        // Where tokens are ignored, nobody may.
        for question in [one.as_str(), RECORDS] {
            let refusal = app.ask_as(Some(&admin), question).await.expect(403);
            assert!(refusal["errors"][0]["message"].as_str().unwrap().contains("metrograph delete"), "{refusal}");
        }
        let guarded = app.guarded(AccessMode::Closed).await;
        let ask = async |query: &str| guarded.ask_as(Some(&admin), query).await.expect(200)["data"].clone();
        let main = "{pipeline: {eq: \"main\"}, runDate: {gte: \"2026-01-02\"}}";
        assert_eq!(ask(&deletion(main, ", dryRun: true")).await["deleteSessions"], json!({ "sessionCount": 3, "metricCount": 6 }));
        assert_eq!(hashes(app).await, json!(["s0", "s1", "s2", "s3", "s4", "s5"]));
        assert_eq!(ask(RECORDS).await["auditRecords"]["totalCount"], 0);
        for (filter, sessions) in [(main, 3), (main, 0), ("{hash: {in: [\"s4\", \"unknown\"]}}", 1)] {
            let expected = json!({ "sessionCount": sessions, "metricCount": 2 * sessions });
            assert_eq!(ask(&deletion(filter, "")).await["deleteSessions"], expected, "{filter}");
        }
        assert_eq!(hashes(app).await, json!(["s0", "s5"]));
        assert_eq!(app.bare("{ metricCount }").await, json!(4));
        let mut records = ask(RECORDS).await["auditRecords"].take();
        for record in records["nodes"].as_array_mut().unwrap() {
            let at = record.as_object_mut().unwrap().remove("at").unwrap();
            assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
        }
        let record = |subject: &str, sessions: u32| json!({ "token": "admin", "action": "DELETE_SESSIONS", "subject": subject,
            "sessionCount": sessions, "metricCount": 2 * sessions });
        assert_eq!(records, json!({ "totalCount": 2, "nodes": [record(main, 3), record("{hash: {in: [\"s4\", \"unknown\"]}}", 1)] }));
        counters::check(app).await;
        guarded.finish().await;
    }

    async fn a_filter_without_a_condition_deletes_nothing(app: &TestApp) {
        fill(app).await;
        let admin = bearer(&app.token("admin").await);
        let guarded = app.guarded(AccessMode::Read).await;
        for (filter, reason) in [
            ("{}", "no condition"),
            ("{and: [{hash: {eq: null}}], tagged: {names: [], method: MATCH_ALL}}", "no condition"),
            ("{run: {eq: \"x\"}}", "where.run"),
            ("{hashes: {eq: \"s0\"}}", "hashes"),
        ] {
            let answer = guarded.ask_as(Some(&admin), &deletion(filter, "")).await.json();
            assert!(answer["errors"][0]["message"].as_str().unwrap().contains(reason), "{filter}: {answer}");
        }
        assert_eq!(app.bare("{ metricCount }").await, json!(12));
        guarded.finish().await;
    }

    async fn the_command_deletes_by_run_and_by_filter_and_leaves_a_record(app: &TestApp) {
        fill(app).await;
        let run = app.graphql("{ session(hash: \"s2\") { run { id } } }").await["session"]["run"]["id"].take();
        let run = run.as_str().unwrap();
        let would = app.delete_as(&["--run", run, "--dry-run"]).await.unwrap();
        assert_eq!(would.result, "s2  2026-01-03T03:00:00  2 metrics\ns3  2026-01-04T03:00:00  2 metrics\n");
        assert_eq!(app.bare("{ metricCount }").await, json!(12));
        app.delete_as(&["--run", run]).await.unwrap();
        let filter = "{pipeline: {eq: \"main\"}, runDate: {lt: \"2026-01-02\"}}";
        assert_eq!(app.delete_as(&["--where", filter]).await.unwrap().result, "s0  2026-01-01T03:00:00  2 metrics\n");
        app.delete_as(&["--session", "s5"]).await.unwrap();
        assert_eq!(hashes(app).await, json!(["s1", "s4"]));
        // Whoever deletes what is old does so every night.
        let nothing = app.delete_as(&["--where", filter]).await.unwrap();
        assert!(nothing.result.is_empty() && nothing.note.starts_with("0 sessions with 0 metrics deleted"), "{nothing:?}");
        for (arguments, reason) in [
            (["--run", run], "no session matches"),
            (["--where", "{}"], "no condition"),
            (["--where", "main"], "where:"),
            (["--run", "s1"], "'s1' is no id"),
        ] {
            let error = app.delete_as(&arguments).await.unwrap_err().to_string();
            assert!(error.contains(reason), "{arguments:?}: {error}");
        }
        let admin = bearer(&app.token("admin").await);
        let guarded = app.guarded(AccessMode::Read).await;
        let records = guarded.ask_as(Some(&admin), RECORDS).await.expect(200)["data"]["auditRecords"]["nodes"].take();
        let shown: Vec<_> = records.as_array().unwrap().iter().map(|record| (&record["token"], &record["subject"])).collect();
        let subjects = [json!(format!("{{run: {{in: [\"{run}\"]}}}}")), json!(filter), json!("{hash: {in: [\"s5\"]}}")];
        assert_eq!(shown, subjects.iter().map(|subject| (&Value::Null, subject)).collect::<Vec<_>>());
        counters::check(app).await;
        guarded.finish().await;
    }
}
