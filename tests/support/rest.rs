//! Short ways to send payloads to REST v1 and to read what it answers.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use crate::support::{
    Reply, TestApp,
    builders::rest::{context, metric, session},
};

impl TestApp {
    /// Records a metric.
    pub async fn record(&self, changes: Value) -> Value {
        self.post("/api/v1/metrics/", &metric(changes)).await.expect(201)
    }

    /// Records a metric of each of these items, in order.
    pub async fn record_items(&self, items: &[&str]) {
        for item in items {
            self.record(json!({ "item": item })).await;
        }
    }

    /// Announces a session.
    pub async fn announce(&self, hash: &str, tags: Value) -> Value {
        self.announce_as(json!({ "session_h": hash, "description": tags })).await
    }

    /// Announces a session with other values for the members that `changes` names.
    pub async fn announce_as(&self, changes: Value) -> Value {
        self.post("/api/v1/sessions/", &session(changes)).await.expect(201)
    }

    /// Announces an execution context.
    pub async fn announce_context(&self, changes: Value) -> Value {
        self.post("/api/v1/contexts/", &context(changes)).await.expect(201)
    }

    /// Returns what an endpoint of REST v1 answers; null for 204, which has no body.
    pub async fn v1(&self, path: &str) -> Value {
        let reply = self.get(&format!("/api/v1{path}")).await;
        let status = if reply.body.is_empty() { 204 } else { 200 };
        reply.expect(status)
    }

    /// Returns the list in an answer; an empty one for 204.
    pub async fn list(&self, path: &str) -> Value {
        let answer = self.v1(path).await;
        let found = answer.as_object().and_then(|members| members.values().find(|value| value.is_array()));
        found.cloned().unwrap_or_else(|| json!([]))
    }

    /// Returns one member of every object in the list of an answer.
    pub async fn column(&self, path: &str, member: &str) -> Value {
        self.list(path).await.as_array().unwrap().iter().map(|row| row[member].clone()).collect()
    }

    /// Returns the items in a list of metrics.
    pub async fn items(&self, path: &str) -> Value {
        self.column(path, "item").await
    }

    /// Returns the hashes in a list of sessions.
    pub async fn sessions(&self, path: &str) -> Value {
        self.column(path, "session_h").await
    }

    /// Returns the number that a count answers.
    pub async fn count(&self, path: &str) -> u64 {
        self.v1(path).await["count"].as_u64().unwrap()
    }

    /// Sends any request with a body of this media type.
    pub async fn send_body(&self, method: Method, path: &str, media_type: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, media_type);
        self.send(request.body(body.into()).unwrap()).await
    }
}

impl Reply {
    /// Asserts an error in the one form that errors of REST v1 have, whose message names what is wrong.
    pub fn refuses(&self, status: u16, named: &str) {
        let answer = self.expect(status);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["message"]);
        assert!(answer["message"].as_str().unwrap().contains(named), "'{named}' is not named: {answer}");
    }
}
