//! HTTP caching of GET queries, and compression of large responses.

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::json;

use crate::support::{
    Engine, Reply, TestApp,
    builders::graphql::{metric, session},
    on_both_engines,
};

const COUNT: &str = "/graphql?query=%7B%20sessionCount%20%7D";

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    values.join(", ").to_ascii_lowercase()
}

on_both_engines! {
    async fn an_answer_that_still_holds_is_not_sent_again(app: &TestApp) {
        let first = get(app, COUNT, &[]).await;
        let tag = first.headers[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(text(&first.headers, header::CACHE_CONTROL), "private, no-cache");
        for given in [&*tag, "*", tag.trim_start_matches("W/"), &format!("\"x\", {tag}")] {
            let again = get(app, COUNT, &[("if-none-match", given)]).await;
            assert_eq!((again.status, again.text().as_str()), (StatusCode::NOT_MODIFIED, ""), "{given}");
            assert_eq!(again.headers[header::ETAG].to_str().unwrap(), tag);
            assert_eq!(text(&again.headers, header::CACHE_CONTROL), "private, no-cache");
            assert!(text(&again.headers, header::VARY).contains("accept"));
        }
        assert_eq!(get(app, COUNT, &[("if-none-match", "\"x\"")]).await.status, 200);
        app.announce_session(session("s1", json!({}))).await;
        let changed = get(app, COUNT, &[("if-none-match", &tag)]).await;
        assert_eq!(changed.expect(200), json!({ "data": { "sessionCount": 1 } }));
        assert_ne!(changed.headers[header::ETAG].to_str().unwrap(), tag);
    }

    async fn answers_depend_on_what_is_asked_for_and_who_asks(app: &TestApp) {
        let vary = text(&get(app, COUNT, &[]).await.headers, header::VARY);
        assert!(vary.contains("accept") && vary.contains("authorization"), "{vary}");
    }

    async fn errors_are_not_cached(app: &TestApp) {
        for query in ["%7B", "%7B%20nothing%20%7D", "%7B%20node(id:%20%22x%22)%20%7B%20id%20%7D%20%7D"] {
            let reply = get(app, &format!("/graphql?query={query}"), &[("if-none-match", "*")]).await;
            assert_eq!(text(&reply.headers, header::CACHE_CONTROL), "no-store", "{query}");
            assert!(reply.headers.get(header::ETAG).is_none() && reply.json()["errors"].is_array(), "{query}");
        }
    }

    async fn big_answers_come_compressed_and_small_ones_as_they_are(app: &TestApp) {
        app.record_all(vec![metric(json!({})); 100]).await;
        let all = "/graphql?query=%7B%20metrics(first:%20100)%20%7B%20nodes%20%7B%20id%20startedAt%20totalTime%20%7D%20%7D%20%7D";
        let plain = get(app, all, &[]).await;
        assert!(plain.headers.get(header::CONTENT_ENCODING).is_none());
        for encoding in ["gzip", "br", "zstd"] {
            let reply = get(app, all, &[("accept-encoding", encoding)]).await;
            assert_eq!(reply.headers[header::CONTENT_ENCODING], encoding);
            assert!(reply.body.len() < plain.body.len() / 4, "{encoding}: {} of {}", reply.body.len(), plain.body.len());
            assert_eq!(reply.headers[header::ETAG], plain.headers[header::ETAG]);
            assert!(text(&reply.headers, header::VARY).contains("accept-encoding"));
            assert!(get(app, COUNT, &[("accept-encoding", encoding)]).await.headers.get(header::CONTENT_ENCODING).is_none());
        }
    }

    async fn events_are_not_held_back_to_be_compressed(app: &TestApp) {
        let path = "/graphql?query=subscription%7BmetricRecorded%7Bid%7D%7D";
        let request = Request::get(path).header(header::ACCEPT, "text/event-stream").header(header::ACCEPT_ENCODING, "gzip, br, zstd");
        let response = tower::ServiceExt::oneshot(app.router(), request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        assert!(response.headers().get(header::CONTENT_ENCODING).is_none());
    }
}

#[tokio::test]
async fn caches_need_not_ask_for_as_long_as_is_set() {
    let app = TestApp::with(Engine::Sqlite, |settings| settings.graphql.cache_seconds = 30).await.unwrap();
    let reply = get(&app, COUNT, &[]).await;
    assert_eq!(text(&reply.headers, header::CACHE_CONTROL), "max-age=30");
    assert!(reply.headers.contains_key(header::ETAG));
}
