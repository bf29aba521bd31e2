//! Lists that are read while metrics arrive: each response shows one moment.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{metric, session},
    history::bare,
    on_both_engines,
};

/// Repeats the queries until all of `batches` are stored, one after the other.
async fn ask_while_recording(app: &TestApp, batches: Vec<Vec<Value>>, ask: impl AsyncFn()) {
    let is_done = Cell::new(false);
    let record = async {
        for batch in batches {
            app.record_all(batch).await;
        }
        is_done.set(true);
    };
    let asking = async {
        while !is_done.get() {
            ask().await;
        }
    };
    tokio::join!(record, asking);
}

on_both_engines! {
    /// Each commit raises two variants to the same value.
    async fn a_ranking_holds_all_of_a_commit_or_nothing(app: &TestApp) {
        app.announce_session(session("s1", json!({ "tags": { "pipeline_branch": "main" } }))).await;
        let pair = |n: u32| ["a", "b"].map(|variant| metric(json!({ "variantName": variant, "memoryUsage": n }))).to_vec();
        app.record_all(pair(0)).await;
        ask_while_recording(app, (1..150).map(pair).collect(), async || {
            let query = "{ all: topMetrics(resource: MEMORY, first: 2) { memoryUsage }
                main: topMetrics(resource: MEMORY, first: 2, where: {pipeline: {eq: \"main\"}}) { memoryUsage } }";
            let top = bare(app.graphql(query).await);
            for list in ["all", "main"] {
                assert_eq!(top[list][0], top[list][1], "{top}");
            }
        }).await;
    }

    async fn a_page_holds_no_more_than_its_count_says(app: &TestApp, page_size: 400) {
        let some = |rows: u32| (0..rows).map(|n| metric(json!({ "variantName": format!("v{}", n % 3) }))).collect::<Vec<_>>();
        // More than are sorted at once.
        app.record_all(some(9_000)).await;
        let query = "query($f: MetricWhere, $p: Int) { metricPage(where: $f, page: $p) { totalCount items { id } } }";
        ask_while_recording(app, vec![some(30); 40], async || {
            for filter in [json!({}), json!({ "variant": { "in": ["v1", "v2"] } }), json!({ "totalTime": { "gt": 0 } })] {
                let page = &app.run(query, json!({ "f": filter, "p": -1 })).await["metricPage"];
                let total = usize::try_from(page["totalCount"].as_u64().unwrap()).unwrap();
                assert_eq!(page["items"].as_array().unwrap().len(), (total - 1) % 400 + 1, "{filter}");
            }
        }).await;
    }

    /// A cached count is brought up to date; one within an `or` is always counted again.
    async fn a_count_asked_for_again_equals_a_fresh_one(app: &TestApp) {
        let other = app.second_server().await;
        let filters = ["scmRef: {startsWith: \"a\"}", "scmRef: {eq: \"ab\"}", "pipeline: {eq: \"main\"}", "pipeline: {like: \"M%\"}, build: {eq: \"1\"}"];
        for step in 0_u32..40 {
            let hash = format!("s{}", step * 7 % 10);
            let (scm_ref, pipeline) = (["ab", "ac", "b"][step as usize % 3], ["main", "next"][step as usize % 2]);
            match step % 4 {
                // Metrics of announced sessions, of sessions announced later, and of sessions never announced.
                0 | 2 => app.record_all((0..=step * 30).map(|n| metric(json!({ "sessionHash": format!("s{}", n % 12) }))).collect()).await,
                1 => other.record_all(vec![metric(json!({ "sessionHash": hash }))]).await,
                _ => {
                    let tags = json!({ "pipeline_branch": pipeline, "pipeline_build_no": "1" });
                    // It may already be announced with other values; then it stays as it is.
                    let announce = "mutation($i: AnnounceSessionInput!) { announceSession(input: $i) { userErrors { code } } }";
                    app.run(announce, json!({ "i": session(&hash, json!({ "scmRef": scm_ref, "tags": tags })) })).await;
                }
            }
            for filter in filters {
                // Some filters are used only seldom.
                if step % 3 == 0 || filter.starts_with("scm") {
                    let query = format!("{{ cached: metricCount(where: {{{filter}}}) fresh: metricCount(where: {{or: [{{{filter}}}]}}) }}");
                    let counts = app.graphql(&query).await;
                    assert_eq!(counts["cached"], counts["fresh"], "{step}: {filter}");
                }
            }
        }
        other.finish().await;
    }

    /// Matches are cached; what another server announces counts, too.
    async fn a_list_asked_for_again_has_what_was_announced_since(app: &TestApp, page_size: 2) {
        let other = app.second_server().await;
        // Metrics name the sessions in another order than that of the announcements.
        app.record_all((0..9).rev().map(|n| metric(json!({ "sessionHash": format!("s{n}") }))).collect()).await;
        let mut announced: Vec<String> = Vec::new();
        for n in 0..9 {
            let (hash, tags) = (format!("s{n}"), if n % 3 == 1 { json!({}) } else { json!({ "numpy": "1.20" }) });
            (if n % 2 == 0 { app } else { &other }).announce(&hash, tags).await;
            announced.extend((n % 3 != 1).then_some(hash));
            for (number, page) in announced.chunks(2).enumerate() {
                let number = number + 1;
                let path = format!("/sessions/?with_flags=numpy&page={number}");
                assert_eq!(app.sessions(&path).await, json!(page), "{n}, page {number}");
            }
            let count = "{ sessions(where: {tagged: {names: [\"numpy\"]}}) { totalCount } }";
            assert_eq!(app.graphql(count).await["sessions"]["totalCount"], announced.len(), "{n}");
        }
        other.finish().await;
    }

    /// A reader may have seen a newer announcement than the others, and cache what matches up to it.
    async fn a_list_that_many_ask_for_at_once_has_each_session_once(app: &TestApp) {
        let count = async || app.graphql("{ sessions(where: {tagged: {names: [\"numpy\"]}}) { totalCount } }").await;
        let is_done = Cell::new(false);
        let announce = async {
            for n in 0..150 {
                app.announce(&format!("s{n}"), json!({ "numpy": "1.20" })).await;
            }
            is_done.set(true);
        };
        let ask = async || while !is_done.get() { count().await; };
        tokio::join!(announce, ask(), ask(), ask(), ask());
        assert_eq!(count().await["sessions"]["totalCount"], 150);
        let all: Vec<String> = (0..150).map(|n| format!("s{n}")).collect();
        assert_eq!(app.sessions("/sessions/?with_flags=numpy").await, json!(all));
    }
}
