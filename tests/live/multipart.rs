//! Apollo's subscriptions over HTTP: `multipart/mixed`, part by part.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use futures_util::StreamExt as _;
use metrograph::config::AccessMode;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::support::{
    Engine, Reply, TestApp,
    live::{Events, settle},
    on_both_engines,
};

const ITEMS: &str = "subscription { metricRecorded { itemName } }";
/// The `Accept` header of Apollo Client 3 and 4.
const APOLLO: &str =
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9";
const MULTIPART_ONLY: &str = "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=\"1.0\"";
const TIMEOUT: Duration = Duration::from_secs(20);

fn posted(accept: &str, body: &Value) -> Request<Body> {
    let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    request.header(header::ACCEPT, accept).body(Body::from(body.to_string())).unwrap()
}

async fn reply(app: &TestApp, accept: &str, query: &str) -> Reply {
    app.send(posted(accept, &json!({ "query": query }))).await
}

fn content_type(reply: &Reply) -> &str {
    reply.headers[header::CONTENT_TYPE].to_str().unwrap()
}

/// A stream of parts.
struct Parts {
    body: BodyDataStream,
    text: String,
}

impl Parts {
    async fn ask(app: &TestApp, request: Request<Body>) -> Self {
        let response = app.router().oneshot(request).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(response.status(), 200);
        assert_eq!(header("content-type"), Some("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0"));
        assert_eq!(header("cache-control"), Some("no-cache, no-transform"));
        assert_eq!(header("x-accel-buffering"), Some("no"));
        assert_eq!(header("content-encoding"), None);
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Subscribes, and returns once the server listens.
    async fn of(app: &TestApp, accept: &str, query: &str) -> Self {
        let mut parts = Self::ask(app, posted(accept, &json!({ "query": query }))).await;
        assert_eq!(parts.text().await, "", "the first delimiter comes at once");
        settle().await;
        parts
    }

    /// Returns the text up to the next delimiter: clients process a part once they have read the delimiter after it.
    async fn text(&mut self) -> String {
        let whole = async {
            loop {
                let split =
                    self.text.split_once("\r\n--graphql").map(|(part, rest)| (part.to_owned(), rest.to_owned()));
                if let Some((part, rest)) = split {
                    self.text = rest;
                    return part;
                }
                let chunk = self.body.next().await.expect("the parts go on").unwrap();
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        timeout(TIMEOUT, whole).await.expect("a part comes")
    }

    /// Returns the next part.
    async fn part(&mut self) -> Value {
        let part = self.text().await;
        let body = part.strip_prefix("\r\nContent-Type: application/json\r\n\r\n");
        serde_json::from_str(body.unwrap_or_else(|| panic!("no part: {part:?}"))).unwrap()
    }

    /// Reads to the end of the stream and returns the rest.
    async fn rest(mut self) -> String {
        let end = async {
            while let Some(chunk) = self.body.next().await {
                self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            }
        };
        timeout(TIMEOUT, end).await.expect("the parts end");
        self.text
    }
}

on_both_engines! {
    async fn each_event_is_a_part_that_is_whole_at_once(app: &TestApp) {
        for accept in [
            "multipart/mixed;boundary=graphql;subscriptionSpec=1.0, application/json",
            APOLLO,
            MULTIPART_ONLY,
            "application/json, Multipart/Mixed;SubscriptionSpec=\"1.0\";boundary=graphql;q=0.5",
            "text/html, multipart/mixed; subscriptionspec=1.0; charset=utf-8, */*;q=0.1",
        ] {
            let mut parts = Parts::of(app, accept, ITEMS).await;
            for item in ["one", "two"] {
                app.record(json!({ "item": item })).await;
                assert_eq!(parts.part().await, json!({ "payload": { "data": { "metricRecorded": { "itemName": item } } } }), "{accept}");
            }
        }
    }

    async fn lists_within_a_part_are_written_as_elsewhere(app: &TestApp) {
        let fields = "itemName variant { metrics { nodes { itemName sessionHash } } }";
        let mut parts = Parts::of(app, APOLLO, &format!("subscription {{ metricRecorded {{ {fields} }} }}")).await;
        app.record(json!({ "item": "one" })).await;
        let sent = parts.part().await["payload"]["data"]["metricRecorded"].take();
        let listed = app.graphql(&format!("{{ metrics(last: 1) {{ nodes {{ {fields} }} }} }}")).await;
        assert_eq!(sent, listed["metrics"]["nodes"][0]);
    }

    async fn what_has_one_answer_is_answered_as_json(app: &TestApp) {
        let announce = "mutation { announceSession(input: {hash: \"s\", runDate: \"2026-01-01\", tags: {}}) { session { hash } } }";
        for (accept, name) in [
            ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json", "application/json; charset=utf-8"),
            (APOLLO, "application/graphql-response+json; charset=utf-8"),
            ("multipart/mixed;boundary=\"-\";deferSpec=20220824,application/json", "application/json; charset=utf-8"),
        ] {
            for (query, data) in [("{ __typename }", json!({ "__typename": "Query" })), (announce, json!({ "announceSession": { "session": { "hash": "s" } } }))] {
                let answer = reply(app, accept, query).await;
                assert_eq!((content_type(&answer), answer.expect(200)), (name, json!({ "data": data })), "{accept}");
            }
            let batch = json!([{ "query": "{ __typename }" }, { "query": "{ metricCount }" }]);
            let answers = app.send(posted(accept, &batch)).await.expect(200);
            assert_eq!(answers, json!([{ "data": { "__typename": "Query" } }, { "data": { "metricCount": 0 } }]));
        }
        // A client that accepts nothing else gets one part.
        for request in [posted(MULTIPART_ONLY, &json!({ "query": "{ metricCount }" })), Request::get("/graphql?query=%7BmetricCount%7D").header(header::ACCEPT, MULTIPART_ONLY).body(Body::empty()).unwrap()] {
            let mut parts = Parts::ask(app, request).await;
            assert_eq!(parts.text().await, "");
            assert_eq!(parts.part().await, json!({ "payload": { "data": { "metricCount": 0 } } }));
            assert_eq!(parts.rest().await, "--\r\n");
        }
        assert_eq!(app.send(posted(MULTIPART_ONLY, &json!([{ "query": "{ metricCount }" }]))).await.status, 406);
    }

    async fn an_operation_that_cannot_run_ends_with_its_error(app: &TestApp) {
        // Its document is invalid, which is reported before the stream begins, as for any other request.
        for (accept, status, name) in [(APOLLO, 400, "application/graphql-response+json; charset=utf-8"), (MULTIPART_ONLY, 200, "application/json; charset=utf-8")] {
            let answer = reply(app, accept, "subscription {").await;
            assert_eq!(content_type(&answer), name);
            assert_eq!(answer.expect(status)["errors"][0]["extensions"]["code"], "GRAPHQL_PARSE_FAILED");
            for query in ["subscription { nothing }", "subscription { metricRecorded(where: {item: {in: [1]}}) { id } }"] {
                let answer = reply(app, accept, query).await;
                assert_eq!(answer.expect(status)["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{query}");
            }
        }
        for (query, code) in [
            ("subscription($w: MetricWhere!) { metricRecorded(where: $w) { id } }", "BAD_USER_INPUT"),
            ("subscription($y: [String!]!) { metricRecorded(where: {kind: {in: $y}}) { id } }", "BAD_USER_INPUT"),
        ] {
            let mut parts = Parts::of(app, APOLLO, query).await;
            let part = parts.part().await;
            assert_eq!(part["payload"]["errors"][0]["extensions"]["code"], code, "{part}");
            assert!(part["payload"].get("data").is_none() && part.get("errors").is_none(), "{part}");
            assert_eq!(parts.rest().await, "--\r\n");
        }
    }

    async fn a_server_that_stops_ends_the_parts_without_the_last_delimiter(app: &TestApp) {
        let second = app.second_server().await;
        let mut parts = Parts::of(&second, APOLLO, ITEMS).await;
        second.record(json!({ "item": "last" })).await;
        assert_eq!(parts.part().await["payload"]["data"]["metricRecorded"]["itemName"], "last");
        second.finish().await;
        assert_eq!(parts.rest().await, "");
    }

    async fn the_parts_end_with_their_token(app: &TestApp) {
        let closed = app.guarded(AccessMode::Closed).await;
        assert_eq!(reply(&closed, APOLLO, ITEMS).await.status, 401);
        let token = format!("Bearer {}", app.token("read").await);
        let mut request = posted(APOLLO, &json!({ "query": ITEMS }));
        request.headers_mut().insert(header::AUTHORIZATION, token.parse().unwrap());
        let mut parts = Parts::ask(&closed, request).await;
        assert_eq!(parts.text().await, "");
        app.tokens(&["revoke", "read"]).await.unwrap();
        // An error of the stream, not of a response: Apollo's clients report it as a protocol error.
        let part = parts.part().await;
        assert_eq!((&part["payload"], &part["errors"][0]["extensions"]["code"]), (&Value::Null, &json!("UNAUTHENTICATED")), "{part}");
        assert_eq!(parts.rest().await, "--\r\n");
        closed.finish().await;
    }

    async fn a_subscription_without_a_transport_is_refused_with_the_transports_there_are(app: &TestApp) {
        let get = |accept: &str| {
            let request = Request::get("/graphql?query=subscription%7BmetricRecorded%7BitemName%7D%7D");
            request.header(header::ACCEPT, accept).body(Body::empty()).unwrap()
        };
        let one = json!({ "query": ITEMS });
        let batch = json!([one, { "query": "{ metricCount }" }]);
        for (way, request) in [
            ("POST", posted("application/json", &one)),
            ("POST, the specification's type", posted("application/graphql-response+json", &one)),
            ("POST, anything", posted("*/*", &one)),
            ("POST, another multipart", posted("multipart/mixed;deferSpec=20220824, application/json", &one)),
            ("POST, one that is not taken", posted("multipart/mixed;subscriptionSpec=1.0;q=0, application/json", &one)),
            ("GET", get("application/json")),
            ("batch", posted("application/json", &batch)),
            ("batch, Apollo", posted(APOLLO, &batch)),
        ] {
            let answer = app.send(request).await.json();
            let error = &answer.get(0).unwrap_or(&answer)["errors"][0];
            let message = error["message"].as_str().unwrap();
            for word in ["WebSocket", "graphql-transport-ws", "text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
                assert!(message.contains(word), "{way}: {message}");
            }
            assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{way}");
        }
    }

    async fn a_subscription_is_carried_by_whatever_can_carry_it(app: &TestApp) {
        // urql and others list all that they can read, with the best for a single response first.
        for accept in ["application/graphql-response+json, application/json, text/event-stream, multipart/mixed", "text/event-stream, multipart/mixed"] {
            let mut events = Events::ask(app, posted(accept, &json!({ "query": ITEMS }))).await;
            events.assert_silent().await;
            app.record(json!({ "item": "sent" })).await;
            assert_eq!(events.field().await, json!({ "itemName": "sent" }));
        }
    }
}

#[tokio::test]
async fn parts_take_a_place_among_subscriptions() {
    let app = TestApp::with(Engine::Sqlite, |settings| settings.limits.max_subscriptions = 1.try_into().unwrap());
    let app = app.await.unwrap();
    let parts = Parts::of(&app, APOLLO, ITEMS).await;
    let refused = reply(&app, APOLLO, ITEMS).await;
    assert_eq!(refused.expect(503)["errors"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
    drop(parts);
    settle().await;
    drop(Parts::of(&app, APOLLO, ITEMS).await);
    app.finish().await;
}

#[tokio::test]
async fn an_idle_stream_sends_keep_alives_uncompressed() {
    let app = TestApp::start(Engine::Sqlite, 500).await.unwrap();
    let mut request = posted(APOLLO, &json!({ "query": ITEMS }));
    request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip, br, zstd".parse().unwrap());
    let mut parts = Parts::ask(&app, request).await;
    assert_eq!(parts.text().await, "");
    assert_eq!(parts.part().await, json!({}), "a heartbeat");
    app.record(json!({ "item": "later" })).await;
    assert_eq!(parts.part().await["payload"]["data"]["metricRecorded"]["itemName"], "later");
    drop(parts);
    app.finish().await;
}
