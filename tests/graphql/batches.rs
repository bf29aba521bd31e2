//! Batched requests: each has a response, in the order of the batch.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use crate::support::on_both_engines;

const MUTATION: &str = "mutation($h: String!) { announceSession(input: {hash: $h, runDate: \"2026-01-01\", tags: {}}) { session { hash } } }";

on_both_engines! {
    async fn answers_come_in_the_order_asked_whatever_becomes_of_them(app: &TestApp) {
        let batch = json!([
            { "query": "{ sessionCount }" },
            { "query": "{ nothing }" },
            { "query": "query a($h: String!) { session(hash: $h) { hash } } query b { metricCount }", "operationName": "b" },
            { "query": "{" },
            {},
            { "query": "{ node(id: \"x\") { id } }" },
            { "query": "query($n: Int) { sessions(first: $n) { totalCount } }", "variables": { "n": 5 } },
        ]);
        let answers = app.post("/graphql", &batch).await.expect(200);
        let code = |place: usize| answers[place]["errors"][0]["extensions"]["code"].clone();
        assert_eq!(answers.as_array().unwrap().len(), 7);
        assert_eq!(answers[0], json!({ "data": { "sessionCount": 0 } }));
        assert_eq!((code(1), answers[1].get("data")), (json!("GRAPHQL_VALIDATION_FAILED"), None));
        assert_eq!(answers[2], json!({ "data": { "metricCount": 0 } }));
        assert_eq!((code(3), answers[3].get("data")), (json!("GRAPHQL_PARSE_FAILED"), None));
        assert_eq!((code(4), answers[4].get("data")), (json!("GRAPHQL_PARSE_FAILED"), None));
        assert_eq!((code(5), answers[5].get("data")), (json!("BAD_USER_INPUT"), Some(&json!({ "node": null }))));
        assert_eq!(answers[6], json!({ "data": { "sessions": { "totalCount": 0 } } }));
    }

    async fn mutations_may_be_among_them_and_subscriptions_may_not(app: &TestApp) {
        let announce = |hash: &str| json!({ "query": MUTATION, "variables": { "h": hash } });
        let batch = json!([announce("a"), { "query": "subscription { metricRecorded { id } }" }, announce("b")]);
        let answers = app.post("/graphql", &batch).await.expect(200);
        assert_eq!(answers[0]["data"]["announceSession"]["session"]["hash"], "a");
        assert_eq!(answers[2]["data"]["announceSession"]["session"]["hash"], "b");
        assert!(answers[1]["errors"][0]["message"].as_str().unwrap().contains("a subscription is sent by itself"));
        assert_eq!(app.bare("{ sessionCount }").await, json!(2));
    }

    async fn the_media_type_is_negotiated_for_all_of_them(app: &TestApp) {
        for (accept, status) in [("application/graphql-response+json", 200), ("application/json", 200), ("text/html", 406), ("text/event-stream", 406)] {
            let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json").header(header::ACCEPT, accept);
            let reply = app.send(request.body(Body::from(r#"[{"query": "{ nothing }"}]"#)).unwrap()).await;
            let answer = reply.expect(status);
            let first = answer.get(0).unwrap_or(&answer);
            assert!(first["errors"][0]["extensions"]["code"].is_string(), "{accept}: {answer}");
            if status == 200 {
                assert!(reply.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with(accept));
            }
        }
    }

    async fn a_batch_that_is_none_is_400(app: &TestApp) {
        for (batch, words) in [(json!([]), "the batch is empty"), (json!([{ "query": 1 }]), "query: "), (json!([{ "query": "{ a }", "variables": [] }]), "variables: "),
            (json!(["{ sessionCount }"]), "an object with query")] {
            let answer: Value = app.post("/graphql", &batch).await.expect(400);
            assert!(answer["errors"][0]["message"].as_str().unwrap().contains(words), "{answer}");
        }
    }
}
