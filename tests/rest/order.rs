//! REST v1: the order of its lists, and the head and tail of a resource.

use serde_json::json;

use crate::support::{TestApp, builders::rest::of_build, on_both_engines};

/// Announces sessions in another order than that in which their builds are measured.
async fn builds(app: &TestApp) {
    for (hash, pipeline, build) in [("s1", "main", "1"), ("s2", "main", "2"), ("s3", "next", "1"), ("s4", "main", "1")]
    {
        app.announce(hash, of_build(pipeline, build)).await;
    }
    for (session, component) in
        [("s3", "io"), ("s4", "core"), ("s2", "io"), ("s1", "io"), ("s3", "core"), ("s1", "core")]
    {
        app.record(json!({ "session_h": session, "component": component })).await;
    }
}

/// Records metrics `n` to 1, whose numbers are their time.
async fn descending(app: &TestApp, n: u32) {
    for figure in (1..=n).rev() {
        app.record(json!({ "item": figure.to_string(), "mem_usage": figure, "total_time": -f64::from(figure) })).await;
    }
}

on_both_engines! {
    async fn metrics_come_as_they_were_inserted(app: &TestApp) {
        app.record(json!({ "item": "b", "item_start_time": "2026-01-05T03:00:00" })).await;
        app.record(json!({ "item": "a", "item_start_time": "2026-01-04T03:00:00" })).await;
        app.record(json!({ "item": "b", "item_start_time": "2026-01-03T03:00:00" })).await;
        assert_eq!(app.items("/metrics/").await, json!(["b", "a", "b"]));
        assert_eq!(app.items("/items/like/_/metrics").await, json!(["b", "a", "b"]));
    }

    async fn components_come_by_their_first_metric(app: &TestApp) {
        for component in ["io", "core.b", "core.a", "io", ""] {
            app.record(json!({ "component": component })).await;
        }
        assert_eq!(app.list("/components/").await, json!(["io", "core.b", "core.a", ""]));
        assert_eq!(app.list("/components/core").await, json!(["core.b", "core.a"]));
    }

    async fn pipelines_and_builds_come_by_their_first_session(app: &TestApp) {
        builds(app).await;
        assert_eq!(app.list("/pipelines/").await, json!(["main", "next"]));
        assert_eq!(app.list("/pipelines/main/builds").await, json!(["1", "2"]));
        assert_eq!(app.list("/pipelines/main/builds/1/sessions").await, json!(["s1", "s4"]));
    }

    async fn listings_under_a_component_come_by_its_first_metric(app: &TestApp) {
        builds(app).await;
        assert_eq!(app.list("/components/io/pipelines").await, json!(["next", "main"]));
        assert_eq!(app.list("/components/core/pipelines").await, json!(["main", "next"]));
        assert_eq!(app.list("/components/io/pipelines/main/builds").await, json!(["2", "1"]));
        assert_eq!(app.list("/components/core/pipelines/main/builds").await, json!(["1"]));
        assert_eq!(app.list("/components/core/pipelines/main/builds/1/sessions").await, json!(["s4", "s1"]));
    }

    async fn listings_under_a_component_are_right_when_the_sessions_come_last(app: &TestApp) {
        for (session, component) in
            [("s3", "io"), ("s4", "core"), ("s2", "io"), ("s1", "io"), ("s3", "core"), ("s1", "core")]
        {
            app.record(json!({ "session_h": session, "component": component })).await;
        }
        assert_eq!(app.list("/components/io/pipelines").await, json!([]));
        for (hash, pipeline, build) in
            [("s1", "main", "1"), ("s2", "main", "2"), ("s3", "next", "1"), ("s4", "main", "1")]
        {
            app.announce(hash, of_build(pipeline, build)).await;
        }
        assert_eq!(app.list("/components/io/pipelines").await, json!(["next", "main"]));
        assert_eq!(app.list("/components/core/pipelines").await, json!(["main", "next"]));
        assert_eq!(app.list("/components/io/pipelines/main/builds").await, json!(["2", "1"]));
        assert_eq!(app.list("/components/core/pipelines/main/builds/1/sessions").await, json!(["s4", "s1"]));
    }

    async fn a_build_is_listed_before_anything_was_measured_in_it(app: &TestApp) {
        app.announce("s", of_build("main", "7")).await;
        assert_eq!(app.list("/pipelines/").await, json!(["main"]));
        assert_eq!(app.list("/pipelines/main/builds/7/sessions").await, json!(["s"]));
    }

    async fn a_pipeline_needs_no_build_and_a_build_no_metrics(app: &TestApp) {
        app.announce("s", json!({ "pipeline_branch": "main" })).await;
        app.record(json!({})).await;
        assert_eq!(app.list("/pipelines/").await, json!(["main"]));
        assert_eq!(app.list("/pipelines/main/builds").await, json!([]));
        assert_eq!(app.list("/components/core/pipelines").await, json!(["main"]));
        assert_eq!(app.list("/components/core/pipelines/main/builds").await, json!([]));
    }

    async fn the_same_build_number_in_two_pipelines_is_two_builds(app: &TestApp) {
        app.announce("s1", of_build("main", "1")).await;
        app.announce("s2", of_build("next", "1")).await;
        assert_eq!(app.list("/pipelines/main/builds/1/sessions").await, json!(["s1"]));
        assert_eq!(app.list("/pipelines/next/builds/1/sessions").await, json!(["s2"]));
    }

    async fn head_is_the_highest_use_and_tail_the_lowest(app: &TestApp) {
        descending(app, 12).await;
        assert_eq!(app.items("/resources/memory/head/3/metrics").await, json!(["12", "11", "10"]));
        assert_eq!(app.items("/resources/memory/tail/3/metrics").await, json!(["1", "2", "3"]));
        assert_eq!(app.items("/resources/total_time/head/2/metrics").await, json!(["1", "2"]));
        assert_eq!(app.items("/resources/memory/head/metrics").await.as_array().unwrap().len(), 10);
        assert_eq!(app.items("/resources/memory/tail/0/metrics").await, json!([]));
    }

    async fn each_resource_ranks_by_its_own_figure(app: &TestApp) {
        let figures = ["mem_usage", "cpu_usage", "kernel_time", "user_time", "total_time"];
        for figure in figures {
            app.record(json!({ "item": figure, figure: 99 })).await;
        }
        for (resource, figure) in ["memory", "cpu", "kernel_time", "user_time", "total_time"].iter().zip(figures) {
            assert_eq!(app.items(&format!("/resources/{resource}/head/1/metrics")).await, json!([figure]));
        }
    }

    async fn more_than_500_means_500(app: &TestApp) {
        let posts = (0..502).map(|figure| app.record(json!({ "mem_usage": figure })));
        futures_util::future::join_all(posts).await;
        for n in ["500", "501", "18446744073709551616"] {
            let metrics = app.column(&format!("/resources/memory/head/{n}/metrics"), "mem_usage").await;
            assert_eq!(
                (metrics.as_array().unwrap().len(), &metrics[0], &metrics[499]),
                (500, &json!(501.0), &json!(2.0)),
                "{n}"
            );
        }
    }

    async fn a_number_that_is_none_is_not_found(app: &TestApp) {
        app.record_items(&["a"]).await;
        for n in ["-1", "abc", "1.5", "+1", "%20", "1e2"] {
            app.get(&format!("/api/v1/resources/memory/head/{n}/metrics")).await.refuses(404, "n:");
            app.get(&format!("/api/v1/resources/cpu/pipelines/x/builds/y/tail/{n}/metrics/")).await.refuses(404, "n:");
        }
    }

    async fn an_unknown_resource_is_not_found(app: &TestApp) {
        for resource in ["disk", "total", "mem_usage", "memory%20"] {
            app.get(&format!("/api/v1/resources/{resource}/head/metrics")).await.refuses(404, "resource");
            app.get(&format!("/api/v1/resources/{resource}/components/core/tail/3/metrics"))
                .await
                .refuses(404, "resource");
        }
        app.get("/api/v1/resources/memory/middle/metrics").await.refuses(404, "");
    }

    async fn resources_of_a_component_a_pipeline_and_a_build(app: &TestApp) {
        builds(app).await;
        for (item, session, component) in
            [("a", "s1", "core"), ("b", "s2", "core"), ("c", "s3", "io"), ("d", "s4", "io")]
        {
            app.record(json!({ "item": item, "session_h": session, "component": component, "mem_usage": 1000 })).await;
        }
        assert_eq!(app.items("/resources/memory/components/core/head/2/metrics").await, json!(["a", "b"]));
        assert_eq!(app.items("/resources/memory/pipelines/main/head/3/metrics").await, json!(["a", "b", "d"]));
        assert_eq!(app.items("/resources/memory/pipelines/next/head/1/metrics").await, json!(["c"]));
        assert_eq!(app.items("/resources/memory/pipelines/main/builds/1/head/2/metrics").await, json!(["a", "d"]));
        assert_eq!(app.items("/resources/memory/pipelines/main/builds/2/head/1/metrics").await, json!(["b"]));
    }
}
