//! REST v1: a payload is returned as it was sent.

use serde_json::{Value, json};

use crate::support::{
    builders::rest::{context, metric, of_build, session},
    on_both_engines,
};

on_both_engines! {
    async fn a_metric_comes_back_as_it_was_sent(app: &TestApp) {
        let sent = metric(json!({}));
        assert_eq!(app.record(json!({})).await, sent);
        assert_eq!(app.v1("/metrics/").await, json!({ "metrics": [sent], "total_page": 1 }));
    }

    async fn figures_come_back_to_the_last_digit(app: &TestApp) {
        for figure in [0.1 + 0.2, 1e-7, 5e-324, f64::MAX, 1.0 / 3.0, 123_456_789.123_456_79, -5e-324] {
            let answer = app.record(json!({ "total_time": figure, "mem_usage": -figure })).await;
            let stored = app.v1("/metrics/?page=-1").await["metrics"].as_array().unwrap().last().unwrap().clone();
            for metric in [answer, stored] {
                assert_eq!(metric["total_time"].as_f64().unwrap().to_bits(), figure.to_bits(), "{figure:e}");
                assert_eq!(metric["mem_usage"].as_f64().unwrap().to_bits(), (-figure).to_bits(), "-{figure:e}");
            }
        }
    }

    async fn whole_numbers_are_figures_too(app: &TestApp) {
        let answer = app.record(json!({ "total_time": 3, "mem_usage": -2 })).await;
        assert_eq!((answer["total_time"].as_f64(), answer["mem_usage"].as_f64()), (Some(3.0), Some(-2.0)));
    }

    async fn a_negative_zero_is_zero(app: &TestApp) {
        app.record(json!({ "mem_usage": -0.0, "cpu_usage": -0.0 })).await;
        let text = app.get("/api/v1/metrics/").await.text();
        assert!(text.contains(r#""mem_usage":0.0"#) && text.contains(r#""cpu_usage":0.0"#), "{text}");
    }

    async fn texts_may_be_empty(app: &TestApp) {
        let empty =
            json!({ "item_path": "", "item": "", "item_variant": "", "item_fs_loc": "", "kind": "", "component": "" });
        assert_eq!(app.record(empty.clone()).await, metric(empty.clone()));
        assert_eq!(app.list("/metrics/").await, json!([metric(empty)]));
    }

    async fn texts_come_back_character_by_character(app: &TestApp) {
        for text in ["tab\tand\nline", " spaces ", "é ß 漢字 🦀", "'\"\\%_", "\u{1}\u{7f}\u{feff}", &"x".repeat(20_000)]
        {
            let changes = json!({ "item": text, "item_variant": text, "component": text, "item_fs_loc": text, "session_h": text });
            assert_eq!(app.record(changes.clone()).await, metric(changes), "{text:.20}");
            assert_eq!(app.list("/metrics/").await.as_array().unwrap().last().unwrap()["item_variant"], text);
        }
    }

    async fn a_time_comes_back_character_by_character(app: &TestApp) {
        let times = [
            "2026-01-05T03:00:00",
            "2026-01-05T03:00:00.125000",
            "2026-01-05T03:00:00.125",
            "2026-01-05T03:00:00.000000",
            "2026-01-05T03:00:00.1234567",
            "2026-01-05T03:00:00Z",
            "2026-01-05T03:00:00+02:00",
            "2026-01-05 03:00:00",
            "2026-01-05 03:00:00.125000",
            "2026-01-05T03:00",
            "2026-01-05",
            "0001-01-01T00:00:00",
            "1969-12-31T23:59:59.999999",
            "9999-12-31T23:59:59.999999",
        ];
        for time in times {
            assert_eq!(app.record(json!({ "item_start_time": time })).await["item_start_time"], time);
            assert_eq!(app.announce_as(json!({ "session_h": time, "run_date": time })).await["run_date"], time);
        }
        assert_eq!(app.column("/metrics/", "item_start_time").await, json!(times));
        assert_eq!(app.column("/sessions/", "run_date").await, json!(times));
    }

    async fn what_is_no_iso_date_is_refused(app: &TestApp) {
        for time in [
            "",
            "now",
            "03:00:00",
            "2026-02-30",
            "2026-13-01T00:00:00",
            "2026-01-05T25:00:00",
            "05/01/2026",
            "2026-01-05T03:00:00 ",
            "0000-01-01T00:00:00",
            "1767582000",
            "2026-01-05T03:00:00[Europe/Rome]",
        ] {
            app.post("/api/v1/metrics/", &metric(json!({ "item_start_time": time })))
                .await
                .refuses(400, "item_start_time");
            app.post("/api/v1/sessions/", &session(json!({ "run_date": time }))).await.refuses(400, "run_date");
        }
        assert_eq!(app.count("/metrics/count").await + app.count("/sessions/count").await, 0);
    }

    async fn test_passed_is_there_only_when_it_was_sent(app: &TestApp) {
        assert_eq!(app.record(json!({ "test_passed": true })).await["test_passed"], true);
        assert_eq!(app.record(json!({ "test_passed": false })).await["test_passed"], false);
        assert_eq!(app.record(json!({})).await.get("test_passed"), None);
        let metrics = app.list("/metrics/").await;
        let passed: Vec<_> = metrics.as_array().unwrap().iter().map(|metric| metric.get("test_passed")).collect();
        assert_eq!(passed, [Some(&json!(true)), Some(&json!(false)), None]);
    }

    async fn the_same_metric_twice_is_two_metrics(app: &TestApp) {
        app.record_items(&["a", "a"]).await;
        assert_eq!(app.count("/metrics/count").await, 2);
    }

    async fn a_metric_is_listed_before_its_session_and_context(app: &TestApp) {
        app.record(json!({ "item": "early" })).await;
        assert_eq!(app.items("/metrics/").await, json!(["early"]));
        assert_eq!(app.items("/sessions/s/metrics").await, json!(["early"]));
        assert_eq!(app.items("/contexts/c/metrics").await, json!(["early"]));
        assert_eq!(app.count("/sessions/s/metrics/count").await, 1);
        assert_eq!(app.count("/contexts/c/metrics/count").await, 1);
        for path in ["/sessions/", "/sessions/s", "/contexts/", "/contexts/c"] {
            assert_eq!(app.v1(path).await, Value::Null, "{path}");
        }
        assert_eq!(app.count("/sessions/count").await + app.count("/contexts/count").await, 0);
    }

    async fn a_metric_joins_its_session_when_that_is_announced(app: &TestApp) {
        app.record(json!({ "item": "early" })).await;
        app.announce_as(json!({ "scm_ref": "abc", "description": of_build("main", "7") })).await;
        app.announce_context(json!({})).await;
        assert_eq!(app.items("/filters/scm/abc/metrics").await, json!(["early"]));
        assert_eq!(app.count("/filters/scm/ab/metrics/count").await, 1);
        assert_eq!(app.list("/components/core/pipelines").await, json!(["main"]));
        assert_eq!(app.list("/components/core/pipelines/main/builds").await, json!(["7"]));
        assert_eq!(app.list("/components/core/pipelines/main/builds/7/sessions").await, json!(["s"]));
        assert_eq!(app.items("/resources/cpu/pipelines/main/builds/7/head/metrics").await, json!(["early"]));
        assert_eq!(app.count("/sessions/count").await + app.count("/contexts/count").await, 2);
        assert_eq!(app.count("/sessions/s/metrics/count").await, 1);
    }

    async fn sessions_and_contexts_are_listed_as_they_were_announced(app: &TestApp) {
        app.record(json!({ "session_h": "second", "context_h": "second" })).await;
        app.record(json!({ "session_h": "first", "context_h": "first" })).await;
        for hash in ["first", "second"] {
            app.announce(hash, json!({})).await;
            app.announce_context(json!({ "h": hash })).await;
        }
        assert_eq!(app.sessions("/sessions/").await, json!(["first", "second"]));
        assert_eq!(app.column("/contexts/", "h").await, json!(["first", "second"]));
    }

    async fn tags_keep_their_order_and_become_text(app: &TestApp) {
        let tags =
            json!({ "z": "last", "a": 3.5, "int": 42, "yes": true, "no": false, "none": null, "empty": "", "é": "ü" });
        let expected = json!([
            { "name": "z", "value": "last" }, { "name": "a", "value": "3.5" }, { "name": "int", "value": "42" },
            { "name": "yes", "value": "true" }, { "name": "no", "value": "false" }, { "name": "none", "value": "" },
            { "name": "empty", "value": "" }, { "name": "é", "value": "ü" },
        ]);
        assert_eq!(app.announce("s", tags).await["tags"], expected);
        assert_eq!(app.v1("/sessions/s").await["sessions"][0]["tags"], expected);
    }

    async fn tags_are_flat(app: &TestApp) {
        for tags in [json!({ "a": { "b": 1 } }), json!({ "a": ["b"] }), json!(["a"]), json!(1), json!(null)]
        {
            app.post("/api/v1/sessions/", &session(json!({ "description": tags }))).await.refuses(400, "description");
        }
        assert_eq!(app.count("/sessions/count").await, 0);
    }

    async fn a_revision_may_be_missing_null_or_empty(app: &TestApp) {
        let mut missing = session(json!({ "session_h": "missing" }));
        missing.as_object_mut().unwrap().remove("scm_ref");
        assert_eq!(app.post("/api/v1/sessions/", &missing).await.expect(201)["scm_ref"], Value::Null);
        assert_eq!(app.announce_as(json!({ "session_h": "null", "scm_ref": null })).await["scm_ref"], Value::Null);
        assert_eq!(app.announce_as(json!({ "session_h": "empty", "scm_ref": "" })).await["scm_ref"], "");
        assert_eq!(app.column("/sessions/", "scm_ref").await, json!([null, null, ""]));
    }

    async fn a_context_comes_back_with_its_hash_under_both_names(app: &TestApp) {
        let expected = context(json!({ "context_h": "c" }));
        assert_eq!(app.announce_context(json!({})).await, expected);
        assert_eq!(app.v1("/contexts/").await, json!({ "contexts": [expected], "total_page": 1 }));
        assert_eq!(app.v1("/contexts/c").await, json!({ "contexts": [expected], "total_page": 1 }));
    }

    async fn a_frequency_is_truncated(app: &TestApp) {
        assert_eq!(app.announce_context(json!({ "h": "a", "cpu_frequency": 2445.904 })).await["cpu_frequency"], 2445);
        assert_eq!(app.announce_context(json!({ "h": "b", "cpu_frequency": 0.9 })).await["cpu_frequency"], 0);
        assert_eq!(app.column("/contexts/", "cpu_frequency").await, json!([2445, 0]));
    }

    async fn a_vendor_may_be_missing_or_null(app: &TestApp) {
        let mut missing = context(json!({ "h": "missing" }));
        missing.as_object_mut().unwrap().remove("cpu_vendor");
        assert_eq!(app.post("/api/v1/contexts/", &missing).await.expect(201)["cpu_vendor"], Value::Null);
        assert_eq!(app.announce_context(json!({ "h": "null", "cpu_vendor": null })).await["cpu_vendor"], Value::Null);
    }

    async fn posting_the_same_again_is_no_error(app: &TestApp) {
        for _ in 0..2 {
            let answer = app.announce("s", json!({ "b": 1, "a": "x" })).await;
            assert_eq!(answer["tags"], json!([{ "name": "b", "value": "1" }, { "name": "a", "value": "x" }]));
            assert_eq!(app.announce_context(json!({ "cpu_frequency": 2445.904 })).await["cpu_frequency"], 2445);
        }
        assert_eq!(app.count("/sessions/count").await + app.count("/contexts/count").await, 2);
    }

    async fn a_race_to_announce_has_no_loser(app: &TestApp) {
        let race = (0..20)
            .map(|_| async { (app.announce("s", json!({ "a": "x" })).await, app.announce_context(json!({})).await) });
        let answers = futures_util::future::join_all(race).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(app.count("/sessions/count").await + app.count("/contexts/count").await, 2);
    }

    async fn an_existing_context_is_answered_as_stored(app: &TestApp) {
        let stored = app.announce_context(json!({})).await;
        assert_eq!(app.announce_context(json!({ "cpu_count": 99, "machine_node": "ci-2" })).await, stored);
        assert_eq!(app.list("/contexts/").await, json!([stored]));
    }

    async fn an_existing_session_with_another_payload_is_a_conflict(app: &TestApp) {
        app.announce("s", json!({ "a": "1" })).await;
        let stored = app.v1("/sessions/s").await;
        for other in [json!({ "a": "2" }), json!({}), json!({ "a": "1", "b": "1" })] {
            app.post("/api/v1/sessions/", &session(json!({ "description": other }))).await.refuses(409, "session 's'");
        }
        for other in
            [json!({ "scm_ref": "def" }), json!({ "scm_ref": null }), json!({ "run_date": "2026-01-05T03:00:01" })]
        {
            let payload = session(json!({ "description": { "a": "1" } }));
            let mut payload = payload.as_object().unwrap().clone();
            payload.extend(other.as_object().unwrap().clone());
            app.post("/api/v1/sessions/", &payload.into()).await.refuses(409, "session 's'");
        }
        assert_eq!(app.v1("/sessions/s").await, stored);
    }

    async fn unknown_members_are_ignored(app: &TestApp) {
        let answer = app.record(json!({ "color": "red", "page": 4, "nested": { "a": [1, "\u{0}"] } })).await;
        assert_eq!(answer, metric(json!({})));
        assert_eq!(app.announce_as(json!({ "extra": 1 })).await.get("extra"), None);
        assert_eq!(app.announce_context(json!({ "extra": 1 })).await.get("extra"), None);
    }
}
