//! graphql-transport-ws, message by message.

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    TestApp,
    history::nested_in_texts,
    live::{Socket, settle},
    on_both_engines,
};

const RECORDED: &str = "subscription { metricRecorded { itemName } }";

/// Asserts that an acknowledged client is disconnected with this code after this message.
async fn assert_costs(app: &TestApp, message: Value, code: u16, reason: &str) {
    let mut socket = Socket::initialized(app).await;
    socket.send_json(message.clone()).await;
    let (given, said) = socket.closed().await;
    assert_eq!(given, code, "{message}: {said}");
    assert!(said.contains(reason), "{message}: {said}");
}

on_both_engines! {
    async fn a_socket_carries_subscriptions_queries_and_mutations(app: &TestApp) {
        for path in ["/graphql", "/graphql/ws"] {
            let mut socket = Socket::open(app, path, Some("graphql-transport-ws")).await;
            socket.send_json(json!({ "type": "connection_init" })).await;
            assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
            socket.subscribe("q", "{ __typename }").await;
            assert_eq!(socket.receive().await, json!({ "id": "q", "type": "next", "payload": { "data": { "__typename": "Query" } } }));
            assert_eq!(socket.receive().await, json!({ "id": "q", "type": "complete" }));
            socket.listen("s", RECORDED).await;
            app.record(json!({ "item": "sent" })).await;
            let next = json!({ "id": "s", "type": "next", "payload": { "data": { "metricRecorded": { "itemName": "sent" } } } });
            assert_eq!(socket.receive().await, next);
        }
    }

    async fn a_mutation_is_answered_once(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        let query = "mutation($i: AnnounceSessionInput!) { announceSession(input: $i) { session { hash } } }";
        let input = json!({ "hash": "s", "runDate": "2026-01-05T03:00:00", "tags": {} });
        let payload = json!({ "query": query, "variables": { "i": input }, "operationName": null });
        socket.send_json(json!({ "id": "m", "type": "subscribe", "payload": payload })).await;
        assert_eq!(socket.receive().await["payload"]["data"]["announceSession"]["session"]["hash"], "s");
        assert_eq!(socket.receive().await, json!({ "id": "m", "type": "complete" }));
        // The id can be used again.
        socket.subscribe("m", "{ sessionCount }").await;
        assert_eq!(socket.receive().await["payload"], json!({ "data": { "sessionCount": 1 } }));
    }

    async fn a_document_may_be_named_and_a_query_reports_its_cost(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        let hash = "83187f02f37bdc491f1879258313acb02173f4ebf60e902c2d6c47396ed2a3d8";
        let persisted = json!({ "version": 1, "sha256Hash": hash });
        let ask = |payload: Value| json!({ "id": "1", "type": "subscribe", "payload": payload });
        socket.send_json(ask(json!({ "extensions": { "persistedQuery": persisted } }))).await;
        assert_eq!(socket.receive().await["payload"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
        let extensions = json!({ "persistedQuery": persisted, "cost": true });
        for payload in [json!({ "query": "{ metricCount }", "extensions": extensions }), json!({ "extensions": extensions })] {
            socket.send_json(ask(payload)).await;
            let answer = socket.receive().await["payload"].take();
            assert_eq!((&answer["data"]["metricCount"], &answer["extensions"]["cost"]["complexity"]), (&json!(0), &json!(1)), "{answer}");
            assert_eq!(socket.receive().await["type"], "complete");
        }
        socket.send_json(ask(json!({ "documentId": "none" }))).await;
        assert_eq!(socket.receive().await["payload"][0]["extensions"]["code"], "DOCUMENT_NOT_FOUND");
    }

    async fn what_cannot_run_is_an_error_and_ends_there(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        let two = "subscription { a: metricRecorded { id } ...More } fragment More on Subscription { sessionAnnounced { id } }";
        let typed = "subscription($w: MetricWhere) { metricRecorded(where: $w) { id } }";
        let named = "query one { metricCount } query two { metricCount }";
        for (payload, code) in [
            (json!({ "query": "subscription {" }), "GRAPHQL_PARSE_FAILED"),
            (json!({ "query": "subscription { nothing }" }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": two }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": typed, "variables": { "w": { "passed": "perhaps" } } }), "BAD_USER_INPUT"),
            (json!({ "query": named }), "GRAPHQL_VALIDATION_FAILED"),
            (json!({ "query": named, "operationName": "three" }), "GRAPHQL_VALIDATION_FAILED"),
        ] {
            socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
            let answer = socket.receive().await;
            assert_eq!((&answer["id"], &answer["type"]), (&json!("1"), &json!("error")), "{answer}");
            assert_eq!(answer["payload"][0]["extensions"]["code"], code, "{answer}");
        }
        // None of them is followed by `complete`.
        socket.send_json(json!({ "type": "ping" })).await;
        assert_eq!(socket.receive().await, json!({ "type": "pong" }));
    }

    async fn what_fails_while_it_runs_is_an_answer(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
        let query = "subscription($in: [String!]) { metricRecorded(where: {item: {in: $in}}) { id } }";
        let payload = json!({ "query": query, "variables": { "in": many } });
        socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        let answer = socket.receive().await;
        assert_eq!(answer["type"], "next", "{answer}");
        assert_eq!(answer["payload"]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        assert_eq!(socket.receive().await, json!({ "id": "1", "type": "complete" }));
    }

    async fn a_client_ends_an_operation_and_goes_on(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        socket.listen("1", RECORDED).await;
        socket.send_json(json!({ "id": "unknown", "type": "complete" })).await;
        socket.send_json(json!({ "id": "1", "type": "complete" })).await;
        socket.send_json(json!({ "type": "ping", "payload": { "n": 1 } })).await;
        assert_eq!(socket.receive().await, json!({ "type": "pong", "payload": { "n": 1 } }));
        socket.send_json(json!({ "type": "pong" })).await;
        app.record(json!({ "item": "unheard" })).await;
        // The same id again: it gets what is recorded from now on.
        socket.listen("1", RECORDED).await;
        app.record(json!({ "item": "sent" })).await;
        assert_eq!(socket.receive().await["payload"]["data"]["metricRecorded"]["itemName"], "sent");
    }

    async fn operations_are_identified_by_their_ids(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        for component in ["io", "net"] {
            let query = format!("subscription {{ metricRecorded(where: {{component: {{eq: \"{component}\"}}}}) {{ itemName }} }}");
            socket.listen(component, &query).await;
        }
        for component in ["net", "io"] {
            app.record(json!({ "component": component, "item": component })).await;
            let next = socket.receive().await;
            assert_eq!((&next["id"], &next["payload"]["data"]["metricRecorded"]["itemName"]), (&json!(component), &json!(component)));
        }
    }

    async fn what_is_no_message_closes_with_4400(app: &TestApp) {
        for message in [
            json!("text"),
            json!({ "type": "gibberish" }),
            json!({ "type": "connection_ack" }),
            json!({ "type": "next", "id": "1", "payload": {} }),
            json!({ "type": "subscribe", "payload": { "query": "{ metricCount }" } }),
            json!({ "type": "subscribe", "id": "", "payload": { "query": "{ metricCount }" } }),
            json!({ "type": "subscribe", "id": 1, "payload": { "query": "{ metricCount }" } }),
            json!({ "type": "subscribe", "id": "1" }),
            json!({ "type": "subscribe", "id": "1", "payload": { "variables": {} } }),
            json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ metricCount }", "variables": [1] } }),
            json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ metricCount }", "operationName": 1 } }),
            json!({ "type": "complete" }),
            json!({ "type": "ping", "payload": 1 }),
        ] {
            assert_costs(app, message, 4400, "Invalid message").await;
        }
        let mut socket = Socket::initialized(app).await;
        socket.send(Message::text("{")).await;
        assert_eq!(socket.closed().await.0, 4400);
        let mut early = Socket::silent(app).await;
        early.send_json(json!({ "type": "connection_init", "payload": "secret" })).await;
        assert_eq!(early.closed().await.0, 4400);
    }

    async fn payloads_are_nested_no_deeper_than_anything_else(app: &TestApp) {
        let payload = nested_in_texts();
        let mut socket = Socket::silent(app).await;
        for (said, answered) in [("connection_init", "connection_ack"), ("ping", "pong")] {
            socket.send(Message::text(format!(r#"{{"type":"{said}","payload":{{"a":{payload}}}}}"#))).await;
            // Nor must the echo be parsed as JSON here.
            let answer = socket.frame().await.into_text().unwrap();
            assert!(answer.contains(answered), "{answer}");
        }
    }

    async fn a_client_that_skips_connection_init_is_disconnected(app: &TestApp) {
        let mut hasty = Socket::silent(app).await;
        hasty.subscribe("1", "{ metricCount }").await;
        assert_eq!(hasty.closed().await, (4401, "Unauthorized".to_owned()));
        let mut silent = Socket::silent(app).await;
        assert_eq!(silent.closed().await, (4408, "Connection initialisation timeout".to_owned()));
        assert_costs(app, json!({ "type": "connection_init" }), 4429, "Too many initialisation requests").await;
    }

    async fn an_id_in_use_closes_with_4409(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        socket.listen("twice", RECORDED).await;
        socket.subscribe("twice", RECORDED).await;
        assert_eq!(socket.closed().await, (4409, "Subscriber for twice already exists".to_owned()));
    }

    async fn a_connection_runs_a_hundred_operations(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        for number in 0..101 {
            socket.subscribe(&number.to_string(), RECORDED).await;
        }
        let answer = socket.receive().await;
        assert_eq!((&answer["id"], &answer["type"]), (&json!("100"), &json!("error")), "{answer}");
        assert_eq!(answer["payload"][0]["extensions"]["code"], "TOO_MANY_OPERATIONS");
        // The others go on, and a new one can start when one ends.
        socket.send_json(json!({ "id": "7", "type": "complete" })).await;
        socket.subscribe("100", "{ metricCount }").await;
        assert_eq!(socket.receive().await["payload"], json!({ "data": { "metricCount": 0 } }));
        assert_eq!(socket.receive().await["type"], "complete");
        settle().await;
        app.record(json!({})).await;
        for _ in 0..99 {
            assert_eq!(socket.receive().await["type"], "next");
        }
    }

    async fn a_client_that_closes_is_answered(app: &TestApp) {
        let mut socket = Socket::initialized(app).await;
        socket.listen("1", RECORDED).await;
        assert_eq!(socket.leave().await.0, 1000);
    }

    async fn a_server_that_stops_sends_a_close_code(app: &TestApp) {
        let second = app.second_server().await;
        let mut socket = Socket::initialized(&second).await;
        socket.listen("1", RECORDED).await;
        second.finish().await;
        assert_eq!(socket.closed().await.0, 1001);
    }

    async fn a_page_of_another_site_opens_no_socket(app: &TestApp) {
        for path in ["/graphql", "/graphql/ws"] {
            for (origin, status) in [("http://evil.example", 403), ("http://localhost:8181", 400), ("null", 403)] {
                let request = Request::get(path).header(header::HOST, "localhost:8181").header(header::ORIGIN, origin);
                let upgrade = request.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "websocket");
                let handshake = upgrade.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
                let reply = app.send(handshake.body(Body::empty()).unwrap()).await;
                assert_eq!(reply.status.as_u16(), status, "{origin}: {}", reply.text());
            }
        }
    }
}
