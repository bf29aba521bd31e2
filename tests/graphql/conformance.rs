//! What the specification requires of every response, and the schema's own description.

use serde_json::{Value, json};

use crate::support::on_both_engines;

/// Returns the names of the members of every object, in order, depth first.
fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| std::iter::once(&**name).chain(names(value))).collect()
        }
        Value::Array(items) => items.iter().flat_map(names).collect(),
        _ => vec![],
    }
}

/// Returns the paths of what has no description: types, their members and arguments.
fn undescribed(path: &str, thing: &Value, found: &mut Vec<String>) {
    let name = format!("{path}{}", thing["name"].as_str().unwrap());
    if thing["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
        found.push(name.clone());
    }
    for members in ["fields", "inputFields", "enumValues", "args"] {
        for member in thing[members].as_array().into_iter().flatten() {
            undescribed(&format!("{name}."), member, found);
        }
    }
}

#[test]
fn the_schema_in_the_repository_is_current() {
    assert_eq!(metrograph::sdl().trim(), include_str!("../../schema.graphql").trim());
}

on_both_engines! {
    /// Clients that have no cursor yet send it like this.
    async fn an_empty_cursor_is_none(app: &TestApp) {
        let fields = "nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
        let empty = app.graphql(&format!("{{ metrics(first: 2, after: \"\", before: \"\") {{ {fields} }} }}")).await;
        assert_eq!(empty["metrics"]["pageInfo"], json!({ "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null }));
        app.seed().await;
        for list in ["metrics", "sessions", "contexts"] {
            for (given, plain) in [("first: 2, after: \"\"", "first: 2"), ("last: 2, before: \"\"", "last: 2"), ("after: \"\", before: \"\"", "first: 50"), ("first: 2, after: null", "first: 2")] {
                let stretch = async |arguments| app.graphql(&format!("{{ {list}({arguments}) {{ {fields} }} }}")).await;
                assert_eq!(stretch(given).await, stretch(plain).await, "{list} {given}");
            }
        }
        let nested = async |arguments| app.graphql(&format!("{{ sessions {{ nodes {{ metrics({arguments}) {{ {fields} }} }} }} }}")).await;
        assert_eq!(nested("first: 1, after: \"\"").await, nested("first: 1").await);
    }

    async fn fields_come_in_the_order_asked(app: &TestApp) {
        app.seed().await;
        for (query, expected) in [
            // Fields that read the database stand before and between fields that do not.
            ("{ metrics(first: 1) { totalCount nodes { variant { item { name } name } kind session { hash } id context { hash } passed } } sessionCount a: __typename }",
                "metrics totalCount nodes variant item name name kind session hash id context hash passed sessionCount a"),
            ("{ sessionCount metrics(first: 1) { nodes { passed context { hash } id session { hash } kind variant { name item { name } } } totalCount } }",
                "sessionCount metrics nodes passed context hash id session hash kind variant name item name totalCount"),
            ("{ contextCount z: sessionCount a: metricCount node(id: \"UGlwZWxpbmU6MQ\") { id __typename } componentCount }",
                "contextCount z a node id __typename componentCount"),
        ] {
            for _ in 0..3 {
                assert_eq!(names(&app.graphql(query).await).join(" "), expected, "{query}");
            }
        }
    }

    async fn fragments_are_merged_where_they_first_appear(app: &TestApp) {
        app.seed().await;
        let query = "query { session(hash: \"s1\") { ...A hash build { name } ... on Session { scmRef build { pipeline { name } } } ... { runDate } } }
            fragment A on Session { metricCount build { id } ...B } fragment B on Session { tags { name } hash }";
        let answer = app.graphql(query).await;
        assert_eq!(names(&answer).join(" "), "session metricCount build id name pipeline name tags name name name hash scmRef runDate");
        assert_eq!(answer["session"]["build"]["pipeline"]["name"], "main");
    }

    async fn skip_and_include_use_the_defaults_of_variables(app: &TestApp) {
        let query = "query($a: Boolean = true, $b: Boolean! = false) { a: sessionCount @include(if: $a) b: sessionCount @include(if: $b) \
                     ...F @skip(if: $a) ... @skip(if: $b) { d: sessionCount } } fragment F on Query { c: sessionCount }";
        let answer = app.graphql_with(query, json!({})).await;
        assert_eq!(answer, json!({ "data": { "a": 0, "d": 0 } }));
        let answer = app.graphql_with(query, json!({ "a": false, "b": true })).await;
        assert_eq!(answer, json!({ "data": { "b": 0, "c": 0 } }));
    }

    async fn skip_and_include_are_heeded(app: &TestApp) {
        app.seed().await;
        let query = "query($yes: Boolean!) { sessionCount @include(if: $yes) contextCount @skip(if: $yes) metricCount ... @skip(if: $yes) { componentCount } }";
        assert_eq!(names(&app.run(query, json!({ "yes": true })).await), ["sessionCount", "metricCount"]);
        assert_eq!(names(&app.run(query, json!({ "yes": false })).await), ["contextCount", "metricCount", "componentCount"]);
    }

    async fn a_typename_is_a_field_like_any_other(app: &TestApp) {
        for wrong in [
            "{ __typename @nope }", "{ __typename @skip }", "{ __typename @skip(if: \"x\") }", "{ __typename @skip(if: null) }",
            "{ __typename @skip(unless: true) }", "{ __typename(x: 1) }", "{ __typename { x } }", "{ __typename @include(if: $nope) }",
            "query($a: String!) { __typename @skip(if: $a) }", "query($a: Boolean) { __typename @skip(if: $a) }",
            "{ components { nodes { __typename @skip(if: $nope) } } }", "{ ...F } fragment F on Query { __typename @nope }",
        ] {
            assert_eq!(app.graphql_error(wrong).await, "GRAPHQL_VALIDATION_FAILED", "{wrong}");
        }
        // The engine reports a variable that is used only there as unused.
        let right = "query($a: Boolean!, $b: Boolean = true) { x: __typename @skip(if: $a) y: __typename @include(if: $b) \
                     metricCount @skip(if: $a) sessionCount @include(if: $b) __typename @skip(if: false) }";
        let answer = app.graphql_with(right, json!({ "a": true })).await;
        assert_eq!(answer, json!({ "data": { "y": "Query", "sessionCount": 0, "__typename": "Query" } }));
    }

    async fn a_nullable_field_that_fails_is_null_and_leaves_its_siblings(app: &TestApp) {
        app.seed().await;
        let query = "{ before: sessionCount\n  bad: node(id: \"x\") { id }\n  other: tag(id: \"y\") { id } session(hash: \"s1\") { hash } }";
        let answer = app.graphql_with(query, json!({})).await;
        assert_eq!(answer["data"], json!({ "before": 5, "bad": null, "other": null, "session": { "hash": "s1" } }));
        assert_eq!(names(&answer["data"]), ["before", "bad", "other", "session", "hash"]);
        let mut errors = answer["errors"].as_array().unwrap().clone();
        errors.sort_by_key(|error| error["path"].to_string());
        assert_eq!(errors.len(), 2);
        assert_eq!((&errors[0]["path"], &errors[0]["locations"]), (&json!(["bad"]), &json!([{ "line": 2, "column": 3 }])));
        assert_eq!((&errors[1]["path"], &errors[1]["locations"][0]["line"]), (&json!(["other"]), &json!(3)));
        for error in errors {
            assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT" }));
            assert!(!error["message"].as_str().unwrap().is_empty());
        }
    }

    async fn only_the_failing_item_of_a_list_is_null(app: &TestApp) {
        app.seed().await;
        let id = app.bare("{ session(hash: \"s1\") { id } }").await;
        let answer = app.graphql_with("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": [id, "x", id] })).await;
        assert_eq!(answer["data"]["nodes"], json!([{ "id": id }, null, { "id": id }]));
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["path"]), (1, &json!(["nodes", 1])));
    }

    async fn a_failure_climbs_to_the_nearest_field_that_may_be_null(app: &TestApp) {
        app.seed().await;
        let bad = "metrics(after: \"x\") { nodes { id } }";
        for (query, data, path) in [
            (format!("{{ sessionCount session(hash: \"s1\") {{ hash {bad} }} }}"), json!({ "sessionCount": 5, "session": null }), json!(["session", "metrics"])),
            (format!("{{ a: session(hash: \"s1\") {{ build {{ pipeline {{ {bad} }} }} hash }} }}"), json!({ "a": { "build": null, "hash": "s1" } }),
                json!(["a", "build", "pipeline", "metrics"])),
            (format!("{{ metrics(first: 1) {{ nodes {{ session {{ {bad} }} kind }} }} }}"), json!({ "metrics": { "nodes": [{ "session": null, "kind": "function" }] } }),
                json!(["metrics", "nodes", 0, "session", "metrics"])),
            // async-graphql 8.0.0-rc.5 ends the path at the list item that the error propagates through: "metrics" is missing.
            (format!("{{ sessionCount sessions(first: 2) {{ nodes {{ hash {bad} }} }} }}"), Value::Null, json!(["sessions", "nodes", 0])),
            (format!("{{ sessionCount {bad} }}"), Value::Null, json!(["metrics"])),
        ] {
            let answer = app.graphql_with(&query, json!({})).await;
            assert_eq!(answer.get("data"), Some(&data), "{query}");
            let error = &answer["errors"][0];
            assert_eq!((&error["path"], &error["extensions"]["code"]), (&path, &json!("BAD_USER_INPUT")), "{query}");
            assert!(error["locations"][0]["column"].as_u64() > Some(0), "{query}");
        }
    }

    async fn errors_from_before_a_run_have_a_place_and_a_code(app: &TestApp) {
        for (query, line, code) in [
            ("{\n  nothing }", 2, "GRAPHQL_VALIDATION_FAILED"), ("{\n\n  sessionCount(x: 1) }", 3, "GRAPHQL_VALIDATION_FAILED"),
            ("{\n sessionCount", 2, "GRAPHQL_PARSE_FAILED"), ("{ session(hash: 1) { id } }", 1, "GRAPHQL_VALIDATION_FAILED"),
        ] {
            let answer = app.graphql_with(query, json!({})).await;
            let error = &answer["errors"][0];
            assert_eq!((&error["locations"][0]["line"], &error["extensions"]["code"]), (&json!(line), &json!(code)), "{answer}");
            assert!(answer.get("data").is_none() && error.get("path").is_none(), "{answer}");
        }
    }

    async fn everything_in_the_schema_is_described(app: &TestApp) {
        let described = "name description";
        let schema = app.graphql(&format!(
            "{{ __schema {{ types {{ {described} fields(includeDeprecated: true) {{ {described} args {{ {described} }} }}
                inputFields {{ {described} }} enumValues(includeDeprecated: true) {{ {described} }} }}
                directives {{ {described} args {{ {described} }} }} }} }}"
        )).await;
        let schema = &schema["__schema"];
        let mut found = Vec::new();
        let types = schema["types"].as_array().unwrap();
        // The specification's own types are described by the engine.
        let own = |thing: &&Value| thing["name"].as_str().is_some_and(|name| name != "ID" && !name.starts_with("__"));
        for thing in types.iter().filter(own) {
            undescribed("", thing, &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
        assert!(types.len() > 60);
    }

    async fn introspection_describes_the_schema(app: &TestApp) {
        let answer = app.bare("{ __type(name: \"Metric\") { kind interfaces { name } fields { name } } }").await;
        assert_eq!((&answer["kind"], &answer["interfaces"]), (&json!("OBJECT"), &json!(["Node"])));
        assert!(answer["fields"].as_array().unwrap().contains(&json!("sessionHash")));
        app.answers(&[
            ("{ __type(name: \"Planet\") { name } }", Value::Null),
            ("{ __type(name: \"Direction\") { enumValues { name } } }", json!(["ASC", "DESC"])),
            ("{ __schema { mutationType { name } } }", json!("Mutation")),
            ("{ __typename }", json!("Query")),
            ("mutation { __typename }", json!("Mutation")),
        ]).await;
        let possible = app.bare("{ __type(name: \"Node\") { possibleTypes { name } } }").await;
        assert_eq!(possible.as_array().unwrap().len(), 13);
    }
}
