//! REST v1: numbered pages, the links between them, and the envelope they come in.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, builders::rest::of_build, on_both_engines};

const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

async fn with_body(app: &TestApp, path: &str, media_type: &str, body: &'static str) -> Reply {
    app.send_body(Method::GET, &format!("/api/v1{path}"), media_type, body).await
}

async fn items_with_body(app: &TestApp, path: &str, media_type: &str, body: &'static str) -> Value {
    let answer = with_body(app, path, media_type, body).await.expect(200);
    answer["metrics"].as_array().unwrap().iter().map(|metric| metric["item"].clone()).collect()
}

on_both_engines! {
    async fn pages_count_from_either_end(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        for (page, items) in
            [("1", json!(["a", "b"])), ("3", json!(["e"])), ("-1", json!(["e"])), ("-3", json!(["a", "b"]))]
        {
            assert_eq!(app.items(&format!("/metrics/?page={page}")).await, items, "{page}");
        }
    }

    async fn a_page_outside_the_list_is_not_found(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        for page in ["0", "-0", "4", "-4", "9223372036854775808", "-99999999999999999999", "-9223372036854775808"] {
            app.get(&format!("/api/v1/metrics/?page={page}")).await.refuses(404, "page");
        }
    }

    async fn what_is_no_number_is_the_first_page(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        for page in ["abc", "", "1.5", "2x", "-", "%C3%A9", "0x2"] {
            assert_eq!(app.items(&format!("/metrics/?page={page}")).await, json!(["a", "b"]), "'{page}'");
        }
    }

    async fn an_empty_list_has_its_first_page_and_no_other(app: &TestApp, page_size: 2) {
        assert_eq!(app.v1("/metrics/?page=1").await, Value::Null);
        assert_eq!(app.v1("/metrics/?page=-1").await, Value::Null);
        app.get("/api/v1/metrics/?page=2").await.refuses(404, "page");
        app.get("/api/v1/pipelines/none/builds?page=2").await.refuses(404, "page");
    }

    async fn a_json_body_of_a_get_can_name_the_page(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        let json = "application/json";
        assert_eq!(items_with_body(app, "/metrics/", json, r#"{"page": 2}"#).await, json!(["c", "d"]));
        assert_eq!(items_with_body(app, "/metrics/", json, r#"{"page": "2"}"#).await, json!(["c", "d"]));
        assert_eq!(items_with_body(app, "/metrics/", json, r#"{"page": -1}"#).await, json!(["e"]));
        assert_eq!(items_with_body(app, "/metrics/", json, r#"{"page": null}"#).await, json!(["a", "b"]));
        assert_eq!(items_with_body(app, "/metrics/", json, r#"{"other": 2}"#).await, json!(["a", "b"]));
        assert_eq!(
            items_with_body(app, "/metrics/", "Application/JSON; charset=utf-8", r#"{"page": 2}"#).await,
            json!(["c", "d"])
        );
        for page in [r#"{"page": 4}"#, r#"{"page": 0}"#, r#"{"page": 99999999999999999999}"#, r#"{"page": 1e300}"#] {
            with_body(app, "/metrics/", json, page).await.refuses(404, "page");
        }
    }

    async fn the_query_names_the_page_before_a_body_does(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        let items = items_with_body(app, "/metrics/?page=3", "application/json", r#"{"page": 2}"#).await;
        assert_eq!(items, json!(["e"]));
    }

    async fn a_body_of_a_get_counts_only_with_the_media_type_of_json(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"] {
            assert_eq!(items_with_body(app, "/metrics/", media_type, r#"{"page": 2}"#).await, json!(["a", "b"]));
            assert_eq!(items_with_body(app, "/metrics/", media_type, "{").await, json!(["a", "b"]));
        }
        assert_eq!(items_with_body(app, "/metrics/", "application/json", "").await, json!(["a", "b"]));
        with_body(app, "/metrics/", "application/json", "{").await.refuses(400, "body");
    }

    async fn links_are_there_only_when_the_page_is(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        let first = app.v1("/metrics/").await;
        assert_eq!(first.as_object().unwrap().keys().collect::<Vec<_>>(), ["metrics", "total_page", "next_url"]);
        assert_eq!((&first["total_page"], &first["next_url"]), (&json!(3), &json!("/api/v1/metrics/?page=2")));
        let last = app.v1("/metrics/?page=-1").await;
        assert_eq!(last.get("next_url"), None);
        assert_eq!(last["prev_url"], "/api/v1/metrics/?page=2");
    }

    async fn links_are_canonical_however_it_was_asked(app: &TestApp, page_size: 1) {
        app.record_items(&["a", "b"]).await;
        app.announce("s1", json!({})).await;
        app.announce("s2", json!({})).await;
        for (asked, next) in [
            ("/api/v1/metrics", "/api/v1/metrics/?page=2"),
            ("/api/v1/api/v1/metrics/", "/api/v1/metrics/?page=2"),
            ("/api/v1/components/core/metrics/", "/api/v1/components/core/metrics?page=2"),
            ("/api/v1/api/v1/components/core/metrics", "/api/v1/components/core/metrics?page=2"),
            ("/sessions/s", "/api/v1/sessions/s?page=2"),
            ("/sessions/s/", "/api/v1/sessions/s?page=2"),
        ] {
            let answer = app.get(asked).await.expect(200);
            assert_eq!(answer["next_url"], next, "{asked}");
            assert_eq!(app.get(next).await.expect(200)["total_page"], 2, "{next}");
        }
    }

    async fn links_encode_path_arguments_only_where_needed(app: &TestApp, page_size: 1) {
        let names = [
            ("a-._~!$&'()*+,;=:@z", "a-._~!$&'()*+,;=:@z"),
            ("a b", "a%20b"),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("a?b#c", "a%3Fb%23c"),
            ("t[n=0]", "t%5Bn=0%5D"),
            ("é", "%C3%A9"),
        ];
        for (name, encoded) in names {
            app.record(json!({ "item": name })).await;
            app.record(json!({ "item": name, "kind": "second" })).await;
            let answer = app.v1(&format!("/items/{encoded}/metrics")).await;
            assert_eq!(answer["next_url"], format!("/api/v1/items/{encoded}/metrics?page=2"));
            let second = app.get(answer["next_url"].as_str().unwrap()).await.expect(200);
            assert_eq!(
                (&second["metrics"][0]["item"], &second["metrics"][0]["kind"]),
                (&json!(name), &json!("second"))
            );
        }
    }

    async fn links_repeat_the_query_in_its_order(app: &TestApp, page_size: 1) {
        app.announce("s1", json!({ "a": "x y", "b": "2" })).await;
        app.announce("s2", json!({ "a": "x y", "b": "2" })).await;
        for (asked, next) in [
            ("with_flags=a,b&restrict_flags=x%20y", "with_flags=a%2Cb&restrict_flags=x+y&page=2"),
            ("page=1&with_flags=a", "page=2&with_flags=a"),
            ("method=match_all&page=1&with_tags=a", "method=match_all&page=2&with_tags=a"),
            ("other=%C3%A9&empty=&bare", "other=%C3%A9&empty=&bare=&page=2"),
            ("x=1&x=2", "x=1&x=2&page=2"),
            ("page=1&x=1&page=7", "page=2&x=1"),
        ] {
            let answer = app.v1(&format!("/sessions/?{asked}")).await;
            assert_eq!(answer["next_url"], format!("/api/v1/sessions/?{next}"), "{asked}");
            assert_eq!(
                app.get(answer["next_url"].as_str().unwrap()).await.expect(200)["sessions"][0]["session_h"],
                "s2"
            );
        }
    }

    async fn links_around_a_negative_page_count_from_the_start(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        let answer = app.v1("/metrics/?page=-2").await;
        assert_eq!(answer["prev_url"], "/api/v1/metrics/?page=1");
        assert_eq!(answer["next_url"], "/api/v1/metrics/?page=3");
    }

    async fn a_page_asked_for_in_a_body_has_links_that_need_none(app: &TestApp, page_size: 2) {
        app.record_items(&FIVE).await;
        let answer = with_body(app, "/metrics/", "application/json", r#"{"page": 2}"#).await.expect(200);
        assert_eq!(answer["prev_url"], "/api/v1/metrics/?page=1");
        assert_eq!(answer["next_url"], "/api/v1/metrics/?page=3");
    }

    async fn the_five_listings_have_null_for_a_link_that_is_absent(app: &TestApp, page_size: 1) {
        for build in ["1", "2"] {
            app.announce(&format!("s{build}"), of_build("main", build)).await;
            app.record(json!({ "session_h": format!("s{build}") })).await;
        }
        assert_eq!(
            app.v1("/pipelines/main/builds").await,
            json!({
                "pipeline": "main", "builds": ["1"], "total_page": 2,
                "prev_url": null, "next_url": "/api/v1/pipelines/main/builds?page=2",
            })
        );
        assert_eq!(
            app.v1("/components/core/pipelines/main/builds?page=-1").await,
            json!({
                "component": "core", "pipeline": "main", "builds": ["2"], "total_page": 2,
                "prev_url": "/api/v1/components/core/pipelines/main/builds?page=1", "next_url": null,
            })
        );
        assert_eq!(
            app.v1("/pipelines/main/builds/1/sessions").await,
            json!({
                "pipeline": "main", "build": "1", "sessions": ["s1"], "total_page": 1, "prev_url": null, "next_url": null,
            })
        );
        assert_eq!(
            app.v1("/components/core/pipelines/main/builds/2/sessions").await,
            json!({
                "component": "core", "pipeline": "main", "build": "2", "sessions": ["s2"], "total_page": 1,
                "prev_url": null, "next_url": null,
            })
        );
        assert_eq!(
            app.v1("/components/core/pipelines").await,
            json!({
                "component": "core", "pipelines": ["main"], "total_page": 1, "prev_url": null, "next_url": null,
            })
        );
    }

    async fn the_five_listings_answer_an_empty_list(app: &TestApp) {
        for (path, list) in [
            ("/pipelines/no/builds", "builds"),
            ("/pipelines/no/builds/1/sessions", "sessions"),
            ("/components/no/pipelines", "pipelines"),
            ("/components/no/pipelines/no/builds", "builds"),
            ("/components/no/pipelines/no/builds/1/sessions", "sessions"),
        ] {
            let answer = app.v1(path).await;
            assert_eq!(answer[list], json!([]), "{path}");
            assert_eq!(answer["total_page"], 0, "{path}");
            assert_eq!((answer.get("prev_url"), answer.get("next_url")), (Some(&Value::Null), Some(&Value::Null)));
        }
    }

    async fn resources_are_one_page_with_null_links(app: &TestApp, page_size: 1) {
        let empty = json!({ "metrics": [], "total_page": 1, "prev_url": null, "next_url": null });
        assert_eq!(app.v1("/resources/memory/head/metrics").await, empty);
        app.record_items(&["a", "b"]).await;
        let answer = app.v1("/resources/memory/head/metrics?page=2").await;
        assert_eq!(answer["metrics"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&answer["total_page"], &answer["prev_url"], &answer["next_url"]),
            (&json!(1), &Value::Null, &Value::Null)
        );
    }

    async fn an_empty_list_is_204_without_a_body(app: &TestApp) {
        for path in ["/metrics/", "/sessions/", "/contexts/", "/components/", "/pipelines/", "/items/like/x/metrics"] {
            let reply = app.get(&format!("/api/v1{path}")).await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (204, ""), "{path}");
        }
    }

    async fn pipelines_are_not_paged(app: &TestApp, page_size: 1) {
        app.announce("s1", of_build("main", "1")).await;
        app.announce("s2", of_build("next", "1")).await;
        assert_eq!(app.v1("/pipelines/").await, json!({ "pipelines": ["main", "next"] }));
        assert_eq!(app.v1("/pipelines/?page=7").await, json!({ "pipelines": ["main", "next"] }));
    }
}
