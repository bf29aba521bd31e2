//! Persisted queries by hash, and trusted documents by id.

use std::{fs, path::Path};

use axum::{
    body::Body,
    http::{Request, header},
};
use metrograph::{
    App,
    config::{Settings, Switch},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{Engine, Reply, TestApp};

const RESPONSE: &str = "application/graphql-response+json";
const COUNT: &str = "{ sessionCount }";
const TWO: &str = "query one { sessionCount } query two($h: String!) { session(hash: $h) { hash } }";

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn by_hash(hash: &str) -> Value {
    json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } })
}

fn with_text(text: &str, hash: &str) -> Value {
    let mut body = by_hash(hash);
    body["query"] = text.into();
    body
}

fn path(parameters: &[(&str, &str)]) -> String {
    format!("/graphql?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}

async fn app(change: impl FnOnce(&mut Settings)) -> TestApp {
    TestApp::with(Engine::Sqlite, change).await.unwrap()
}

async fn send(app: &TestApp, body: &Value) -> Value {
    app.post("/graphql", body).await.json()
}

fn code(answer: &Value) -> &str {
    assert!(answer.get("data").is_none(), "{answer}");
    answer["errors"][0]["extensions"]["code"].as_str().unwrap()
}

/// Creates a folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

async fn trusting(folder: &Path, only: bool) -> TestApp {
    app(|settings| {
        settings.graphql.documents.documents_dir = Some(folder.to_owned());
        settings.graphql.documents.trusted_only = only;
    })
    .await
}

fn documents() -> TempDir {
    folder(&[
        ("count.graphql", COUNT),
        ("two.graphql", TWO),
        ("codegen.json", &json!({ "abc123": "query A { metricCount }" }).to_string()),
        (
            "apollo.json",
            &json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [
                { "id": "xyz", "name": "B", "type": "query", "body": "query B { contextCount }" }] })
            .to_string(),
        ),
        ("notes.txt", "not read"),
    ])
}

/// Returns the line with which a server refuses to start with this folder.
async fn refusal(folder: &Path) -> String {
    let (_, mut settings) = metrograph::config::from(["metrograph", "--log", "off"]).unwrap();
    settings.database_url = format!("sqlite://{}?mode=rwc", folder.join("a.db").display()).parse().unwrap();
    settings.graphql.documents.documents_dir = Some(folder.to_owned());
    settings.exposure.introspection = Switch::Off;
    match App::open(&settings).await {
        Ok(_) => panic!("the server starts"),
        Err(reason) => reason.to_string(),
    }
}

#[tokio::test]
async fn a_persisted_query_is_found_by_its_hash_once_sent() {
    let app = app(|_| ()).await;
    let stored = by_hash(&hash(COUNT));
    let unknown = app.post("/graphql", &stored).await.expect(200);
    assert_eq!(
        unknown["errors"],
        json!([{ "message": "PersistedQueryNotFound", "extensions": { "code": "PERSISTED_QUERY_NOT_FOUND" } }])
    );
    let counted = json!({ "data": { "sessionCount": 0 } });
    assert_eq!(send(&app, &with_text(COUNT, &hash(COUNT))).await, counted);
    assert_eq!(send(&app, &stored).await, counted);
    let extensions = stored["extensions"].to_string();
    let got = app.get(&path(&[("extensions", &extensions)])).await;
    assert_eq!(got.expect(200), counted);
    assert!(got.headers.contains_key(header::ETAG));
    assert_eq!(send(&app, &json!({ "documentId": format!("sha256:{}", hash(COUNT)) })).await, counted);
    assert_eq!(send(&app, &by_hash(&hash(COUNT).to_uppercase())).await, counted);
}

#[tokio::test]
async fn a_hash_is_checked_and_what_is_no_document_is_not_kept() {
    let app = app(|_| ()).await;
    assert_eq!(code(&send(&app, &with_text(COUNT, &hash(TWO))).await), "BAD_USER_INPUT");
    assert_eq!(code(&send(&app, &by_hash(&hash(TWO))).await), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(code(&send(&app, &with_text("{", &hash("{"))).await), "GRAPHQL_PARSE_FAILED");
    assert_eq!(code(&send(&app, &by_hash(&hash("{"))).await), "PERSISTED_QUERY_NOT_FOUND");
    for wrong in [
        json!({}),
        json!({ "version": 2, "sha256Hash": hash(COUNT) }),
        json!({ "version": 1 }),
        json!("x"),
        json!({ "version": 1, "sha256Hash": 5 }),
    ] {
        let body = json!({ "query": COUNT, "extensions": { "persistedQuery": wrong } });
        let message = app.post("/graphql", &body).await.expect(400)["errors"][0]["message"].take();
        assert!(message.as_str().unwrap().contains("extensions.persistedQuery"), "{message}");
    }
}

#[tokio::test]
async fn what_clients_leave_has_a_bound() {
    let app = app(|settings| settings.graphql.documents.persisted_megabytes = 1).await;
    let text = |n: usize| format!("{{ sessionCount }} # {n} {}", "x".repeat(50_000));
    for n in 0..60 {
        assert_eq!(send(&app, &with_text(&text(n), &hash(&text(n)))).await["data"]["sessionCount"], 0);
    }
    let mut kept = 0;
    for n in 0..60 {
        kept += usize::from(send(&app, &by_hash(&hash(&text(n)))).await.get("data").is_some());
    }
    assert!((1..20).contains(&kept), "{kept}");
}

#[tokio::test]
async fn hashes_can_be_turned_off() {
    let app = app(|settings| settings.graphql.documents.persisted_megabytes = 0).await;
    let refused = send(&app, &by_hash(&hash(COUNT))).await;
    assert_eq!(
        (code(&refused), &refused["errors"][0]["message"]),
        ("PERSISTED_QUERY_NOT_SUPPORTED", &json!("PersistedQueryNotSupported"))
    );
    assert_eq!(send(&app, &with_text(COUNT, &hash(COUNT))).await["data"]["sessionCount"], 0);
    assert_eq!(code(&send(&app, &by_hash(&hash(COUNT))).await), "PERSISTED_QUERY_NOT_SUPPORTED");
}

#[tokio::test]
async fn trusted_documents_are_asked_for_by_id() {
    let folder = documents();
    for only in [false, true] {
        let app = trusting(folder.path(), only).await;
        for (body, expected) in [
            (json!({ "documentId": "count" }), json!({ "sessionCount": 0 })),
            (json!({ "documentId": "two", "operationName": "one" }), json!({ "sessionCount": 0 })),
            (
                json!({ "documentId": "two", "operationName": "two", "variables": { "h": "a" } }),
                json!({ "session": null }),
            ),
            (json!({ "documentId": "abc123" }), json!({ "metricCount": 0 })),
            (json!({ "documentId": "xyz" }), json!({ "contextCount": 0 })),
            (by_hash("xyz"), json!({ "contextCount": 0 })),
            (by_hash(&hash(COUNT)), json!({ "sessionCount": 0 })),
            (json!({ "documentId": format!("sha256:{}", hash(COUNT)) }), json!({ "sessionCount": 0 })),
        ] {
            assert_eq!(send(&app, &body).await, json!({ "data": expected }), "{body}");
        }
        let got =
            app.get(&path(&[("documentId", "two"), ("operationName", "two"), ("variables", r#"{"h":"a"}"#)])).await;
        assert_eq!(got.expect(200), json!({ "data": { "session": null } }));
        assert!(got.headers.contains_key(header::ETAG));
        assert_eq!(code(&send(&app, &json!({ "documentId": "two", "operationName": "two" })).await), "BAD_USER_INPUT");
        assert_eq!(code(&send(&app, &json!({ "documentId": "count", "query": COUNT })).await), "BAD_USER_INPUT");
        let unknown = if only { "DOCUMENT_NOT_TRUSTED" } else { "DOCUMENT_NOT_FOUND" };
        assert_eq!(code(&send(&app, &json!({ "documentId": "notes" })).await), unknown);
        for (accept, status) in
            [("application/json", if only { 403 } else { 200 }), (RESPONSE, if only { 403 } else { 404 })]
        {
            let request = Request::get(path(&[("documentId", "notes")])).header(header::ACCEPT, accept);
            assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.status, status, "{accept}");
        }
    }
}

#[tokio::test]
async fn nothing_but_trusted_documents_is_answered_where_it_is_set_so() {
    let folder = documents();
    let app = trusting(folder.path(), true).await;
    let refused = |reply: Reply| (reply.status.as_u16(), code(&reply.json()).to_owned());
    let not_trusted = (403, "DOCUMENT_NOT_TRUSTED".to_owned());
    let foreign = "{ contextCount }";
    for body in [
        json!({ "query": foreign }),
        json!({ "query": "{" }),
        json!({ "query": "{ __schema { types { name } } }" }),
        json!({ "documentId": "unknown" }),
        by_hash(&hash(foreign)),
        with_text(foreign, &hash(foreign)),
        json!({ "query": format!("{COUNT} ") }),
    ] {
        assert_eq!(refused(app.post("/graphql", &body).await), not_trusted, "{body}");
    }
    assert_eq!(refused(app.get(&path(&[("query", foreign)])).await), not_trusted);
    let events = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "text/event-stream");
    let body = json!({ "query": "subscription { metricRecorded { id } }" }).to_string();
    assert_eq!(refused(app.send(events.body(Body::from(body)).unwrap()).await), not_trusted);
    let batch = send(&app, &json!([{ "documentId": "count" }, { "query": foreign }])).await;
    assert_eq!((&batch[0], code(&batch[1])), (&json!({ "data": { "sessionCount": 0 } }), "DOCUMENT_NOT_TRUSTED"));
    // The same text is the same document; the documents of the start page and of REST v1 belong to the program.
    assert_eq!(send(&app, &json!({ "query": COUNT })).await["data"]["sessionCount"], 0);
    let overview = include_str!("../../web/src/overview.graphql");
    assert_eq!(send(&app, &json!({ "query": overview, "variables": {} })).await["data"]["metrics"]["totalCount"], 0);
    // Limits apply to clients' documents.
    let strict = app.second_server_with(|settings| settings.graphql.limits.max_root_fields = 1).await;
    assert_eq!(send(&strict, &json!({ "query": overview, "variables": {} })).await["data"]["metrics"]["totalCount"], 0);
    assert_eq!(app.get("/api/v1/metrics/count").await.expect(200), json!({ "count": 0 }));
}

#[tokio::test]
async fn a_folder_that_does_not_fit_ends_the_start_with_file_line_and_reason() {
    for (name, text, words) in [
        ("bad.graphql", "query a {\n  sessionCount\n  nothing\n}", &["bad.graphql:3:", "nothing"][..]),
        ("bad.graphql", "query a {", &["bad.graphql:1:"]),
        ("bad.graphql", "fragment A on Query { sessionCount }", &["bad.graphql:", "fragment"]),
        ("bad.graphql", "", &["bad.graphql:1:"]),
        ("bad.json", "{\n  \"a\": ", &["bad.json:2:"]),
        ("bad.json", "[]", &["bad.json:1:", "manifest"]),
        ("bad.json", r#"{"a": 1}"#, &["bad.json:1:", "manifest"]),
        ("bad.json", r#"{"a": "query A {\n nothing }"}"#, &["bad.json, document a:2:", "nothing"]),
        ("bad.json", r#"{"count": "{ metricCount }"}"#, &["count", "another document"]),
    ] {
        let folder = folder(&[("count.graphql", COUNT), (name, text)]);
        let reason = refusal(folder.path()).await;
        assert!(words.iter().all(|word| reason.contains(word)), "{words:?}: {reason}");
    }
    let asking = "query a {\n  sessionCount\n  __schema { queryType { name } }\n}";
    let reason = refusal(folder(&[("asking.graphql", asking)]).path()).await;
    assert!(reason.contains("asking.graphql:3:3:") && reason.contains("--introspection"), "{reason}");
    let many =
        format!("{{ session(hash: \"a\") {{ {} }} }}", (0..201).map(|n| format!("a{n}: hash ")).collect::<String>());
    let reason = refusal(folder(&[("many.graphql", &many)]).path()).await;
    assert!(reason.contains("many.graphql:1:") && reason.contains("max-aliases"), "{reason}");
}

/// A document in the language of September 2025 whose parts overlap and whose other operation must not matter.
const NEWER: &str = "\u{feff}\"Sessions of 😀.\"\nquery one(\"Whose hash.\" $h: String! = \"\\u{1F600}\") {\n  session(hash: $h) { hash }\n  ...F\n}\n\
    \"\"\"\nA part.\n\"\"\"\nfragment F on Query { session(hash: $h) { metricCount } }\n\
    query two($n: Int!, $h: String!) { metrics(first: $n) { totalCount } ...F }\n";

#[tokio::test]
async fn documents_of_the_newest_edition_are_trusted_like_others() {
    let manifest = json!({ "newer": NEWER }).to_string();
    for (folder, id) in
        [(folder(&[("newer.graphql", NEWER)]), "newer"), (folder(&[("relay.json", &manifest)]), "newer")]
    {
        let app = trusting(folder.path(), true).await;
        app.announce_as(json!({ "session_h": "😀" })).await;
        for request in
            [json!({ "documentId": id, "operationName": "one" }), json!({ "query": NEWER, "operationName": "one" })]
        {
            let answer = send(&app, &request).await;
            assert_eq!(answer, json!({ "data": { "session": { "hash": "😀", "metricCount": 0 } } }));
        }
        app.finish().await;
    }
}

/// The questions of docs/questions.md.
#[tokio::test]
async fn documents_that_come_with_the_program_have_ids_like_others() {
    let asked = json!({ "documentId": "slow-machines", "variables": { "test": "test_load" } });
    let empty = json!({ "metricGroups": { "nodes": [] } });
    let app = app(|_| {}).await;
    assert_eq!(send(&app, &asked).await["data"], empty);
    let nothing = folder(&[]);
    let trusting_only = trusting(nothing.path(), true).await;
    assert_eq!(send(&trusting_only, &asked).await["data"], empty);
    let other = folder(&[("slow-machines.graphql", COUNT)]);
    assert_eq!(send(&trusting(other.path(), false).await, &asked).await["data"], json!({ "sessionCount": 0 }));
}

#[tokio::test]
async fn a_limit_of_the_operators_leaves_them_out_and_stops_no_start() {
    let app = app(|settings| settings.graphql.limits.max_depth = 2).await;
    assert_eq!(code(&send(&app, &json!({ "documentId": "slow-machines" })).await), "DOCUMENT_NOT_FOUND");
}
