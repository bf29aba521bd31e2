//! REST v1: filters of lists.

use serde_json::{Value, json};

use crate::support::{TestApp, builders::rest::of_build, on_both_engines};

/// Announces four sessions that the tag filters distinguish.
async fn tagged(app: &TestApp) {
    app.announce("both", json!({ "numpy": "1.20", "python": "3.9" })).await;
    app.announce("numpy", json!({ "numpy": "1.21", "python": "" })).await;
    app.announce("python", json!({ "python": "3.9" })).await;
    app.announce("none", json!({})).await;
}

async fn found(app: &TestApp, query: &str) -> Value {
    app.sessions(&format!("/sessions/?{query}")).await
}

on_both_engines! {
    async fn flags_without_restrictions_ask_for_a_tag_that_is_not_empty(app: &TestApp) {
        tagged(app).await;
        assert_eq!(found(app, "with_flags=numpy").await, json!(["both", "numpy"]));
        assert_eq!(found(app, "with_flags=python").await, json!(["both", "python"]));
        assert_eq!(found(app, "with_flags=nothing").await, json!([]));
        assert_eq!(found(app, "with_flags=NUMPY").await, json!([]));
    }

    async fn restrictions_pair_with_flags_by_position(app: &TestApp) {
        tagged(app).await;
        assert_eq!(
            found(app, "with_flags=numpy,python&restrict_flags=1.21,3.9").await,
            json!(["both", "numpy", "python"])
        );
        assert_eq!(found(app, "with_flags=python,numpy&restrict_flags=1.21,3.9").await, json!([]));
        assert_eq!(found(app, "with_flags=numpy&restrict_flags=1.2").await, json!([]));
    }

    async fn an_empty_restriction_restricts_nothing(app: &TestApp) {
        tagged(app).await;
        for restriction in ["", "&restrict_flags=", "&restrict_flags=,3.9", "&restrict_flags=,3.9,beyond"] {
            let query = format!("with_flags=numpy,python&method=match_all{restriction}");
            assert_eq!(found(app, &query).await, json!(["both"]), "{query}");
        }
        let query = "with_flags=numpy,python&restrict_flags=,3.8";
        assert_eq!(found(app, query).await, json!(["both", "numpy"]));
    }

    async fn match_all_wants_every_flag_and_match_any_one(app: &TestApp) {
        tagged(app).await;
        assert_eq!(found(app, "with_flags=numpy,python").await, json!(["both", "numpy", "python"]));
        assert_eq!(found(app, "with_flags=numpy,python&method=match_any").await, json!(["both", "numpy", "python"]));
        for method in ["match_all", "MATCH_ALL", "Match_All"] {
            assert_eq!(
                found(app, &format!("with_flags=numpy,python&method={method}")).await,
                json!(["both"]),
                "{method}"
            );
        }
    }

    async fn an_empty_part_is_a_flag_of_its_own(app: &TestApp) {
        tagged(app).await;
        assert_eq!(found(app, "with_flags=numpy,&method=match_all").await, json!([]));
        assert_eq!(found(app, "with_flags=,python&restrict_flags=x,3.9").await, json!(["both", "python"]));
        assert_eq!(found(app, "with_flags=").await, json!(["both", "numpy", "python", "none"]));
        assert_eq!(found(app, "restrict_flags=3.9&method=match_all").await, json!(["both", "numpy", "python", "none"]));
    }

    async fn with_tags_is_another_name_of_with_flags(app: &TestApp) {
        tagged(app).await;
        assert_eq!(found(app, "with_tags=numpy").await, json!(["both", "numpy"]));
        assert_eq!(app.sessions("/sessions/n?with_tags=numpy").await, json!(["numpy"]));
        assert_eq!(found(app, "with_tags=numpy&with_flags=python").await, json!(["both", "numpy", "python"]));
    }

    async fn flags_restrict_a_prefix_too(app: &TestApp) {
        tagged(app).await;
        assert_eq!(app.sessions("/sessions/p?with_flags=python&restrict_flags=3.9").await, json!(["python"]));
        assert_eq!(app.sessions("/sessions/n?with_flags=python").await, json!([]));
    }

    async fn the_first_of_two_arguments_counts_where_it_is_no_list(app: &TestApp) {
        tagged(app).await;
        assert_eq!(found(app, "page=1&page=9&page=x").await, json!(["both", "numpy", "python", "none"]));
    }

    async fn like_finds_a_part_of_the_name(app: &TestApp) {
        app.record_items(&["test_load", "load", "upload_all", "other"]).await;
        assert_eq!(app.items("/items/like/load/metrics").await, json!(["test_load", "load", "upload_all"]));
        assert_eq!(app.items("/items/like//metrics").await, json!(["test_load", "load", "upload_all", "other"]));
    }

    async fn like_keeps_its_wildcards_and_nothing_escapes_them(app: &TestApp) {
        app.record_items(&["a-b", "a--b", "ab", r"a\%b", r"a\b"]).await;
        assert_eq!(app.items("/items/like/a%25b/metrics").await, json!(["a-b", "a--b", "ab", r"a\%b", r"a\b"]));
        assert_eq!(app.items("/items/like/a_b/metrics").await, json!(["a-b", r"a\b"]));
        assert_eq!(app.items("/items/like/a__b/metrics").await, json!(["a--b", r"a\%b"]));
        assert_eq!(app.items("/items/like/%5C/metrics").await, json!([r"a\%b", r"a\b"]));
        assert_eq!(app.items("/items/like/%5C%25b/metrics").await, json!([r"a\%b", r"a\b"]));
        assert_eq!(app.items("/items/like/%5C%5C/metrics").await, json!([]));
    }

    async fn like_ignores_case_of_ascii_letters_only(app: &TestApp) {
        app.record_items(&["Load", "LOAD", "ÉTÉ", "été", "ß", "SS", "İ", "i", "k", "\u{212a}"]).await;
        assert_eq!(app.items("/items/like/lOAd/metrics").await, json!(["Load", "LOAD"]));
        assert_eq!(app.items("/items/like/%C3%A9t%C3%A9/metrics").await, json!(["été"]));
        assert_eq!(app.items("/items/like/%C3%89T%C3%89/metrics").await, json!(["ÉTÉ"]));
        assert_eq!(app.items("/items/like/ss/metrics").await, json!(["SS"]));
        assert_eq!(app.items("/items/like/I/metrics").await, json!(["i"]));
        assert_eq!(app.items("/items/like/K/metrics").await, json!(["k"]));
    }

    async fn like_counts_characters_not_bytes(app: &TestApp) {
        app.record_items(&["aéb", "a🦀b", "a--b"]).await;
        assert_eq!(app.items("/items/like/a_b/metrics").await, json!(["aéb", "a🦀b"]));
    }

    async fn like_searches_variants_as_it_does_items(app: &TestApp) {
        app.record(json!({ "item": "x", "item_variant": "t[Fast]" })).await;
        app.record(json!({ "item": "fast", "item_variant": "t[slow]" })).await;
        assert_eq!(app.items("/variants/like/fast/metrics").await, json!(["x"]));
        assert_eq!(app.items("/variants/like/t_s%25w/metrics").await, json!(["fast"]));
    }

    async fn a_pattern_has_a_greatest_length(app: &TestApp) {
        app.record_items(&["a"]).await;
        assert_eq!(app.items(&format!("/items/like/{}/metrics", "%25".repeat(4096))).await, json!(["a"]));
        assert_eq!(app.items(&format!("/items/like/{}/metrics", "a".repeat(4096))).await, json!([]));
        app.get(&format!("/api/v1/items/like/{}/metrics", "a".repeat(60_000))).await.refuses(400, "pattern: ");
    }

    async fn a_prefix_is_literal(app: &TestApp) {
        for name in ["a%b", "a_b", "axb", "Axb", r"a\b", "été"] {
            app.announce_as(json!({ "session_h": name, "scm_ref": name })).await;
            app.announce_context(json!({ "h": name })).await;
            app.record(json!({ "session_h": name, "component": name, "item": name })).await;
        }
        for (prefix, name) in
            [("a%25", "a%b"), ("a_", "a_b"), ("ax", "axb"), ("A", "Axb"), ("a%5C", r"a\b"), ("%C3%A9", "été")]
        {
            assert_eq!(app.sessions(&format!("/sessions/{prefix}")).await, json!([name]), "{prefix}");
            assert_eq!(app.column(&format!("/contexts/{prefix}"), "h").await, json!([name]), "{prefix}");
            assert_eq!(app.list(&format!("/components/{prefix}")).await, json!([name]), "{prefix}");
            assert_eq!(app.sessions(&format!("/filters/scm/{prefix}/sessions")).await, json!([name]), "{prefix}");
            assert_eq!(app.items(&format!("/filters/scm/{prefix}/metrics")).await, json!([name]), "{prefix}");
            assert_eq!(app.count(&format!("/filters/scm/{prefix}/metrics/count")).await, 1, "{prefix}");
        }
        assert_eq!(app.list("/components/%25").await, json!([]));
        assert_eq!(app.list("/components/b").await, json!([]));
    }

    async fn a_missing_revision_matches_no_prefix(app: &TestApp) {
        app.announce_as(json!({ "session_h": "null", "scm_ref": null })).await;
        app.announce_as(json!({ "session_h": "told", "scm_ref": "abc" })).await;
        app.record(json!({ "session_h": "null", "item": "a" })).await;
        app.record(json!({ "session_h": "told", "item": "b" })).await;
        assert_eq!(app.sessions("/filters/scm/a/sessions").await, json!(["told"]));
        assert_eq!(app.items("/filters/scm/a/metrics").await, json!(["b"]));
    }

    async fn sessions_of_a_revision_have_their_tags(app: &TestApp) {
        app.announce("s", json!({ "b": 1, "a": 2 })).await;
        let tags = json!([[{ "name": "b", "value": "1" }, { "name": "a", "value": "2" }]]);
        assert_eq!(app.column("/filters/scm/abc/sessions", "tags").await, tags);
    }

    async fn names_are_exact(app: &TestApp) {
        app.announce("s", of_build("main", "7")).await;
        app.announce_context(json!({})).await;
        app.record(json!({ "item": "test_a", "item_variant": "test_a[1]" })).await;
        for path in [
            "/components/core/metrics",
            "/items/test_a/metrics",
            "/variants/test_a[1]/metrics",
            "/sessions/s/metrics",
            "/contexts/c/metrics",
            "/filters/scope/function/metrics",
            "/components/core/items/test_a/metrics",
            "/components/core/variants/test_a[1]/metrics",
            "/pipelines/main/builds",
            "/pipelines/main/builds/7/sessions",
            "/components/core/pipelines/main/builds",
            "/resources/cpu/pipelines/main/builds/7/head/metrics",
        ] {
            assert_eq!(app.list(path).await.as_array().unwrap().len(), 1, "{path}");
        }
        for path in [
            "/components/Core/metrics",
            "/components/cor/metrics",
            "/components/cor_/metrics",
            "/items/TEST_A/metrics",
            "/items/test%25/metrics",
            "/variants/test_a/metrics",
            "/sessions/S/metrics",
            "/contexts/%25/metrics",
            "/filters/scope/func/metrics",
            "/components/core/items/test_/metrics",
            "/components/cor/items/test_a/metrics",
            "/components/core/variants/test_a/metrics",
            "/pipelines/mai_/builds",
            "/pipelines/Main/builds",
            "/pipelines/main/builds/7%20/sessions",
            "/components/core/pipelines/%25/builds",
            "/resources/cpu/components/Core/head/metrics",
            "/resources/cpu/pipelines/mai/head/metrics",
        ] {
            assert_eq!(app.list(path).await, json!([]), "{path}");
        }
    }

    async fn a_name_of_any_length_can_be_looked_for(app: &TestApp) {
        let name = "n".repeat(20_000);
        app.announce(&name, of_build(&name, &name)).await;
        app.record(json!({ "item": name, "component": name, "item_variant": name, "session_h": name })).await;
        assert_eq!(app.items(&format!("/items/{name}/metrics")).await, json!([name]));
        assert_eq!(app.items(&format!("/components/{name}/variants/{name}/metrics")).await, json!([name]));
        assert_eq!(app.sessions(&format!("/sessions/{name}")).await, json!([name]));
        assert_eq!(app.list(&format!("/pipelines/{name}/builds")).await, json!([name]));
    }

    async fn counts_match_their_lists(app: &TestApp) {
        app.record_items(&["a", "a", "b"]).await;
        app.record(json!({ "item": "c", "kind": "module", "item_variant": "other" })).await;
        for (path, count) in [
            ("/metrics", 4),
            ("/items/a/metrics", 2),
            ("/variants/test_a[1]/metrics", 3),
            ("/filters/scope/module/metrics", 1),
            ("/filters/scope/none/metrics", 0),
            ("/sessions/s/metrics", 4),
        ] {
            assert_eq!(app.count(&format!("{path}/count")).await, count, "{path}");
            assert_eq!(app.items(path).await.as_array().unwrap().len() as u64, count, "{path}");
        }
    }

    async fn the_count_of_components_leaves_out_the_one_without_a_name(app: &TestApp) {
        assert_eq!(app.count("/components/count").await, 0);
        for component in ["", "core", "", "io"] {
            app.record(json!({ "component": component })).await;
        }
        assert_eq!(app.count("/components/count").await, 2);
        assert_eq!(app.list("/components/").await, json!(["", "core", "io"]));
    }
}
