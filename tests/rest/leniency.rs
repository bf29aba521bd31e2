//! What REST v1 accepts beyond its description.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{
    builders::rest::{context, metric, session},
    on_both_engines,
};

const JSON: &str = "application/json";

fn tags(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// Returns the JSON of an object with one member spelled differently.
fn rewritten(object: &Value, member: &str, written: &str) -> String {
    let mut object = object.clone();
    object[member] = "*".into();
    object.to_string().replace(&format!("\"{member}\":\"*\""), &format!("\"{member}\":{written}"))
}

on_both_engines! {
    async fn a_byte_order_mark_is_no_part_of_json(app: &TestApp) {
        let body = format!("\u{feff}{}", metric(json!({})));
        app.send_body(Method::POST, "/api/v1/metrics/", JSON, body).await.expect(201);
        let body = format!("\u{feff}{}", json!({ "query": "{ metricCount }" }));
        assert_eq!(app.send_body(Method::POST, "/graphql", JSON, body).await.expect(200)["data"]["metricCount"], 1);
        let body = format!("\u{feff}[{}]", json!({ "query": "\u{feff}{ metricCount }" }));
        assert_eq!(app.send_body(Method::POST, "/graphql", JSON, body).await.expect(200)[0]["data"]["metricCount"], 1);
        let variables = "%EF%BB%BF%7B%22a%22:1%7D";
        app.get(&format!("/graphql?query=%7BmetricCount%7D&variables={variables}")).await.expect(200);
        let body = "\u{feff}{\"page\": 1}";
        assert_eq!(app.send_body(Method::GET, "/api/v1/metrics/", JSON, body).await.expect(200)["total_page"], 1);
        let body = format!("\u{feff}\u{feff}{}", metric(json!({})));
        app.send_body(Method::POST, "/api/v1/metrics/", JSON, body).await.refuses(400, "body");
    }

    async fn whole_numbers_may_have_a_point_or_an_exponent(app: &TestApp) {
        for (n, cpus, memory) in [(0, "8.0", "1e4"), (1, "8e0", "10000.0"), (2, "80E-1", "1.0E+4"), (3, "8", "10000")] {
            let new = context(json!({ "h": format!("c{n}"), "ram_total": 10_000 }));
            let body = rewritten(&new, "cpu_count", cpus);
            let body = body.replace("\"ram_total\":10000", &format!("\"ram_total\":{memory}"));
            let stored = app.send_body(Method::POST, "/api/v1/contexts/", JSON, body).await.expect(201);
            assert_eq!((&stored["cpu_count"], &stored["ram_total"]), (&json!(8), &json!(10_000)), "{n}");
        }
        for cpus in ["8.5", "1e20", "\"8\"", "12345678901234567890123"] {
            let body = rewritten(&context(json!({ "h": "x" })), "cpu_count", cpus);
            app.send_body(Method::POST, "/api/v1/contexts/", JSON, body).await.refuses(400, "cpu_count");
        }
        let query = "query($n: Int!) { topMetrics(resource: TOTAL_TIME, first: $n) { id } }";
        for n in ["8.0", "1e1"] {
            let body = format!("{{\"query\": {}, \"variables\": {{\"n\": {n}}}}}", json!(query));
            let answer = app.send_body(Method::POST, "/graphql", JSON, body).await.expect(200);
            assert_eq!(answer, json!({ "data": { "topMetrics": [] } }));
        }
        app.record_items(&["a"]).await;
        assert_eq!(app.get("/api/v1/metrics/?page=1.0").await.expect(200)["total_page"], 1);
        for page in ["2.0", "1e30", "-1e30", "1e400", "99999999999999999999"] {
            app.get(&format!("/api/v1/metrics/?page={page}")).await.refuses(404, "page");
        }
        assert_eq!(app.get("/api/v1/metrics/?page=1.5").await.expect(200)["total_page"], 1);
    }

    async fn tags_keep_the_digits_of_whole_numbers(app: &TestApp) {
        let long = "123456789012345678901234567890";
        let expected = tags(&[("n", long), ("m", &format!("-{long}")), ("u", "18446744073709551615"), ("f", "1e23"), ("s", long)]);
        let object = format!("{{\"n\": {long}, \"m\": -{long}, \"u\": 18446744073709551615, \"f\": 1e23, \"s\": \"{long}\"}}");
        let as_sent = |hash: &str, written: &str| rewritten(&session(json!({ "session_h": hash })), "description", written);
        for (hash, written) in [("o", object.clone()), ("t", json!(object).to_string())] {
            let stored = app.send_body(Method::POST, "/api/v1/sessions/", JSON, as_sent(hash, &written)).await.expect(201);
            let mut stored = stored["tags"].clone();
            // A float stays a float.
            assert!(stored[3]["value"].as_str().unwrap().contains('e'), "{stored}");
            stored[3]["value"] = "1e23".into();
            assert_eq!(stored, expected, "{hash}");
        }
        let announce = "mutation($tags: Tags!, $hash: String!) { announceSession(input: {hash: $hash, runDate: \"2026-01-05T03:00:00\", \
                        tags: $tags}) { session { tags { name value } } } }";
        let list = format!("[{{\"name\": \"n\", \"value\": {long}}}]");
        for (hash, written) in [("go", format!("{{\"n\": {long}}}")), ("gl", list)] {
            let variables = format!("{{\"hash\": \"{hash}\", \"tags\": {written}}}");
            let request = format!("{{\"query\": {}, \"variables\": {variables}}}", json!(announce));
            let answer = app.send_body(Method::POST, "/graphql", JSON, request.clone()).await.expect(200);
            assert_eq!(answer["data"]["announceSession"]["session"]["tags"], tags(&[("n", long)]), "{answer}");
            let answer = app.send_body(Method::POST, "/graphql", JSON, format!("[{request}]")).await.expect(200);
            assert_eq!(answer[0]["data"]["announceSession"]["session"]["tags"], tags(&[("n", long)]), "{answer}");
        }
        let literal = format!("mutation {{ announceSession(input: {{hash: \"l\", runDate: \"2026-01-05T03:00:00\", tags: {{n: {long}}}}}) {{
            session {{ tags {{ name value }} }} }} }}");
        assert_eq!(app.graphql(&literal).await["announceSession"]["session"]["tags"], tags(&[("n", long)]));
        // Elsewhere they are ordinary numbers.
        let body = rewritten(&metric(json!({})), "total_time", long);
        let stored = app.send_body(Method::POST, "/api/v1/metrics/", JSON, body).await.expect(201);
        assert_eq!(stored["total_time"].as_f64(), Some(long.parse().unwrap()));
    }

    async fn a_description_may_be_a_text(app: &TestApp) {
        for (n, (description, expected)) in [
            ("nightly run", tags(&[("description", "nightly run")])),
            ("", json!([])),
            (r#"{"python": "3.12", "n": 1}"#, tags(&[("python", "3.12"), ("n", "1")])),
            ("{}", json!([])),
            ("{not json", tags(&[("description", "{not json")])),
            ("[1, 2]", tags(&[("description", "[1, 2]")])),
            ("\"quoted\"", tags(&[("description", "\"quoted\"")])),
            ("5", tags(&[("description", "5")])),
            ("ünï", tags(&[("description", "ünï")])),
        ].into_iter().enumerate() {
            let sent = session(json!({ "session_h": format!("s{n}"), "description": description }));
            assert_eq!(app.post("/api/v1/sessions/", &sent).await.expect(201)["tags"], expected, "{description}");
            // The same tags again are no conflict.
            app.post("/sessions/", &sent).await.expect(201);
        }
        for (description, named) in [("{\"a\": {\"b\": 1}}", "flat"), ("{\"a\": \"\\u0000\"}", "U+0000"), ("a\0b", "U+0000")] {
            let sent = session(json!({ "session_h": "x", "description": description }));
            app.post("/api/v1/sessions/", &sent).await.refuses(400, named);
        }
        // GraphQL has no clients of old: there, a text is JSON.
        let answer = app.graphql_with("mutation($t: Tags!) { announceSession(input: {hash: \"g\", runDate: \"2026-01-05T03:00:00\", tags: $t}) { session { id } } }",
            json!({ "t": "nightly run" })).await;
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("JSON object"), "{answer}");
    }

    async fn names_that_the_plugins_documentation_spells_are_taken(app: &TestApp) {
        let mut sent = session(json!({ "session_h": "s" }));
        sent.as_object_mut().unwrap().remove("description");
        sent["descriptio"] = json!({ "a": "b" });
        assert_eq!(app.post("/api/v1/sessions/", &sent).await.expect(201)["tags"], tags(&[("a", "b")]));
        sent["session_h"] = "t".into();
        sent["descriptio"] = "text".into();
        assert_eq!(app.post("/sessions/", &sent).await.expect(201)["tags"], tags(&[("description", "text")]));
        let mut sent = context(json!({ "h": "c" }));
        sent.as_object_mut().unwrap().remove("ram_total");
        sent["ram_tota"] = 512.into();
        assert_eq!(app.post("/api/v1/contexts/", &sent).await.expect(201)["ram_total"], 512);
        sent.as_object_mut().unwrap().remove("ram_tota");
        sent["h"] = "d".into();
        app.post("/contexts/", &sent).await.refuses(400, "ram_total");
    }

    async fn arguments_that_are_lists_may_be_repeated(app: &TestApp) {
        app.announce("s1", json!({ "a": "1", "b": "x" })).await;
        app.announce("s2", json!({ "a": "1" })).await;
        app.announce("s3", json!({ "b": "y" })).await;
        for path in ["/sessions/", "/sessions/s"] {
            for (repeated, joined) in [
                ("with_flags=a&with_flags=b", "with_flags=a,b"),
                ("with_flags=a&with_flags=b&method=match_all", "with_flags=a,b&method=match_all"),
                ("with_tags=a&with_tags=b&method=match_all", "with_tags=a,b&method=match_all"),
                ("with_flags=a&with_flags=b&restrict_flags=&restrict_flags=y", "with_flags=a,b&restrict_flags=,y"),
                ("with_flags=a,b&with_flags=c", "with_flags=a,b,c"),
                ("with_flags=a&with_tags=b&method=match_all", "with_flags=a,b&method=match_all"),
            ] {
                let expected = app.sessions(&format!("{path}?{joined}")).await;
                assert_eq!(app.sessions(&format!("{path}?{repeated}")).await, expected, "{repeated}");
            }
        }
        assert_eq!(app.sessions("/sessions/?with_flags=a&with_flags=b&method=match_all").await, json!(["s1"]));
    }

    async fn the_last_page_of_an_empty_list_is_empty(app: &TestApp) {
        for path in ["/metrics/", "/sessions/", "/contexts/", "/components/", "/items/x/metrics"] {
            for page in ["-1", "1"] {
                assert_eq!(app.get(&format!("/api/v1{path}?page={page}")).await.status, 204, "{path} {page}");
            }
            for page in ["-2", "0", "2"] {
                app.get(&format!("/api/v1{path}?page={page}")).await.refuses(404, "page");
            }
        }
        let listing = app.get("/api/v1/pipelines/x/builds?page=-1").await.expect(200);
        assert_eq!(listing["total_page"], 0);
    }
}
