//! Subscriptions as server-sent events: after the commit, in order, with the number of missed events for slow subscribers.

use axum::{
    body::Body,
    http::{Request, header},
};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    builders::graphql::{metric, session},
    live::{Events, Socket, settle},
    on_both_engines,
};

const RECORDED: &str =
    "subscription { metricRecorded(where: {component: {eq: \"io\"}}) { itemName session { hash } variant { name } } }";
const ITEMS: &str = "subscription { metricRecorded { itemName } }";

on_both_engines! {
    async fn a_metric_is_published_once_it_is_on_disk(app: &TestApp) {
        app.record(json!({ "component": "io", "item": "before" })).await;
        let mut events = Events::of(app, RECORDED).await;
        app.record(json!({ "component": "net", "item": "elsewhere" })).await;
        app.announce_as(json!({ "session_h": "s1" })).await;
        for number in 0..3 {
            app.record(json!({ "component": "io", "item": format!("t{number}"), "session_h": "s1" })).await;
            let metric = events.field().await;
            assert_eq!(metric["itemName"], format!("t{number}"));
            assert_eq!(metric["session"]["hash"], "s1");
        }
    }

    async fn a_subscriber_within_its_buffer_misses_nothing(app: &TestApp) {
        let mut events = Events::of(app, ITEMS).await;
        for number in 0..40 {
            app.record(json!({ "item": format!("t{number}") })).await;
        }
        for number in 0..40 {
            let answer = events.next().await;
            assert_eq!(answer, json!({ "data": { "metricRecorded": { "itemName": format!("t{number}") } } }));
        }
    }

    async fn thousands_recorded_at_once_arrive_one_by_one(app: &TestApp) {
        let mut events = Events::of(app, ITEMS).await;
        app.record_all((0..2500).map(|number| metric(json!({ "itemName": format!("t{number}") }))).collect()).await;
        for number in 0..2500 {
            let answer = events.next().await;
            assert_eq!(answer, json!({ "data": { "metricRecorded": { "itemName": format!("t{number}") } } }));
        }
    }

    async fn a_subscriber_beyond_its_buffer_gets_the_number_it_missed(app: &TestApp) {
        let app = TestApp::with(app.engine(), |settings| settings.live.buffer = 5.try_into().unwrap()).await.unwrap();
        let mut slow = Events::of(&app, ITEMS).await;
        app.record_all((0..40).map(|number| metric(json!({ "itemName": format!("t{number}") }))).collect()).await;
        settle().await;
        let first = slow.next().await;
        let expected = json!({ "data": { "metricRecorded": { "itemName": "t35" } }, "extensions": { "missed": 35 } });
        assert_eq!(first, expected);
        for number in 36..40 {
            assert_eq!(slow.next().await, json!({ "data": { "metricRecorded": { "itemName": format!("t{number}") } } }));
        }
        // The stream goes on as usual.
        app.record(json!({ "item": "later" })).await;
        assert_eq!(slow.next().await, json!({ "data": { "metricRecorded": { "itemName": "later" } } }));
        drop(slow);
        app.finish().await;
    }

    async fn a_light_subscriber_does_not_wait_for_all_heavy_ones(app: &TestApp) {
        app.record_all((0..400).map(|n| metric(json!({ "variantName": format!("v{n}") }))).collect()).await;
        let heavy = "item { variants(first: 400) { nodes { metrics(first: 20) { nodes { session { hash } context { hash } } } } } }";
        let answered = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut readers = tokio::task::JoinSet::new();
        let (subscribers, events) = (8, 12);
        for _ in 0..subscribers {
            let mut reader = Events::of(app, &format!("subscription {{ metricRecorded {{ {heavy} }} }}")).await;
            let answered = std::sync::Arc::clone(&answered);
            readers.spawn(async move {
                for _ in 0..events {
                    reader.next().await;
                    answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
        let mut light = Events::of(app, ITEMS).await;
        app.record_all((0..events).map(|_| metric(json!({}))).collect()).await;
        for _ in 0..events {
            light.next().await;
        }
        let heavy_ones = answered.load(std::sync::atomic::Ordering::Relaxed);
        assert!(heavy_ones < subscribers * events / 2, "{heavy_ones} of {} came first", subscribers * events);
        readers.abort_all();
    }

    async fn an_event_that_takes_too_long_ends_its_subscription(app: &TestApp) {
        let variant = |n| metric(json!({ "itemPath": "tests.test_a", "variantName": format!("v{n}") }));
        app.record_all((0..400).map(variant).collect()).await;
        let hasty = app.second_server_with(|settings| settings.limits.request_timeout = std::time::Duration::from_millis(1)).await;
        let heavy = "item { variants(first: 400) { nodes { metrics(first: 20) { nodes { session { hash } context { hash } } } } } }";
        let mut socket = Socket::initialized(&hasty).await;
        socket.listen("1", &format!("subscription {{ metricRecorded {{ {heavy} }} }}")).await;
        // It is stored, even if the event was too late.
        hasty.post("/api/v1/metrics/", &crate::support::builders::rest::metric(json!({}))).await;
        let answer = socket.receive().await;
        assert_eq!((&answer["type"], &answer["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("TIMEOUT")), "{answer}");
        drop(socket);
        hasty.finish().await;
    }

    async fn a_session_is_published_when_it_is_announced(app: &TestApp) {
        let mut events =
            Events::of(app, "subscription { sessionAnnounced(where: {scmRef: {startsWith: \"ab\"}}) { hash tags { name } } }").await;
        app.record(json!({ "session_h": "only named" })).await;
        app.announce_as(json!({ "session_h": "s1", "scm_ref": "cd" })).await;
        app.announce_as(json!({ "session_h": "s2", "scm_ref": "abc", "description": { "python": "3.12" } })).await;
        assert_eq!(events.field().await, json!({ "hash": "s2", "tags": [{ "name": "python" }] }));
        // A repeated announcement is no event.
        app.announce_as(json!({ "session_h": "s2", "scm_ref": "abc", "description": { "python": "3.12" } })).await;
        events.assert_silent().await;
    }

    async fn lists_within_an_event_are_written_as_elsewhere(app: &TestApp) {
        app.record(json!({ "item": "one" })).await;
        let fields = "itemName variant { metrics { nodes { itemName sessionHash } } }";
        let mut events = Events::of(app, &format!("subscription {{ metricRecorded {{ {fields} }} }}")).await;
        app.record(json!({ "item": "one" })).await;
        let sent = events.field().await;
        let listed = app.graphql(&format!("{{ metrics(last: 1) {{ nodes {{ {fields} }} }} }}")).await;
        assert_eq!(sent, listed["metrics"]["nodes"][0]);
    }

    async fn a_subscription_over_plain_post_is_refused(app: &TestApp) {
        assert_eq!(app.graphql_error(RECORDED).await, "GRAPHQL_VALIDATION_FAILED");
    }

    async fn a_query_comes_as_one_event_and_the_end(app: &TestApp) {
        let get = Request::get("/graphql?query=%7BmetricCount%7D").header(header::ACCEPT, "text/event-stream");
        for mut events in
            [Events::post(app, "{ metricCount }").await, Events::ask(app, get.body(Body::empty()).unwrap()).await]
        {
            assert_eq!(events.next().await, json!({ "data": { "metricCount": 0 } }));
            assert_eq!(events.event().await, "event: complete\ndata:");
            assert_eq!(events.rest().await, "");
        }
    }

    async fn a_subscription_may_be_asked_for_with_get(app: &TestApp) {
        let query = "/graphql?query=subscription%7BmetricRecorded%7BitemName%7D%7D";
        let request = Request::get(query).header(header::ACCEPT, "text/event-stream").body(Body::empty()).unwrap();
        let mut events = Events::ask(app, request).await;
        events.assert_silent().await;
        app.record(json!({ "item": "sent" })).await;
        assert_eq!(events.field().await, json!({ "itemName": "sent" }));
    }

    async fn what_cannot_run_is_an_event_too(app: &TestApp) {
        for (query, code) in [
            ("subscription {", "GRAPHQL_PARSE_FAILED"),
            ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { metricRecorded(where: {passed: 1}) { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ] {
            let mut events = Events::post(app, query).await;
            let answer = events.next().await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{answer}");
            assert!(answer.get("data").is_none(), "{answer}");
            assert_eq!(events.event().await, "event: complete\ndata:");
        }
    }

    async fn a_hundred_subscribers_take_as_many_statements_as_one(app: &TestApp) {
        let mut subscribers = vec![Events::of(app, ITEMS).await];
        let mut taken = Vec::new();
        for number in 0..7 {
            if number == 4 {
                subscribers.extend(join_all((0..99).map(|_| Events::of(app, ITEMS))).await);
            }
            let before = app.statements();
            app.record(json!({})).await;
            for answer in join_all(subscribers.iter_mut().map(Events::next)).await {
                assert_eq!(answer["data"]["metricRecorded"]["itemName"], "test_a");
            }
            taken.push(app.statements() - before);
        }
        // The first one fills the cache of names. The least of some: who looks at a commit first may cost a statement.
        assert_eq!(taken[1..4].iter().min(), taken[4..].iter().min(), "{taken:?}");
    }

    async fn subscribers_without_events_take_no_statement(app: &TestApp) {
        let count = async || {
            let before = app.statements();
            app.record(json!({ "session_h": "busy" })).await;
            settle().await;
            app.statements() - before
        };
        let mut sent = Events::of(app, ITEMS).await;
        count().await;
        let alone = count().await;
        let of_session = |n: i64| format!("subscription {{ metricRecorded(where: {{session: {{eq: \"{n}\"}}}}) {{ id }} }}");
        let of_run = |n: i64| format!("subscription {{ runProgress(session: \"{n}\") {{ testsSeen }} }}");
        let mut idle = Vec::new();
        for number in 0..20 {
            idle.push(Events::post(app, &of_session(number)).await);
            idle.push(Events::post(app, &of_run(number)).await);
        }
        settle().await;
        // One look at what is new may come more or less.
        assert!(count().await <= alone + 2);
        for _ in 0..3 {
            assert_eq!(sent.field().await["itemName"], "test_a");
        }
    }

    async fn a_filter_means_the_same_as_in_a_list(app: &TestApp) {
        app.announce_as(json!({ "session_h": "s0", "scm_ref": "abc", "description": { "pipeline_branch": "main", "pipeline_build_no": "7" } })).await;
        let filters = [
            "{}",
            "{session: {eq: \"s0\"}}",
            "{session: {in: [\"s1\", \"s2\"]}}",
            "{context: {startsWith: \"c\"}, session: {startsWith: \"S\"}}",
            "{component: {eq: \"io\"}, variant: {startsWith: \"t[1\"}}",
            "{item: {in: []}}",
            "{path: {eq: \"Tests.A\"}}",
            "{location: {contains: \"A_2\"}}",
            "{component: {eq: \"io\", like: \"I%\"}}",
            "{kind: {eq: \"module\"}, or: [{passed: true}, {component: {like: \"N_T\"}}]}",
            "{passed: true}",
            "{not: {passed: true}}",
            "{not: {passed: false, component: {eq: \"io\"}}}",
            "{not: {component: {like: \"io\"}}}",
            "{totalTime: {gt: 1.5}}",
            "{totalTime: {gte: 1.5, lt: 3}, memoryUsage: {lte: -0.5}}",
            "{totalTime: {in: [1.5, 2.5]}, not: {totalTime: {eq: 2.5}}}",
            "{startedAt: {gt: \"2026-01-05T03:00:02\"}}",
            "{scmRef: {startsWith: \"ab\"}}",
            "{not: {scmRef: {startsWith: \"ab\"}}}",
            "{pipeline: {eq: \"main\"}, build: {eq: \"7\"}}",
            "{or: []}",
            "{or: [{pipeline: {eq: \"main\"}}, {item: {eq: \"i3\"}}]}",
            "{and: [{pipeline: {eq: \"main\"}}, {item: {eq: \"i3\"}}]}",
            "{and: [{component: {eq: \"io\"}}, {or: [{totalTime: {lt: 2}}, {not: {location: {like: \"%2%\"}}}]}]}",
        ];
        let mut subscribers = Vec::new();
        for filter in filters {
            subscribers.push(Events::post(app, &format!("subscription {{ metricRecorded(where: {filter}) {{ id }} }}")).await);
        }
        settle().await;
        let (passed, times, memory) = ([Some(true), Some(false), None], [0.5, 1.5, 2.5, 3.0], [-0.5, -0.0, 1.0]);
        let one_of = |texts: &[&str], n: usize| texts[n % texts.len()].to_owned();
        let rows = (0..24).map(|n| {
            metric(json!({
                "sessionHash": format!("s{}", n % 4), "contextHash": format!("c{}", n % 2), "itemName": format!("i{}", n % 5),
                "variantName": format!("t[{n}]"), "componentName": one_of(&["io", "net", "Io"], n),
                "itemPath": one_of(&["tests.a", "Tests.A"], n), "location": format!("tests/a_{}.py", n % 3),
                "kind": one_of(&["function", "module"], n / 12), "passed": passed[n % 3],
                "totalTime": times[n % 4], "memoryUsage": memory[n % 3],
                "startedAt": format!("2026-01-05T03:00:0{}", n % 6),
            }))
        });
        app.record_all(rows.collect()).await;
        for (filter, mut sent) in filters.into_iter().zip(subscribers) {
            let listed = app.graphql(&format!("{{ metrics(where: {filter}, first: 100) {{ nodes {{ id }} }} }}")).await;
            let listed = listed["metrics"]["nodes"].as_array().unwrap().clone();
            for node in listed {
                assert_eq!(sent.field().await, node, "{filter}");
            }
            sent.assert_silent().await;
        }
    }

    async fn nothing_is_read_for_subscribers_that_have_left(app: &TestApp) {
        let count = async || {
            let before = app.statements();
            app.record(json!({})).await;
            settle().await;
            app.statements() - before
        };
        count().await;
        let without = count().await;
        let subscribers = [Events::of(app, ITEMS).await, Events::of(app, RECORDED).await];
        // Whether anything is new, and what that is, unless the committer's answer came first.
        let more = count().await - without;
        assert!((1..=2).contains(&more), "{more} for all filters");
        drop(subscribers);
        assert_eq!(count().await, without);
    }

    async fn a_server_that_stops_ends_the_events_without_a_complete(app: &TestApp) {
        let second = app.second_server().await;
        let mut events = Events::of(&second, ITEMS).await;
        second.announce_session(session("s", json!({}))).await;
        second.record(json!({ "item": "last" })).await;
        assert_eq!(events.field().await, json!({ "itemName": "last" }));
        second.finish().await;
        assert_eq!(events.rest().await, "");
    }
}
