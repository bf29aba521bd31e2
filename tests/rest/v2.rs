//! REST v2: its endpoints, their filters and order, and what they refuse.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request},
};
use metrograph::config::AccessMode;
use serde_json::{Value, json};

use crate::support::{Engine, TestApp, builders::rest::of_build, on_both_engines};

const ENTRY_POINTS: [&str; 28] = [
    "/metrics",
    "/metrics/count",
    "/metrics/top",
    "/metrics/{id}",
    "/sessions",
    "/sessions/{hash}",
    "/contexts",
    "/contexts/{hash}",
    "/components",
    "/components/{name}",
    "/variants",
    "/variants/{id}",
    "/pipelines",
    "/pipelines/{name}",
    "/builds",
    "/builds/{id}",
    "/runs",
    "/runs/{id}",
    "/runs/{id}/appeared",
    "/runs/{id}/vanished",
    "/statistics/variants",
    "/statistics/components",
    "/statistics/machines",
    "/variants/{id}/history",
    "/comparisons/periods",
    "/comparisons/revisions",
    "/comparisons/runs",
    "/comparisons/tags",
];

/// Two builds on a machine, and a session that is not announced.
async fn fill(app: &TestApp) {
    app.announce_context(json!({})).await;
    for (hash, build, python, day) in [("s1", "7", "3.12", 5), ("s2", "8", "3.13", 6)] {
        let mut tags = of_build("main", build);
        tags["python"] = python.into();
        let started = format!("2026-01-0{day}T03:00:00");
        app.announce_as(
            json!({ "session_h": hash, "run_date": started, "scm_ref": format!("rev{day}"), "description": tags }),
        )
        .await;
        for (item, seconds) in [("test_a", 1.0), ("test_b", 2.0)] {
            let seconds = seconds + f64::from(day);
            app.record(json!({
                "session_h": hash, "item_start_time": format!("2026-01-0{day}T03:00:01"), "item": item,
                "item_variant": format!("{item}[1, 2]"), "total_time": seconds, "test_passed": day == 5,
            }))
            .await;
        }
    }
    app.record(json!({ "session_h": "s3", "item_start_time": "2026-01-07", "component": "", "item": "test_c" })).await;
}

async fn rows(app: &TestApp, path: &str) -> Vec<Value> {
    let answer = app.get(&format!("/api/v2{path}")).await.expect(200);
    let found = answer["nodes"].as_array().cloned();
    found.unwrap_or_else(|| panic!("{path}: {answer}"))
}

/// Returns one member of every row.
async fn column(app: &TestApp, path: &str, member: &str) -> Value {
    rows(app, path).await.iter().map(|row| row[member].clone()).collect()
}

on_both_engines! {
    async fn exactly_these_endpoints_are_documented(app: &TestApp) {
        let description = app.get("/api/v2/swagger.json").await.expect(200);
        let documented: BTreeSet<_> = description["paths"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(documented, ENTRY_POINTS.iter().map(|path| format!("/api/v2{path}")).collect());
        assert_eq!(description["info"]["title"], "Metrograph REST v2");
    }

    async fn a_metric_has_the_names_of_the_graph(app: &TestApp) {
        fill(app).await;
        let found = rows(app, "/metrics?first=1").await;
        let id = found[0]["id"].as_str().unwrap();
        let expected = json!([{
            "id": id, "session_hash": "s1", "context_hash": "c", "started_at": "2026-01-05T03:00:01",
            "component_name": "core", "item_path": "tests.test_a", "item_name": "test_a", "variant_name": "test_a[1, 2]",
            "location": "tests/test_a.py", "kind": "function", "total_time": 6.0, "user_time": 0.125,
            "kernel_time": 0.0625, "cpu_usage": 0.75, "memory_usage": 12.5, "passed": true,
            "session": {
                "run_date": "2026-01-05T03:00:00", "scm_ref": "rev5", "pipeline": { "name": "main" },
                "build": { "name": "7" },
            },
            "context": { "machine_node": "ci-1" },
        }]);
        assert_eq!(Value::from(found.clone()), expected);
        let last = rows(app, "/metrics?session=s3").await;
        assert_eq!((&last[0]["passed"], &last[0]["session"]), (&Value::Null, &Value::Null));
        assert_eq!(app.get(&format!("/api/v2/metrics/{id}")).await.expect(200), found[0]);
    }

    async fn metrics_are_filtered_by_what_they_belong_to(app: &TestApp) {
        fill(app).await;
        for (query, items) in [
            ("component=core&session=s1", vec!["test_a", "test_b"]),
            ("component=", vec!["test_c"]),
            ("pipeline=main&build=8", vec!["test_a", "test_b"]),
            ("scm_ref=rev6&item=test_b", vec!["test_b"]),
            ("variant=test_a[1,%202]", vec!["test_a", "test_a"]),
            ("variant_contains=b[1", vec!["test_b", "test_b"]),
            ("item_contains=_C", vec!["test_c"]),
            ("since=2026-01-06T03:00:01", vec!["test_a", "test_b", "test_c"]),
            ("since=2026-01-05&until=2026-01-06", vec!["test_a", "test_b"]),
            ("until=2026-01-05T03:00:01", vec![]),
            ("passed=false", vec!["test_a", "test_b"]),
            ("context=c&kind=function&path=tests.test_a&location=tests/test_a.py&first=1", vec!["test_a"]),
            ("context=d", vec![]),
            ("tag=python&tag_value=3.13", vec!["test_a", "test_b"]),
            ("tag=python&tag=pipeline_build_no&tag_value=3.13,7", vec![]),
            ("machine=ci-1&component=core&first=1", vec!["test_a"]),
            ("project=p", vec![]),
            ("branch=main", vec![]),
            ("order_by=started_at&direction=desc&first=3", vec!["test_c", "test_b", "test_a"]),
            ("direction=DESC&first=1", vec!["test_c"]),
            ("first=0", vec![]),
        ] {
            assert_eq!(column(app, &format!("/metrics?{query}"), "item_name").await, json!(items), "{query}");
        }
        for (query, count) in [("", 5), ("pipeline=main", 4), ("since=2026-01-06&passed=true", 0), ("variant_contains=test_b", 2), ("tag=python", 4)] {
            let answer = app.get(&format!("/api/v2/metrics/count?{query}")).await.expect(200);
            assert_eq!(answer, json!({ "metric_count": count }), "{query}");
        }
    }

    async fn the_metrics_that_used_most_come_first(app: &TestApp) {
        fill(app).await;
        let top = async |query: &str| column(app, &format!("/metrics/top?resource=total_time{query}"), "total_time").await;
        assert_eq!(top("&first=2").await, json!([8.0, 7.0]));
        assert_eq!(top("&direction=lowest&first=2").await, json!([0.25, 6.0]));
        assert_eq!(top("&build=7&item=test_a").await, json!([6.0]));
        assert_eq!(app.get("/api/v2/metrics/top?resource=cpu").await.expect(200).as_object().unwrap().len(), 1);
    }

    async fn the_other_lists_are_filtered_and_ordered(app: &TestApp) {
        fill(app).await;
        for (path, member, expected) in [
            ("/sessions", "hash", json!(["s1", "s2"])),
            ("/sessions?order_by=run_date&direction=desc", "hash", json!(["s2", "s1"])),
            ("/sessions?scm_ref=rev5", "hash", json!(["s1"])),
            ("/sessions?scm_ref_starts_with=rev&build=8&pipeline=main", "hash", json!(["s2"])),
            ("/sessions?tag=python", "metric_count", json!([2, 2])),
            ("/sessions?tag=python&tag_value=3.13", "hash", json!(["s2"])),
            ("/sessions?tag=python&tag=pipeline_build_no&tag_value=3.13,7", "hash", json!([])),
            ("/sessions?since=2026-01-06&until=2026-01-07", "hash", json!(["s2"])),
            ("/sessions?first=1", "pipeline", json!([{ "name": "main" }])),
            ("/contexts", "hash", json!(["c"])),
            ("/contexts?machine_node=ci-1&cpu_count=4&ram_total=16384", "machine_node", json!(["ci-1"])),
            ("/contexts?cpu_count=5", "hash", json!([])),
            ("/components", "name", json!(["core", ""])),
            ("/components?named=true", "metric_count", json!([4])),
            ("/components?name_contains=or", "name", json!(["core"])),
            ("/variants?direction=desc", "name", json!(["test_a[1]", "test_b[1, 2]", "test_a[1, 2]"])),
            ("/variants?item=test_b", "total_time", json!([{ "least": 7.0, "greatest": 8.0 }])),
            ("/variants?component=core&name_contains=a", "item", json!([{ "name": "test_a", "path": "tests.test_a" }])),
            ("/pipelines", "name", json!(["main"])),
            ("/pipelines?name=next", "name", json!([])),
            ("/builds?pipeline=main", "name", json!(["7", "8"])),
            ("/builds?order_by=run_date&direction=desc", "name", json!(["8", "7"])),
            ("/pipelines?order_by=run_date", "name", json!(["main"])),
            ("/builds?name=8", "pipeline", json!([{ "name": "main", "project": { "name": "" } }])),
            ("/builds?project=", "name", json!(["7", "8"])),
            ("/builds?project=core", "name", json!([])),
            ("/pipelines?project=", "project", json!([{ "name": "" }])),
            ("/sessions?project=core", "hash", json!([])),
            ("/metrics/top?resource=total_time&distinct=variant&first=2", "total_time", json!([8.0, 7.0])),
        ] {
            assert_eq!(column(app, path, member).await, expected, "{path}");
        }
    }

    async fn statistics_are_in_any_order(app: &TestApp) {
        fill(app).await;
        for (query, names) in [
            ("variants?resource=total_time&order_by=count&direction=asc&first=1", json!(["test_a[1]"])),
            ("variants?resource=total_time&order_by=first_seen&direction=asc&first=1", json!(["test_a[1, 2]"])),
            ("variants?resource=total_time&order_by=percentile&order_by_p=1&first=1", json!(["test_b[1, 2]"])),
            ("variants?resource=total_time&project=core", json!([])),
        ] {
            let found: Vec<Value> = rows(app, &format!("/statistics/{query}")).await.iter().map(|row| row["variant"]["name"].clone()).collect();
            assert_eq!(json!(found), names, "{query}");
        }
        assert_eq!(column(app, "/statistics/machines?resource=total_time&order_by=name", "machine").await, json!(["ci-1"]));
    }

    async fn each_object_is_found_by_its_key(app: &TestApp) {
        fill(app).await;
        for (list, key) in [
            ("/metrics", "id"), ("/sessions", "hash"), ("/contexts", "hash"), ("/components?named=true", "name"),
            ("/variants", "id"), ("/pipelines", "name"), ("/builds", "id"),
        ] {
            for row in rows(app, list).await {
                let path = format!("/api/v2{}/{}", list.split('?').next().unwrap(), row[key].as_str().unwrap());
                assert_eq!(app.get(&path).await.expect(200), row, "{path}");
                assert_eq!(app.get(&format!("{path}/")).await.expect(200), row, "{path}");
            }
        }
        app.announce("s4", of_build("feature/arrow", "9")).await;
        assert_eq!(app.get("/api/v2/pipelines/feature%2Farrow").await.expect(200)["name"], "feature/arrow");
    }

    async fn what_is_not_there_is_404(app: &TestApp) {
        fill(app).await;
        for (path, said) in [
            ("/sessions/s3", "hash: there is no 's3'"),
            ("/contexts/none", "hash: there is no 'none'"),
            ("/components/none", "name: there is no 'none'"),
            ("/pipelines/%22", "name: there is no '\"'"),
            // `Metric:999`, `Variant:999`, `Build:999`, and `Session:1`, which is no metric.
            ("/metrics/TWV0cmljOjk5OQ", "id: there is no 'TWV0cmljOjk5OQ'"),
            ("/variants/VmFyaWFudDo5OTk", "id: there is no"),
            ("/builds/QnVpbGQ6OTk5", "id: there is no"),
            ("/metrics/U2Vzc2lvbjox", "id: there is no 'U2Vzc2lvbjox'"),
            ("/nothing", "path"),
            ("/sessions/s1/metrics", "path"),
        ] {
            app.get(&format!("/api/v2{path}")).await.refuses(404, said);
        }
    }

    async fn what_can_not_be_meant_is_refused(app: &TestApp) {
        fill(app).await;
        for (path, said) in [
            ("/metrics?componnent=core", "componnent: no such parameter; did you mean component?"),
            ("/metrics?page=2", "page: no such parameter"),
            ("/components?colour=red", "give one of name, name_contains, named, direction, first, after"),
            ("/sessions/s1?hash=s2", "hash: no such parameter; there are no parameters"),
            ("/metrics?component=a&component=b", "component: it is given twice"),
            ("/metrics?first=501", "first: give a number from 0 to 500, not 501"),
            ("/metrics?first=-1", "first: give a number from 0 to 500"),
            ("/metrics?first=99999999999999999999", "first:"),
            ("/metrics?first=2147483648", "first"),
            ("/metrics?first=many", "first: 'many' is no whole number"),
            ("/metrics?first=", "first: '' is no whole number"),
            ("/metrics?since=yesterday", "since"),
            ("/metrics?until=2026-13-01", "until"),
            ("/metrics?passed=perhaps", "passed: 'perhaps' is neither true nor false"),
            ("/metrics?order_by=colour", "order_by: 'colour' is not one of inserted, started_at"),
            ("/metrics?direction=up", "direction: 'up' is not one of asc, desc"),
            ("/metrics?after=nowhere", "after: 'nowhere' is no cursor of a list in this order"),
            ("/metrics?component=%00", "component"),
            ("/metrics/top", "resource: it is required"),
            ("/metrics/top?resource=gold", "resource: 'gold' is not one of memory"),
            ("/metrics/top?resource=cpu&first=-1", "first"),
            ("/metrics/nonsense", "id: 'nonsense' is no id of this server"),
            ("/variants/QnVpbGQ6MQ", "id: this is the id of a Build, not of a Variant"),
            ("/contexts?cpu_count=four", "cpu_count: 'four' is no whole number"),
        ] {
            app.get(&format!("/api/v2{path}")).await.refuses(400, said);
        }
        let end = app.get("/api/v2/metrics?order_by=started_at").await.expect(200)["page_info"]["end_cursor"].to_string();
        let other = format!("/api/v2/metrics?after={}", end.trim_matches('"'));
        app.get(&other).await.refuses(400, "after");
    }

    async fn it_is_for_reading(app: &TestApp) {
        let body = json!({ "session_h": "s", "run_date": "2026-01-05", "description": {} });
        for path in ["/metrics", "/sessions/", "/contexts", "/sessions/s"] {
            let reply = app.post(&format!("/api/v2{path}"), &body).await;
            reply.refuses(405, "method");
            assert_eq!(reply.headers["allow"], "GET,HEAD", "{path}");
        }
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let request = Request::builder().method(method).uri("/api/v2/sessions/s").body(Body::empty()).unwrap();
            app.send(request).await.refuses(405, "method");
        }
        app.get("/variants?kind=function").await.refuses(404, "path");
        assert_eq!(app.get("/api/v2/sessions").await.expect(200)["nodes"], json!([]));
    }
}

#[tokio::test]
async fn a_closed_server_answers_with_a_token_only() {
    let app = TestApp::with(Engine::Sqlite, |settings| settings.access.mode = AccessMode::Closed).await.unwrap();
    for path in ["/metrics", "/metrics?nonsense=1", "/sessions/s", "/metrics/nonsense"] {
        app.accepting(&format!("/api/v2{path}"), "image/png").await.refuses(401, "token");
    }
    assert_eq!(app.get("/api/v2/swagger.json").await.status, 200);
    assert_eq!(app.get("/api/v2/docs/").await.status, 200);
    app.finish().await;
}
