//! Rankings at every object with metrics, held against the metrics themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    builders::graphql::{metric, session},
    history::bare,
    on_both_engines,
};

/// Number of metrics: most are sealed.
const COUNT: u32 = 400;

/// Returns variant, session and memory of a metric. There are many ties.
fn measured(n: u32) -> (u32, u32, u32) {
    let chance = n.wrapping_mul(2_654_435_761) >> 20;
    (chance % 9, n / 40, chance % 50)
}

/// Returns the first `first` memory usages of the metrics of which `is_in` is true, of each variant only the first if so wanted.
fn ranking(highest: bool, distinct: bool, first: usize, is_in: impl Fn(u32) -> bool) -> Value {
    let mut metrics: Vec<u32> = (0..COUNT).filter(|n| is_in(*n)).collect();
    metrics.sort_by_key(|n| if highest { !measured(*n).2 } else { measured(*n).2 });
    let mut seen = BTreeMap::new();
    metrics.retain(|n| {
        let times: &mut u32 = seen.entry(measured(*n).0).or_default();
        *times += 1;
        !distinct || *times == 1
    });
    metrics
        .into_iter()
        .take(first)
        .map(|n| json!({ "memoryUsage": f64::from(measured(n).2), "itemName": format!("test_{}", measured(n).0) }))
        .collect()
}

on_both_engines! {
    async fn every_object_ranks_its_own_metrics(app: &TestApp) {
        for number in 0..10 {
            let tags = json!({ "pipeline_branch": format!("p{}", number / 5), "pipeline_build_no": (number / 2).to_string() });
            app.announce_session(session(&format!("s{number}"), json!({ "tags": tags }))).await;
        }
        app.announce_context(json!({})).await;
        let one = |n: u32| {
            let (variant, session, memory) = measured(n);
            metric(json!({
                "itemName": format!("test_{variant}"), "variantName": format!("test_{variant}[{}]", variant % 2),
                "componentName": format!("c{}", variant % 3), "sessionHash": format!("s{session}"), "contextHash": "c",
                "memoryUsage": memory,
            }))
        };
        for first in (0..COUNT).step_by(80) {
            app.record_all((first..first + 80).map(one).collect()).await;
        }
        let mut components: Vec<u32> = Vec::new();
        for component in (0..COUNT).map(|n| measured(n).0 % 3) {
            if !components.contains(&component) {
                components.push(component);
            }
        }
        let of_ranking = "topMetrics(resource: MEMORY, direction: $d, distinct: $u, first: $n) { memoryUsage itemName }";
        let query = format!(
            "query($d: TopDirection, $u: DistinctBy, $n: Int) {{
                all: {of_ranking}
                sessions {{ nodes {{ {of_ranking} }} }}
                builds {{ nodes {{ {of_ranking} }} }}
                pipelines {{ nodes {{ {of_ranking} }} }}
                components {{ nodes {{ {of_ranking} }} }}
                contexts {{ nodes {{ {of_ranking} }} }}
                runs(orderBy: {{ by: FIRST_SEEN }}) {{ nodes {{ {of_ranking} }} }}
                projects {{ nodes {{ {of_ranking} }} }}
                machineClasses {{ nodes {{ {of_ranking} }} }}
            }}"
        );
        for (highest, distinct, first) in [(true, true, 3), (true, false, 7), (false, true, 500), (false, false, 1), (true, true, 0)] {
            let variables = json!({
                "d": if highest { "HIGHEST" } else { "LOWEST" }, "u": if distinct { json!("VARIANT") } else { Value::Null }, "n": first,
            });
            let answer = bare(app.run(&query, variables).await);
            let of = |is_in: &dyn Fn(u32) -> bool| ranking(highest, distinct, first, is_in);
            let each = |count: u32, is_in: &dyn Fn(u32, u32) -> bool| (0..count).map(|of_| of(&|n| is_in(of_, n))).collect::<Vec<_>>();
            let case = format!("{highest} {distinct} {first}");
            assert_eq!(answer["all"], of(&|_| true), "{case}");
            assert_eq!(answer["sessions"], json!(each(10, &|session, n| measured(n).1 == session)), "{case}");
            assert_eq!(answer["builds"], json!(each(6, &|build, n| {
                // Build 2 of each pipeline has one session.
                let session = measured(n).1;
                [(0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (1, 4)][build as usize] == (session / 5, session / 2)
            })), "{case}");
            assert_eq!(answer["pipelines"], json!(each(2, &|pipeline, n| measured(n).1 / 5 == pipeline)), "{case}");
            assert_eq!(answer["components"], json!(each(3, &|at, n| measured(n).0 % 3 == components[at as usize])), "{case}");
            for whole in ["contexts", "projects", "machineClasses"] {
                assert_eq!(answer[whole], json!([of(&|_| true)]), "{case} {whole}");
            }
            // The sessions of a build are a run.
            assert_eq!(answer["runs"], answer["builds"], "{case}");
        }
    }

    async fn rankings_of_many_objects_take_one_scan(app: &TestApp) {
        let query = "{ sessions { nodes { topMetrics(resource: MEMORY, distinct: VARIANT, first: 2) { memoryUsage variantName } } } }";
        let mut taken = Vec::new();
        for number in 0..12 {
            app.announce_session(session(&format!("s{number}"), json!({}))).await;
            app.record_all(vec![metric(json!({ "sessionHash": format!("s{number}") }))]).await;
            app.bare(query).await;
            let before = app.statements();
            app.bare(query).await;
            taken.push(app.statements() - before);
        }
        assert!(taken.iter().all(|statements| *statements == taken[0]), "{taken:?}");
    }

    async fn wrong_arguments_are_named(app: &TestApp) {
        for (arguments, expected) in [
            ("resource: MEMORY, first: -1", "first: give a number from 0 to 500, not -1"),
            ("resource: MEMORY, distinct: TEST", "DistinctBy"),
        ] {
            let answer = app.graphql_with(&format!("{{ topMetrics({arguments}) {{ memoryUsage }} }}"), json!({})).await;
            let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
            assert!(message.contains(expected), "{answer:#}");
        }
    }
}
