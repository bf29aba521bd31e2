//! Connections: cursors that stay valid while rows arrive, limits, counts, filters and orders.

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    builders::graphql::{metric, session},
    history::bare,
    on_both_engines,
};

/// Every root list that has an order, with a field that identifies its objects.
const LISTS: [(&str, &str, &str); 11] = [
    ("metrics", "INSERTED", "memoryUsage"),
    ("metrics", "STARTED_AT", "memoryUsage"),
    ("sessions", "ANNOUNCED", "hash"),
    ("sessions", "RUN_DATE", "hash"),
    ("contexts", "ANNOUNCED", "hash"),
    ("components", "FIRST_SEEN", "name"),
    ("items", "FIRST_SEEN", "name"),
    ("variants", "FIRST_SEEN", "name"),
    ("pipelines", "FIRST_SEEN", "name"),
    ("builds", "FIRST_SEEN", "id"),
    ("tags", "FIRST_SEEN", "id"),
];

struct List<'a> {
    app: &'a TestApp,
    field: &'a str,
    /// The selected fields of each object.
    node: &'a str,
    /// `where` and `orderBy`.
    narrowed: String,
}

impl List<'_> {
    async fn stretch(&self, arguments: &str) -> Value {
        let Self { field, node, narrowed, .. } = self;
        let query = format!(
            "{{ {field}({narrowed} {arguments}) {{ nodes {{ {node} }} edges {{ cursor node {{ {node} }} }}
                pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let stretch = self.app.graphql(&query).await[*field].take();
        let edges = stretch["edges"].as_array().unwrap();
        assert_eq!(edges.iter().map(|edge| edge["node"].clone()).collect::<Value>(), stretch["nodes"]);
        let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
        assert_eq!(stretch["pageInfo"]["startCursor"], cursor(edges.first()));
        assert_eq!(stretch["pageInfo"]["endCursor"], cursor(edges.last()));
        stretch
    }

    async fn all(&self) -> Vec<Value> {
        let mut stretch = self.stretch("first: 500").await;
        serde_json::from_value(stretch["nodes"].take()).unwrap()
    }

    /// Pages through the whole list, `size` rows at a time, and runs `meanwhile` between the pages.
    async fn walk(&self, forwards: bool, size: usize, meanwhile: impl AsyncFn(usize)) -> Vec<Value> {
        let (count, beyond, next, cursor) = if forwards {
            ("first", "after", "hasNextPage", "endCursor")
        } else {
            ("last", "before", "hasPreviousPage", "startCursor")
        };
        let (mut seen, mut place, mut steps) = (Vec::new(), String::new(), 0);
        loop {
            let stretch = self.stretch(&format!("{count}: {size} {place}")).await;
            let nodes = stretch["nodes"].as_array().unwrap().clone();
            let at = if forwards { seen.len() } else { 0 };
            seen.splice(at..at, nodes);
            if stretch["pageInfo"][next] == false {
                return seen;
            }
            place = format!("{beyond}: {}", stretch["pageInfo"][cursor]);
            meanwhile(steps).await;
            steps += 1;
            assert!(steps < 100, "the list has no end");
        }
    }
}

fn list<'a>(app: &'a TestApp, (field, order, node): (&'a str, &str, &'a str), direction: &str) -> List<'a> {
    List { app, field, node, narrowed: format!("orderBy: {{by: {order}, direction: {direction}}}") }
}

/// Returns the `memoryUsage` of the matching metrics of the small history.
async fn matching(app: &TestApp, filter: &str) -> Vec<u64> {
    let answer = app
        .graphql(&format!(
            "{{ metrics(where: {filter}) {{ totalCount nodes {{ memoryUsage }} }} metricCount(where: {filter}) }}"
        ))
        .await;
    let nodes = answer["metrics"]["nodes"].as_array().unwrap();
    assert_eq!(answer["metrics"]["totalCount"], nodes.len(), "{filter}");
    assert_eq!(answer["metricCount"], nodes.len(), "{filter}");
    nodes.iter().map(|node| node["memoryUsage"].as_f64().unwrap().to_string().parse().unwrap()).collect()
}

async fn sessions(app: &TestApp, filter: &str) -> Value {
    let answer = app.graphql(&format!("{{ sessions(where: {filter}) {{ totalCount nodes {{ hash }} }} }}")).await;
    assert_eq!(answer["sessions"]["totalCount"], answer["sessions"]["nodes"].as_array().unwrap().len(), "{filter}");
    bare(answer["sessions"]["nodes"].clone())
}

on_both_engines! {
    async fn paging_gives_every_object_once_both_ways_in_every_order(app: &TestApp) {
        app.seed().await;
        for of in LISTS {
            let ascending = list(app, of, "ASC").all().await;
            assert!(ascending.len() >= 2, "{of:?}");
            let descending: Vec<_> = ascending.iter().rev().cloned().collect();
            for (direction, whole) in [("ASC", &ascending), ("DESC", &descending)] {
                let list = list(app, of, direction);
                for size in [1, 2, 3, whole.len(), whole.len() + 1] {
                    assert_eq!(&list.walk(true, size, async |_| ()).await, whole, "{of:?} {direction} {size} forwards");
                    assert_eq!(&list.walk(false, size, async |_| ()).await, whole, "{of:?} {direction} {size} backwards");
                }
            }
        }
    }

    async fn orders_are_what_they_say(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ metrics(orderBy: {by: STARTED_AT}) { nodes { memoryUsage } } }", json!([8.0, 6.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0])),
            ("{ metrics(orderBy: {by: STARTED_AT, direction: DESC}, first: 3) { nodes { memoryUsage } } }", json!([7.0, 5.0, 4.0])),
            ("{ metrics(orderBy: {by: INSERTED, direction: DESC}, first: 2) { nodes { memoryUsage } } }", json!([8.0, 7.0])),
            ("{ metrics(orderBy: {by: INSERTED, direction: DESC}, last: 2) { nodes { memoryUsage } } }", json!([2.0, 1.0])),
            ("{ sessions(orderBy: {by: RUN_DATE}) { nodes { hash } } }", json!(["s3", "s1", "s4", "s2", "s5"])),
            ("{ sessions(orderBy: {by: RUN_DATE, direction: DESC}, first: 2) { nodes { hash } } }", json!(["s5", "s2"])),
            ("{ sessions(orderBy: {by: ANNOUNCED, direction: DESC}, first: 2) { nodes { hash } } }", json!(["s5", "s4"])),
            ("{ components(orderBy: {by: FIRST_SEEN, direction: DESC}) { nodes { name } } }", json!(["", "net", "core"])),
        ]).await;
    }

    async fn rows_that_arrive_between_pages_neither_hide_nor_repeat_any(app: &TestApp) {
        app.seed().await;
        for (order, direction, forwards) in [("INSERTED", "ASC", true), ("INSERTED", "DESC", true), ("STARTED_AT", "ASC", true),
            ("STARTED_AT", "DESC", false), ("STARTED_AT", "ASC", false), ("INSERTED", "ASC", false)] {
            let list = list(app, ("metrics", order, "id"), direction);
            let before = list.all().await;
            let arrive = async |step: usize| {
                let day = if step.is_multiple_of(2) { "2020-01-01" } else { "2030-01-01" };
                if step < 4 {
                    app.record_all(vec![metric(json!({ "startedAt": day }))]).await;
                }
            };
            let seen = list.walk(forwards, 2, arrive).await;
            let of_before: Vec<_> = seen.iter().filter(|id| before.contains(id)).cloned().collect();
            assert_eq!(of_before, before, "{order} {direction}");
            let mut once = seen.clone();
            once.sort_by_key(Value::to_string);
            once.dedup();
            assert_eq!(once.len(), seen.len(), "{order} {direction}");
        }
    }

    async fn page_info_says_whether_the_list_goes_on(app: &TestApp) {
        app.seed().await;
        let list = list(app, ("metrics", "INSERTED", "id"), "ASC");
        let cursors: Vec<_> = list.stretch("").await["edges"].as_array().unwrap().iter().map(|edge| edge["cursor"].to_string()).collect();
        for (arguments, rows, next, previous) in [
            ("first: 8".to_owned(), 8, false, false),
            ("first: 7".to_owned(), 7, true, false),
            ("first: 0".to_owned(), 0, true, false),
            ("last: 7".to_owned(), 7, false, true),
            ("last: 8".to_owned(), 8, false, false),
            (format!("first: 2, after: {}", cursors[1]), 2, true, true),
            (format!("first: 6, after: {}", cursors[1]), 6, false, true),
            (format!("last: 2, before: {}", cursors[2]), 2, true, false),
            (format!("last: 1, before: {}", cursors[2]), 1, true, true),
            (format!("after: {}, before: {}", cursors[1], cursors[4]), 2, false, true),
            (format!("after: {}", cursors[7]), 0, false, true),
        ] {
            let stretch = list.stretch(&arguments).await;
            let info = &stretch["pageInfo"];
            let said = (stretch["nodes"].as_array().unwrap().len(), &info["hasNextPage"], &info["hasPreviousPage"]);
            assert_eq!(said, (rows, &json!(next), &json!(previous)), "{arguments}");
        }
    }

    async fn a_cursor_of_another_order_or_none_at_all_is_refused(app: &TestApp) {
        app.seed().await;
        let inserted = list(app, ("metrics", "INSERTED", "id"), "ASC").stretch("first: 1").await["pageInfo"]["endCursor"].to_string();
        let announced = list(app, ("sessions", "ANNOUNCED", "id"), "ASC").stretch("first: 1").await["pageInfo"]["endCursor"].to_string();
        let starts = "orderBy: {by: STARTED_AT},";
        for (arguments, cursor) in [(starts, &*inserted), ("", &announced), ("", "\" \""), ("", "\"x\""), ("", "\"🙂\""), ("", "\"SW5zZXJ0ZWQ6MQ\"")] {
            for place in ["after", "before"] {
                let query = format!("{{ metrics({arguments} {place}: {cursor}) {{ nodes {{ id }} }} }}");
                assert_eq!(app.graphql_error(&query).await, "BAD_USER_INPUT", "{query}");
            }
        }
    }

    async fn a_window_has_0_to_500_rows_from_one_end(app: &TestApp) {
        app.record_all((0..502).map(|_| metric(json!({}))).collect()).await;
        for (wrong, code) in [("first: -1", "BAD_USER_INPUT"), ("first: 501", "LIMIT_EXCEEDED"), ("first: 100000", "LIMIT_EXCEEDED"),
            ("last: -1", "BAD_USER_INPUT"), ("last: 501", "LIMIT_EXCEEDED"), ("first: 1, last: 1", "BAD_USER_INPUT")] {
            assert_eq!(app.graphql_error(&format!("{{ metrics({wrong}) {{ nodes {{ id }} }} }}")).await, code, "{wrong}");
        }
        for (right, rows) in [("first: 0", 0), ("first: 500", 500), ("last: 500", 500), ("after: null", 50)] {
            let nodes = app.bare(&format!("{{ metrics({right}) {{ nodes {{ id }} }} }}")).await;
            assert_eq!(nodes.as_array().unwrap().len(), rows, "{right}");
        }
    }

    async fn total_count_is_that_of_the_whole_narrowed_list(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ metrics(first: 1) { totalCount } }", json!(8)),
            ("{ metrics(first: 0, where: {totalTime: {gte: 3}}) { totalCount } }", json!(5)),
            ("{ sessions { nodes { metrics(first: 1) { totalCount } } } }", json!([3, 2, 1, 0, 1])),
            ("{ sessions { nodes { metrics(where: {component: {eq: \"core\"}}) { totalCount } } } }", json!([2, 1, 0, 0, 1])),
            ("{ components { nodes { variants { totalCount } } } }", json!([3, 1, 1])),
            ("{ pipelines { nodes { builds { totalCount } } } }", json!([2, 1])),
            ("{ tags(where: {name: {eq: \"python\"}}) { nodes { sessions { totalCount } } } }", json!([2, 1])),
        ]).await;
    }

    async fn text_filters(app: &TestApp) {
        app.seed().await;
        for (filter, expected) in [
            (r#"{component: {eq: "net"}}"#, vec![3, 6]),
            (r#"{component: {eq: ""}}"#, vec![5]),
            (r#"{component: {eq: "NET"}}"#, vec![]),
            (r#"{component: {in: ["net", "", "no"]}}"#, vec![3, 5, 6]),
            ("{component: {in: []}}", vec![]),
            ("{component: {}}", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            ("{component: null}", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            ("{pipeline: {}, build: {eq: null}, scmRef: {}}", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            ("{}", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            (r#"{item: {like: "TEST_"}}"#, vec![]),
            (r#"{item: {like: "TEST__"}}"#, vec![1, 2, 3, 4, 5, 6, 7, 8]),
            (r#"{item: {like: "TEST_a"}}"#, vec![1, 2, 4, 8]),
            (r#"{variant: {like: "%[2]"}}"#, vec![2]),
            (r#"{variant: {like: "test\\_a%"}}"#, vec![]),
            (r#"{variant: {contains: "A["}}"#, vec![1, 2, 4, 8]),
            (r#"{variant: {startsWith: "test_a"}}"#, vec![1, 2, 4, 8]),
            (r#"{variant: {startsWith: "TEST_a"}}"#, vec![]),
            (r#"{variant: {startsWith: "%"}}"#, vec![]),
            (r#"{variant: {startsWith: ""}}"#, vec![1, 2, 3, 4, 5, 6, 7, 8]),
            (r#"{variant: {startsWith: "test_a", contains: "2"}}"#, vec![2]),
            (r#"{path: {eq: "pkg.a"}, kind: {eq: "function"}, location: {like: "%.py"}, item: {eq: "test_d"}}"#, vec![7]),
            (r#"{session: {in: ["s9", "s2"]}}"#, vec![4, 5, 8]),
            (r#"{context: {like: "C9"}}"#, vec![8]),
            (r#"{pipeline: {eq: "main"}, build: {eq: "1"}}"#, vec![1, 2, 3]),
            (r#"{scmRef: {in: ["bbb"]}}"#, vec![4, 5]),
        ] {
            assert_eq!(matching(app, filter).await, expected, "{filter}");
        }
    }

    async fn number_and_date_filters(app: &TestApp) {
        app.seed().await;
        for (filter, expected) in [
            ("{totalTime: {gt: 3}}", vec![4, 5, 8]),
            ("{totalTime: {gte: 3}}", vec![3, 4, 5, 6, 8]),
            ("{totalTime: {lt: 1}}", vec![7]),
            ("{totalTime: {lte: 1.0}}", vec![1, 7]),
            ("{totalTime: {gt: 1, lt: 3}}", vec![2]),
            ("{totalTime: {eq: 0.5}}", vec![7]),
            ("{totalTime: {in: [8, 0.5]}}", vec![7, 8]),
            ("{totalTime: {in: []}}", vec![]),
            ("{memoryUsage: {lte: 2}, cpuUsage: {eq: 0.75}, userTime: {lt: 1}, kernelTime: {gt: 0}}", vec![1, 2]),
            (r#"{startedAt: {gte: "2026-01-06"}}"#, vec![4, 5, 7]),
            (r#"{startedAt: {gt: "2026-01-06T03:00:00"}}"#, vec![7]),
            (r#"{startedAt: {lt: "2026-01-01"}}"#, vec![8]),
            (r#"{startedAt: {lte: "2026-01-01T00:00"}}"#, vec![6, 8]),
            (r#"{startedAt: {eq: "2026-01-05T03:00:03.25"}}"#, vec![3]),
            (r#"{startedAt: {in: ["2026-01-07", "2026-01-05 03:00:01"]}}"#, vec![1, 7]),
            ("{passed: false}", vec![3]),
            ("{not: {passed: true}}", vec![3, 8]),
            ("{not: {not: {passed: true}}}", vec![1, 2, 4, 5, 6, 7]),
        ] {
            assert_eq!(matching(app, filter).await, expected, "{filter}");
        }
    }

    async fn connectives_nest(app: &TestApp) {
        app.seed().await;
        for (filter, expected) in [
            ("{or: []}", vec![]),
            ("{and: []}", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            ("{not: {}}", vec![]),
            ("{not: {or: []}}", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            ("{not: {component: {in: []}}}", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            (r#"{not: {component: {eq: "core"}}}"#, vec![3, 5, 6]),
            (r#"{or: [{component: {eq: "net"}}, {totalTime: {gt: 4}}]}"#, vec![3, 5, 6, 8]),
            (r#"{or: [{component: {eq: "net"}, totalTime: {gt: 4}}, {session: {eq: "s5"}}]}"#, vec![7]),
            (r#"{totalTime: {lt: 5}, or: [{component: {eq: "net"}}, {totalTime: {gt: 3}}]}"#, vec![3, 4, 6]),
            (r#"{and: [{or: [{session: {eq: "s1"}}, {session: {eq: "s2"}}]}, {not: {context: {eq: "c1"}}}]}"#, vec![3, 5]),
            (r#"{not: {and: [{component: {eq: "core"}}, {not: {item: {eq: "test_d"}}}]}}"#, vec![3, 5, 6, 7]),
            (r#"{not: {not: {not: {not: {session: {eq: "s1"}}}}}}"#, vec![1, 2, 3]),
        ] {
            assert_eq!(matching(app, filter).await, expected, "{filter}");
        }
    }

    async fn a_negated_filter_takes_what_its_positive_leaves(app: &TestApp) {
        app.seed().await;
        for filter in [r#"pipeline: {eq: "main"}"#, r#"build: {eq: "1"}"#, r#"scmRef: {eq: "aaa"}"#, r#"session: {eq: "s9"}"#] {
            let taken = matching(app, &format!("{{{filter}}}")).await;
            let left: Vec<_> = (1..=8).filter(|number| !taken.contains(number)).collect();
            assert_eq!(matching(app, &format!("{{not: {{{filter}}}}}")).await, left, "{filter}");
        }
    }

    async fn sessions_are_filtered_by_fields_and_tags(app: &TestApp) {
        app.seed().await;
        for (filter, expected) in [
            (r#"{pipeline: {eq: "main"}}"#, json!(["s1", "s2", "s4"])),
            (r#"{build: {eq: "1"}}"#, json!(["s1", "s3"])),
            (r#"{hash: {in: ["s5", "s9"]}}"#, json!(["s5"])),
            (r#"{scmRef: {startsWith: "a"}}"#, json!(["s1"])),
            (r#"{runDate: {gte: "2026-01-05T03:00:00", lt: "2026-01-07"}}"#, json!(["s1", "s2", "s4"])),
            (r#"{tagged: {names: ["python"]}}"#, json!(["s1", "s2", "s3"])),
            (r#"{tagged: {names: ["python"], values: ["3.12"]}}"#, json!(["s1", "s3"])),
            (r#"{tagged: {names: ["python", "pipeline_branch"], values: ["3.13", "next"]}}"#, json!(["s2", "s3"])),
            (r#"{tagged: {names: ["python", "pipeline_branch"], values: ["3.12", "next"], method: MATCH_ALL}}"#, json!(["s3"])),
            (r#"{tagged: {names: ["python", "pipeline_branch"], values: ["", "main"], method: MATCH_ALL}}"#, json!(["s1", "s2"])),
            ("{tagged: {names: []}}", json!(["s1", "s2", "s3", "s4", "s5"])),
            ("{tagged: {}}", json!(["s1", "s2", "s3", "s4", "s5"])),
            (r#"{not: {tagged: {names: ["python"]}}}"#, json!(["s4", "s5"])),
            (r#"{not: {scmRef: {eq: "aaa"}}}"#, json!(["s2", "s3", "s4", "s5"])),
            (r#"{not: {or: [{scmRef: {eq: "aaa"}}, {pipeline: {eq: "next"}}]}}"#, json!(["s2", "s4", "s5"])),
            (r#"{not: {scmRef: {eq: "aaa"}, hash: {eq: "s1"}}}"#, json!(["s2", "s3", "s4", "s5"])),
        ] {
            assert_eq!(sessions(app, filter).await, expected, "{filter}");
        }
    }

    async fn every_object_type_has_its_filters(app: &TestApp) {
        app.seed().await;
        app.answers(&[
            ("{ contexts(where: {cpuCount: {lt: 8}}) { nodes { hash } } }", json!(["c2"])),
            ("{ contexts(where: {ramTotal: {in: [32000]}, machineNode: {eq: \"node\"}}) { nodes { hash } } }", json!(["c1"])),
            ("{ contexts(where: {not: {cpuVendor: {eq: \"Maker 1\"}}}) { nodes { hash } } }", json!(["c2"])),
            ("{ components(where: {name: {contains: \"E\"}}) { nodes { name } } }", json!(["core", "net"])),
            ("{ items(where: {component: {eq: \"core\"}, path: {eq: \"pkg.a\"}}) { nodes { name } } }", json!(["test_a", "test_d"])),
            ("{ variants(where: {item: {eq: \"test_a\"}, not: {name: {like: \"%1%\"}}}) { nodes { name } } }", json!(["test_a[2]"])),
            ("{ pipelines(where: {name: {startsWith: \"n\"}}) { nodes { name } } }", json!(["next"])),
            ("{ builds(where: {name: {eq: \"1\"}, pipeline: {eq: \"next\"}}) { nodes { sessions { nodes { hash } } } } }", json!([["s3"]])),
            ("{ tags(where: {name: {eq: \"python\"}, value: {like: \"%13\"}}) { nodes { value } } }", json!(["3.13"])),
            ("{ session(hash: \"s1\") { contexts(where: {cpuCount: {eq: 4}}) { nodes { hash } } } }", json!(["c2"])),
        ]).await;
    }

    async fn one_list_can_be_asked_twice_under_aliases(app: &TestApp) {
        app.seed().await;
        let query = "{ sessions(first: 2) { nodes {
            oldest: metrics(first: 1) { nodes { memoryUsage } }
            newest: metrics(first: 1, orderBy: {by: INSERTED, direction: DESC}) { nodes { memoryUsage } }
            last: metrics(last: 2) { nodes { memoryUsage } }
            net: metrics(where: {component: {eq: \"net\"}}) { nodes { memoryUsage } totalCount }
        } } }";
        assert_eq!(app.bare(query).await, json!([
            { "oldest": [1.0], "newest": [3.0], "last": [2.0, 3.0], "net": { "nodes": [3.0], "totalCount": 1 } },
            { "oldest": [4.0], "newest": [5.0], "last": [4.0, 5.0], "net": { "nodes": [], "totalCount": 0 } },
        ]));
    }

    async fn a_nested_list_goes_on_from_its_cursor(app: &TestApp) {
        app.seed().await;
        let query = "query($after: String) { session(hash: \"s1\") { metrics(first: 2, after: $after) {
            nodes { memoryUsage } pageInfo { hasNextPage hasPreviousPage endCursor } } } }";
        let first = app.run(query, json!({})).await;
        let info = &first["session"]["metrics"]["pageInfo"];
        assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(true), &json!(false)));
        let second = app.run(query, json!({ "after": info["endCursor"] })).await;
        assert_eq!(second["session"]["metrics"]["nodes"], json!([{ "memoryUsage": 3.0 }]));
        let info = &second["session"]["metrics"]["pageInfo"];
        assert_eq!((&info["hasNextPage"], &info["hasPreviousPage"]), (&json!(false), &json!(true)));
    }

    async fn arguments_may_be_variables_that_are_left_out(app: &TestApp) {
        app.seed().await;
        let query = "query($n: Int, $l: Int, $a: String, $f: MetricWhere, $o: MetricOrder) {
            metrics(first: $n, last: $l, after: $a, where: $f, orderBy: $o) { nodes { memoryUsage } }
            topMetrics(resource: MEMORY, first: $n) { memoryUsage } metricCount }";
        let whole = app.run("{ metrics { nodes { memoryUsage } } topMetrics(resource: MEMORY) { memoryUsage } metricCount }", json!({})).await;
        assert_eq!(app.run(query, json!({})).await, whole);
        let two = app.run(query, json!({ "n": 2 })).await;
        assert_eq!(bare(two), json!({ "metrics": [1.0, 2.0], "topMetrics": [8.0, 7.0], "metricCount": 8 }));
    }

    async fn many_equal_sort_keys_are_paged_without_loss(app: &TestApp) {
        app.record_all((0..9).map(|n| metric(json!({ "memoryUsage": n }))).collect()).await;
        for n in 0..5 {
            app.announce_session(session(&format!("e{n}"), json!({}))).await;
        }
        for (of, rows) in [(("metrics", "STARTED_AT", "memoryUsage"), 9), (("sessions", "RUN_DATE", "hash"), 5)] {
            for direction in ["ASC", "DESC"] {
                let list = list(app, of, direction);
                let whole = list.all().await;
                assert_eq!(whole.len(), rows);
                assert_eq!(list.walk(true, 2, async |_| ()).await, whole);
                assert_eq!(list.walk(false, 2, async |_| ()).await, whole);
            }
        }
    }
}
