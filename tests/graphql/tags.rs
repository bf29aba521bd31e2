//! The forms in which the tags of a session can be written.

use serde_json::{Value, json};

use crate::support::{TestApp, builders::graphql::session, on_both_engines};

const ANNOUNCE: &str =
    "mutation($v: AnnounceSessionInput!) { announceSession(input: $v) { session { tags { name value } } } }";

/// Returns the stored tags if `tags` is part of a variable.
async fn stored(app: &TestApp, hash: &str, tags: Value) -> Value {
    let answer = app.run(ANNOUNCE, json!({ "v": session(hash, json!({ "tags": tags })) })).await;
    answer["announceSession"]["session"]["tags"].clone()
}

/// Returns the stored tags if `tags` is a literal in the document.
async fn written(app: &TestApp, hash: &str, tags: &str) -> Value {
    let document = format!(
        "mutation {{ announceSession(input: {{hash: \"{hash}\", runDate: \"2026-01-05T03:00:00\", tags: {tags}}}) {{
            session {{ tags {{ name value }} }} }} }}"
    );
    app.graphql(&document).await["announceSession"]["session"]["tags"].clone()
}

/// Returns the reason why `tags` are refused.
async fn refusal(app: &TestApp, tags: Value) -> String {
    let answer = app.graphql_with(ANNOUNCE, json!({ "v": session("refused", json!({ "tags": tags })) })).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
    error["message"].as_str().unwrap().to_owned()
}

fn tags(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

on_both_engines! {
    async fn tags_are_an_object_or_a_list_or_a_json_text(app: &TestApp) {
        let expected = tags(&[("python-version", "3.12"), ("z", "true"), ("a", "1.5"), ("none", ""), ("text", "x y")]);
        let object = json!({ "python-version": 3.12, "z": true, "a": 1.5, "none": null, "text": "x y" });
        let list: Value = object.as_object().unwrap().iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        for (hash, form) in [("object", object.clone()), ("list", list), ("text", object.to_string().into())] {
            assert_eq!(stored(app, hash, form).await, expected, "{hash}");
        }
        for (hash, none) in [("no members", json!({})), ("no items", json!([])), ("empty text", json!(" {} "))] {
            assert_eq!(stored(app, hash, none).await, json!([]), "{hash}");
        }
        // An object with these two members is an object like any other.
        assert_eq!(stored(app, "two", json!({ "name": "a", "value": "b" })).await, tags(&[("name", "a"), ("value", "b")]));
    }

    async fn tags_can_be_written_in_a_document(app: &TestApp) {
        let expected = tags(&[("python-version", "3.12"), ("os", "linux"), ("n", "1")]);
        for (hash, form) in [
            ("list", r#"[{name: "python-version", value: "3.12"}, {value: linux, name: "os"}, {name: "n", value: 1}]"#),
            ("text", r#""{\"python-version\": 3.12, \"os\": \"linux\", \"n\": 1}""#),
            ("block", r#""""{"python-version": "3.12", "os": "linux", "n": "1"}""""#),
        ] {
            assert_eq!(written(app, hash, form).await, expected, "{hash}");
        }
        let with_variables = "mutation($name: String!, $value: String) {
            announceSession(input: {hash: \"v\", runDate: \"2026-01-05T03:00:00\", tags: [{name: $name, value: $value}]}) {
                session { tags { name value } } } }";
        let answer = app.run(with_variables, json!({ "name": "a-b", "value": "c" })).await;
        assert_eq!(answer["announceSession"]["session"]["tags"], tags(&[("a-b", "c")]));
        let whole = "mutation($tags: Tags!) {
            announceSession(input: {hash: \"w\", runDate: \"2026-01-05T03:00:00\", tags: $tags}) { session { tags { name value } } } }";
        for form in [json!("{\"a-b\": \"c\"}"), json!([{ "name": "a-b", "value": "c" }]), json!({ "a-b": "c" })] {
            let answer = app.run(whole, json!({ "tags": form })).await;
            assert_eq!(answer["announceSession"]["session"]["tags"], tags(&[("a-b", "c")]));
        }
    }

    async fn rest_takes_each_form_too(app: &TestApp) {
        for (hash, form) in [("o", json!({ "a-b": 1 })), ("l", json!([{ "name": "a-b", "value": 1 }])), ("t", json!("{\"a-b\": 1}"))] {
            assert_eq!(app.announce(hash, form).await["tags"], tags(&[("a-b", "1")]), "{hash}");
        }
    }

    async fn each_form_means_the_same(app: &TestApp) {
        // Of tags with the same name the last value counts, at the position of the first.
        let expected = tags(&[("a", "3"), ("b", "2")]);
        let list = json!([{ "name": "a", "value": "1" }, { "name": "b", "value": "2" }, { "name": "a", "value": "3" }]);
        assert_eq!(stored(app, "list", list).await, expected);
        assert_eq!(stored(app, "text", json!(r#"{"a": "1", "b": "2", "a": "3"}"#)).await, expected);
        let of = |many: usize| (0..many).map(|n| (format!("t{n}"), json!(n))).collect::<serde_json::Map<_, _>>();
        let list = |many: usize| of(many).into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Value>();
        for (n, form) in [of(100).into(), list(100), Value::Object(of(100)).to_string().into()].into_iter().enumerate() {
            assert_eq!(stored(app, &format!("many {n}"), form).await.as_array().unwrap().len(), 100);
        }
        for form in [of(101).into(), list(101), Value::Object(of(101)).to_string().into()] {
            assert!(refusal(app, form).await.contains("a session has at most 100 tags, not 101"));
        }
        for form in [json!({ "a": ["b"] }), json!([{ "name": "a", "value": ["b"] }]), json!(r#"{"a": ["b"]}"#)] {
            assert!(refusal(app, form).await.contains("the tag \"a\" is neither text nor number: tags are flat"));
        }
        // JSON in a text may contain characters that the text itself must not contain.
        for form in [json!({ "a": "\0" }), json!([{ "name": "a", "value": "\0" }]), json!(r#"{"a": "\u0000"}"#), json!(r#"{"\u0000": 1}"#)] {
            assert!(refusal(app, form).await.contains("U+0000"));
        }
        assert_eq!(app.bare("{ sessionCount }").await, json!(5));
    }

    async fn what_is_no_tag_is_refused_with_the_remedy(app: &TestApp) {
        for (form, named) in [
            (json!("x"), "JSON object"), (json!(""), "JSON object"), (json!("[1]"), "JSON object"), (json!("{\"a\": 1"), "JSON object"),
            (json!("\"{}\""), "JSON object"), (json!(5), "JSON object"), (json!(true), "JSON object"),
            (json!(["a"]), "item 0"), (json!([{ "name": "a", "value": "b" }, ["c", "d"]]), "item 1"), (json!([null]), "item 0"),
            (json!([{ "name": "a" }]), "value"), (json!([{ "value": "a" }]), "name"), (json!([{ "name": 5, "value": "a" }]), "name"),
            (json!([{ "name": "a", "value": "b", "colour": "c" }]), "colour"), (json!([{ "python": "3.12" }]), "python"),
        ] {
            let message = refusal(app, form.clone()).await;
            assert!(message.contains(named) && message.contains("tags"), "{form}: {message}");
        }
        assert_eq!(app.bare("{ sessionCount }").await, json!(0));
    }
}
