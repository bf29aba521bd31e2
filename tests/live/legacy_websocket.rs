//! The legacy sub-protocol graphql-ws (subscriptions-transport-ws), message by message; and refusals of clients with neither protocol.

use metrograph::config::AccessMode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    TestApp,
    live::{Socket, settle},
    on_both_engines,
};

const RECORDED: &str = "subscription { metricRecorded { itemName } }";

async fn silent(app: &TestApp) -> Socket {
    Socket::open(app, "/graphql", Some("graphql-ws")).await
}

/// Opens a socket with an acknowledged `connection_init`.
async fn initialized(app: &TestApp) -> Socket {
    let mut socket = silent(app).await;
    socket.send_json(json!({ "type": "connection_init", "id": "some clients name this, too", "payload": {} })).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    assert_eq!(socket.receive().await, json!({ "type": "ka" }));
    socket
}

fn start(id: &str, query: &str) -> Value {
    json!({ "id": id, "type": "start", "payload": { "query": query, "variables": {}, "operationName": null } })
}

fn data(id: &str, data: &Value) -> Value {
    json!({ "id": id, "type": "data", "payload": { "data": data } })
}

fn complete(id: &str) -> Value {
    json!({ "id": id, "type": "complete", "payload": null })
}

on_both_engines! {
    async fn it_carries_subscriptions_and_queries(app: &TestApp) {
        let mut socket = initialized(app).await;
        socket.send_json(start("q", "{ __typename }")).await;
        assert_eq!(socket.receive().await, data("q", &json!({ "__typename": "Query" })));
        assert_eq!(socket.receive().await, complete("q"));
        socket.send_json(start("s", RECORDED)).await;
        settle().await;
        for item in ["one", "two"] {
            app.record(json!({ "item": item })).await;
            assert_eq!(socket.receive().await, data("s", &json!({ "metricRecorded": { "itemName": item } })));
        }
        // Clients wait for the end of operations that they stop.
        socket.send_json(json!({ "id": "s", "type": "stop" })).await;
        assert_eq!(socket.receive().await, complete("s"));
        socket.send_json(json!({ "id": "unknown", "type": "stop" })).await;
        app.record(json!({ "item": "unheard" })).await;
        socket.send_json(start("last", "{ metricCount }")).await;
        assert_eq!(socket.receive().await, data("last", &json!({ "metricCount": 3 })));
        assert_eq!(socket.receive().await, complete("last"));
        socket.send_json(json!({ "type": "connection_terminate" })).await;
        assert_eq!(socket.closed().await.0, 1000);
    }

    async fn what_cannot_run_is_one_error_and_what_fails_is_data(app: &TestApp) {
        let mut socket = initialized(app).await;
        for (query, code) in [("subscription {", "GRAPHQL_PARSE_FAILED"), ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED")] {
            socket.send_json(start("1", query)).await;
            let answer = socket.receive().await;
            assert_eq!((&answer["id"], &answer["type"]), (&json!("1"), &json!("error")), "{answer}");
            assert!(answer["payload"]["message"].is_string(), "{answer}");
            assert_eq!(answer["payload"]["extensions"]["code"], code, "{answer}");
        }
        socket.send_json(start("1", "{ node(id: \"x\") { id } }")).await;
        let answer = socket.receive().await;
        assert_eq!((&answer["type"], &answer["payload"]["data"]), (&json!("data"), &json!({ "node": null })), "{answer}");
        assert_eq!(answer["payload"]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        assert_eq!(socket.receive().await, complete("1"));
    }

    async fn a_caller_without_access_gets_the_reason(app: &TestApp) {
        let closed = app.guarded(AccessMode::Closed).await;
        let token = app.token("read").await;
        for payload in [json!({}), json!({ "Authorization": "Bearer mg_unknown" })] {
            let mut socket = silent(&closed).await;
            socket.send_json(json!({ "type": "connection_init", "payload": payload })).await;
            let error = socket.receive().await;
            let message = error["payload"]["message"].as_str().unwrap();
            assert_eq!(error["type"], "connection_error", "{error}");
            assert!(message.contains("connection_init") && message.contains("authorization"), "{message}");
            assert_eq!(socket.closed().await.0, 4403);
        }
        let mut socket = silent(&closed).await;
        socket.send_json(json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {token}") } })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        drop(socket);
        closed.finish().await;
    }

    async fn each_protocol_has_its_own_messages(app: &TestApp) {
        let mut old = initialized(app).await;
        old.subscribe("1", RECORDED).await;
        assert_eq!(old.closed().await.0, 4400);
        let mut new = Socket::initialized(app).await;
        new.send_json(start("1", RECORDED)).await;
        assert_eq!(new.closed().await.0, 4400);
        let mut hasty = silent(app).await;
        hasty.send_json(start("1", RECORDED)).await;
        assert_eq!(hasty.closed().await.0, 4401);
    }

    async fn a_client_of_both_protocols_gets_the_newer(app: &TestApp) {
        for offered in ["graphql-ws, graphql-transport-ws", "graphql-transport-ws,graphql-ws", "chat, graphql-transport-ws"] {
            let mut socket = Socket::open(app, "/graphql", Some(offered)).await;
            socket.send_json(json!({ "type": "connection_init" })).await;
            assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
            socket.subscribe("q", "{ __typename }").await;
            assert_eq!(socket.receive().await["type"], "next", "{offered}");
        }
    }

    async fn another_protocol_is_refused_before_the_socket_opens(app: &TestApp) {
        for path in ["/graphql", "/graphql/ws"] {
            for offered in [None, Some("chat"), Some("graphql-ws2, mqtt"), Some("GraphQL-WS")] {
                let (status, answer) = Socket::refused(app, path, offered).await;
                assert_eq!(status, 400, "{offered:?}: {answer}");
                assert!(answer.contains("Sec-WebSocket-Protocol") && answer.contains("graphql-transport-ws"), "{answer}");
            }
        }
    }

    async fn no_reason_of_a_close_is_cut(app: &TestApp) {
        let long = "ü".repeat(300);
        let query = json!({ "query": RECORDED });
        for (messages, code, expected) in [
            (vec![json!({ "type": long })], 4400, "Invalid message: graphql-transport-ws has no such message of a client"),
            (vec![json!({ "type": "gibberish" })], 4400, "Invalid message: graphql-transport-ws has no such message of a client"),
            (vec![json!({ "type": "ping", "payload": long })], 4400, "Invalid message: graphql-transport-ws has no such message of a client"),
            (vec![json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ a }", "variables": long } })], 4400, "Invalid message: graphql-transport-ws has no such message of a client"),
            (vec![json!({ "type": "subscribe", "id": "1", "payload": {} })], 4400, "Invalid message: payload.query: it is required: the text of a GraphQL document, or documentId: its id"),
            (vec![json!({ "type": "subscribe", "id": long, "payload": query }), json!({ "type": "subscribe", "id": long, "payload": query })], 4409, "Subscriber for this id already exists"),
        ] {
            let mut socket = Socket::initialized(app).await;
            for message in messages {
                socket.send_json(message).await;
            }
            assert_eq!(socket.closed().await, (code, expected.to_owned()));
        }
        let mut socket = Socket::initialized(app).await;
        socket.send(Message::text("{")).await;
        assert_eq!(socket.closed().await, (4400, "Invalid message: EOF while parsing an object at line 1 column 1".to_owned()));
        let closed = app.guarded(AccessMode::Closed).await;
        let needed = "this requires a token: send connection_init with the payload {\"authorization\": \"Bearer TOKEN\"}";
        let unknown = "payload.authorization of connection_init: no token that is taken: send \"Bearer TOKEN\" with another one";
        for (payload, reason) in [
            (json!({}), needed),
            (json!({ "token": "mg_unknown" }), needed),
            (json!({ "authorization": "Bearer mg_unknown" }), unknown),
            (json!({ "authorization": "mg_unknown" }), unknown),
            (json!({ "authorization": 1 }), unknown),
            (json!({ "authorization": "Bearer a", "Authorization": "Bearer b" }), unknown),
        ] {
            let mut socket = Socket::silent(&closed).await;
            socket.send_json(json!({ "type": "connection_init", "payload": payload })).await;
            assert_eq!(socket.closed().await, (4403, reason.to_owned()), "{payload}");
        }
        closed.finish().await;
    }
}
