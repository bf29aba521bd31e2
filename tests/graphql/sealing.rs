//! The questions of every week have the same answers while metrics are compressed.

use serde_json::json;

use crate::support::{
    builders::graphql::{context, metric, session},
    on_both_engines,
};

/// Two sides of five sessions with this many variants, in another project than what is recorded meanwhile.
const VARIANTS: u32 = 12;

const QUESTIONS: [&str; 5] = [
    "metricGroups(where: {project: {eq: \"fixed\"}}, groupBy: [{by: VARIANT}, {time: DAY}], orderBy: {by: SUM, resource: MEMORY}, first: 500) {
        totalCount nodes { variant { name } bucket metricCount distinct(of: SESSION) stats(resource: TOTAL_TIME) { sum mean median p95 } } }",
    "metricGroups(where: {project: {eq: \"fixed\"}}, groupBy: [{by: SESSION}], untilShare: 0.5, orderBy: {by: SUM, resource: TOTAL_TIME, direction: DESC}) {
        nodes { session { hash } stats(resource: TOTAL_TIME) { share standardDeviation } } }",
    "topMetrics(resource: MEMORY, first: 20, where: {tagged: {names: [\"side\"], values: [\"after\"]}}) { variantName memoryUsage }",
    "comparison(resource: TOTAL_TIME, before: {tag: {name: \"side\", value: \"before\"}}, after: {tag: {name: \"side\", value: \"after\"}}) {
        summary { compared geometricMean } variants(first: 100) { nodes { variant { name } p before { median } after { median } interval { low high } } } }",
    "variants(where: {component: {eq: \"fixed\"}}, first: 100) { nodes { name history(resource: TOTAL_TIME) { start n min median mean max }
        sparkline(resource: MEMORY) stats(resource: KERNEL_TIME) { metricCount sum } } }",
];

on_both_engines! {
    async fn questions_have_the_same_answers_while_metrics_are_sealed(app: &TestApp) {
        app.announce_machine(context("c", json!({}))).await;
        let sessions: Vec<(String, &str)> =
            (0..10).map(|number| (format!("s{number}"), if number < 5 { "before" } else { "after" })).collect();
        for (day, (hash, side)) in (1..).zip(&sessions) {
            let tags = json!({ "side": side, "pipeline_branch": "main", "pipeline_build_no": day.to_string() });
            let date = format!("2026-01-{day:02}T03:00:00");
            app.announce_session(session(hash, json!({ "project": "fixed", "runDate": date, "tags": tags }))).await;
        }
        let fixed = sessions.iter().zip(0_u32..).flat_map(|((hash, _), day)| (0..VARIANTS).map(move |variant| {
            let chance = (day * VARIANTS + variant).wrapping_mul(2_654_435_761) >> 20;
            metric(json!({
                "sessionHash": hash, "contextHash": "c", "componentName": "fixed", "variantName": format!("v{variant}"),
                "startedAt": format!("2026-01-{:02}T03:00:{variant:02}", day + 1), "totalTime": 1.0 + f64::from(chance) / 1024.0,
                "memoryUsage": f64::from(chance % 300), "kernelTime": f64::from(variant) / 100.0,
            }))
        }));
        app.record_all(fixed.collect()).await;
        let question = format!("{{ {} }}", QUESTIONS.iter().zip(0..).map(|(text, number)| format!("q{number}: {text}")).collect::<Vec<_>>().join(" "));
        let first = app.graphql(&question).await;
        assert_eq!(first["q0"]["totalCount"], json!(10 * VARIANTS));
        assert_eq!(first["q3"]["summary"]["compared"], json!(VARIANTS));
        let recording = async {
            for number in 0..12_u32 {
                let others = (0..40).map(|n| metric(json!({ "sessionHash": "other", "variantName": format!("v{}", n % 5), "totalTime": number })));
                app.record_all(others.collect()).await;
            }
        };
        let asking = async {
            while app.bare("{ metricCount }").await != json!(10 * VARIANTS + 480) {
                assert_eq!(app.graphql(&question).await, first);
            }
            assert_eq!(app.graphql(&question).await, first);
        };
        futures_util::join!(recording, asking);
    }
}
