//! Lists that are asked for while metrics arrive: each answer is true of one moment.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    history::{bare, metric, session},
    on_both_engines,
};

/// Asks again and again until all of `batches` are stored, one after the other.
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
    /// Each commit takes two variants to the same height.
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
}
