//! The OpenAPI descriptions, in both versions, including endpoints of the operator.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    builders::rest::{metric, session},
    on_both_engines,
};

/// Endpoints unlike those of REST v1.
const TEAM: &str = r#"
fragment ErrorMessage on Session { hash message: scmRef run_date: runDate build { id name } }

query slow($resource: Resource! = CPU, $n: Int, $after: LocalDateTime) @rest(
  get: ["/slow", "/slow/{n}", "/slow/{n}/of", "/slow/{n}/de"], reply: LISTING, summary: "The slowest."
) { rows: topMetrics(resource: $resource, first: $n, where: {startedAt: {gt: $after}}) { id total: totalTime } }

query slowWithN($page: Int!) @rest(get: "/sessions", reply: PAGE, summary: "Sessions.") {
  page: sessionPage(page: $page) { sessions: items { ...ErrorMessage } total_page: totalPages }
}

query one($hash: String!) @rest(get: "/one/{hash}", reply: OBJECT, summary: "One session.") { session(hash: $hash) { ...ErrorMessage } }

mutation tag($type: String!, $date: LocalDateTime!, $tags: Tags!) @rest(post: "/tag", reply: CREATED, summary: "Tag.") {
  announceSession(input: {hash: $type, runDate: $date, tags: $tags}) { session { ...ErrorMessage } userErrors { message } }
}
"#;

/// Returns both versions of the description of REST v1.
async fn renderings(app: &TestApp) -> [(&'static str, Value); 2] {
    renderings_of(app, "v1").await
}

async fn renderings_of(app: &TestApp, name: &str) -> [(&'static str, Value); 2] {
    let at = async |file: &str| app.get(&format!("/api/{name}/{file}")).await.expect(200);
    [("3.1", at("swagger.json").await), ("3.0", at("openapi-3.0.json").await)]
}

/// Returns every operation with its path and method.
fn operations(description: &Value) -> Vec<(String, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

/// Returns every object within a value, except examples.
fn objects<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.push(value);
            members.iter().filter(|(name, _)| *name != "example").for_each(|(_, member)| objects(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        _ => {}
    }
}

fn all_objects(value: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    objects(value, &mut found);
    found
}

fn is_nullable(schema: &Value) -> bool {
    schema["nullable"] == true || schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")))
}

fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str()) {
        Some(place) => {
            description.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("{place} leads nowhere"))
        }
        None => schema,
    }
}

/// Asserts what holds for every description.
fn assert_well_made(version: &str, description: &Value) {
    assert!(description["openapi"].as_str().unwrap().starts_with(version));
    assert_eq!(description["servers"], json!([{ "url": "../.." }]));
    assert!(description["info"]["description"].as_str().unwrap().ends_with('.'));
    let documented: BTreeSet<_> =
        description["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    assert!(description["tags"].as_array().unwrap().iter().all(|tag| tag["description"].is_string()));
    let (mut ids, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (place, operation) in operations(description) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id}");
        assert!(!id.contains("Also") && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        used.extend(operation["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()));
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(!is_nullable(resolved(description, &parameter["schema"])), "{place}: {parameter}");
            assert!(parameter["description"].is_string(), "{place}: {parameter}");
            if parameter["in"] == "path" {
                assert!(parameter["schema"].get("default").is_none(), "{place}: {parameter}");
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(response["description"].as_str().unwrap().len() > 5, "{place}: {status}");
            let Some(content) = response.get("content") else { continue };
            assert!(content["application/json"]["schema"]["$ref"].is_string(), "{place}: {status}: {content}");
        }
        if let Some(body) = operation.get("requestBody") {
            assert!(body["content"]["application/json"]["schema"]["$ref"].is_string(), "{place}");
        }
    }
    assert_eq!(documented, used);
    let references: BTreeSet<_> =
        all_objects(description).into_iter().filter_map(|object| object["$ref"].as_str()).collect();
    let components = description["components"]["schemas"].as_object().unwrap();
    for name in components.keys() {
        assert!(references.contains(format!("#/components/schemas/{name}").as_str()), "{name} is not used");
        assert_ne!(name, "Error");
    }
    for object in all_objects(description) {
        if version == "3.0" {
            assert!(!object["type"].is_array() && object["type"] != "null", "{object}");
            assert!(object.get("$ref").is_none() || object.as_object().unwrap().len() == 1, "{object}");
        }
        assert!(object.get("nullable").is_none() || version == "3.0", "{object}");
        if object["type"] == "integer" {
            assert_eq!(object["format"], "int32", "{object}");
        }
    }
}

on_both_engines! {
    async fn both_renderings_are_well_made(app: &TestApp) {
        let [(_, new), (_, old)] = renderings(app).await;
        assert_well_made("3.1", &new);
        assert_well_made("3.0", &old);
        let places = |description| operations(description).into_iter().map(|(place, operation)| (place, operation["operationId"].to_string())).collect::<Vec<_>>();
        assert_eq!(places(&new), places(&old));
        assert_eq!(places(&new).len(), 57);
        let named = |description: &Value| description["components"]["schemas"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(named(&new), named(&old));
        for name in ["MetricV1", "MetricPageV1", "SessionV1", "SessionPageV1", "ContextPageV1", "CreateSessionRequest", "ErrorMessage"] {
            assert!(named(&new).iter().any(|known| known == name), "{name}");
        }
    }

    async fn arguments_have_their_bounds_and_defaults(app: &TestApp) {
        for (version, description) in renderings(app).await {
            let parameter = |path: &str, name: &str| {
                let all = description["paths"][format!("/api/v1{path}")]["get"]["parameters"].as_array().unwrap();
                all.iter().find(|parameter| parameter["name"] == name).unwrap_or_else(|| panic!("{path}: {name}")).clone()
            };
            let n = parameter("/resources/{resource}/head/{n}/metrics", "n");
            assert_eq!(n["schema"], json!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": 500 }), "{version}");
            let n = parameter("/resources/{resource}/head/metrics", "n");
            assert_eq!((&n["schema"]["default"], &n["schema"]["type"], &n["required"]), (&json!(10), &json!("integer"), &json!(false)));
            let page = parameter("/metrics/", "page");
            assert_eq!(page["schema"], json!({ "type": "integer", "format": "int32", "default": 1 }));
            assert_eq!(parameter("/sessions/", "method")["schema"]["default"], "match_any");
            assert_eq!(parameter("/components/metrics", "component")["schema"]["default"], "");
            assert_eq!(parameter("/components/{component}/metrics", "component")["schema"]["minLength"], 1);
            let resource = parameter("/resources/{resource}/head/metrics", "resource");
            let values = &resolved(&description, &resource["schema"])["enum"];
            assert_eq!(*values, json!(["memory", "cpu", "kernel_time", "user_time", "total_time"]));
        }
    }

    async fn tags_and_times_are_described_as_they_are_taken(app: &TestApp) {
        for (version, description) in renderings(app).await {
            let of = |name: &str| &description["components"]["schemas"][name]["properties"];
            let tags = resolved(&description, &of("CreateSessionRequest")["description"]);
            assert_eq!((&tags["type"], &tags["maxProperties"]), (&json!("object"), &json!(100)), "{version}");
            assert!(tags["additionalProperties"].is_object(), "{tags}");
            let pattern = of("CreateSessionRequest")["run_date"]["pattern"].as_str().unwrap();
            assert_eq!(of("CreateMetricRequest")["item_start_time"]["pattern"], pattern);
            assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{pattern}");
            for (name, unit) in [("total_time", "seconds"), ("mem_usage", "MB"), ("cpu_usage", "ratio")] {
                for schema in ["CreateMetricRequest", "MetricV1"] {
                    assert!(of(schema)[name]["description"].as_str().unwrap().contains(unit), "{schema}: {name}");
                }
            }
            assert!(!is_nullable(&of("MetricV1")["test_passed"]) && is_nullable(&of("CreateMetricRequest")["test_passed"]));
        }
    }

    async fn refusals_are_documented_once_each(app: &TestApp) {
        let description = app.v1("/swagger.json").await;
        for (place, operation) in operations(&description) {
            let responses = &operation["responses"];
            assert!(responses["401"]["description"].as_str().unwrap().contains("token"), "{place}");
            assert!(responses["403"]["description"].as_str().unwrap().contains("scope"), "{place}");
        }
        // The responses match the description.
        let error = app.get("/api/v1/metrics/?page=7").await.expect(404);
        assert_eq!(error.as_object().unwrap().keys().collect::<Vec<_>>(), ["message"]);
        app.post("/api/v1/sessions/", &session(json!({}))).await.expect(201);
        app.post("/api/v1/metrics/", &metric(json!({}))).await.expect(201);
    }

    async fn every_example_can_be_asked(app: &TestApp) {
        // The examples belong to one history: those of REST v1 post what the others find.
        for name in ["v1", "v2"] {
            let description = app.get(&format!("/api/{name}/swagger.json")).await.expect(200);
            ask_examples(app, &description).await;
        }
    }

    async fn rest_v2_is_described_with_all_media_types(app: &TestApp) {
        let [(_, new), (_, old)] = renderings_of(app, "v2").await;
        assert_well_made("3.1", &new);
        assert_well_made("3.0", &old);
        for (place, operation) in operations(&new) {
            let responses = &operation["responses"];
            let types: Vec<_> = responses["200"]["content"].as_object().unwrap().keys().map(String::as_str).collect();
            let (is_one, is_count) = (place.ends_with('}'), place.ends_with("count"));
            let is_within_one = place.contains("}/");
            let is_one_page = place.ends_with("top") || place.ends_with("history");
            if is_one || is_count {
                assert_eq!(types, ["application/json"], "{place}");
            } else {
                assert_eq!(types, ["application/json", "text/csv", "application/x-ndjson"], "{place}");
                let columns = &responses["200"]["content"]["text/csv"]["schema"]["description"];
                let is_of_objects = !["/statistics/", "/comparisons/", "history"].iter().any(|part| place.contains(part));
                assert_eq!(columns.as_str().unwrap().contains(": id, "), is_of_objects, "{place}: {columns}");
                assert_eq!(responses["200"]["headers"]["Link"].is_object(), !is_one_page, "{place}");
            }
            assert_eq!(responses["404"].is_object(), is_one || is_within_one, "{place}");
            assert!(responses["406"].is_object() && responses.get("204").is_none(), "{place}");
            assert!(place.starts_with("get "), "{place}");
        }
        let named: BTreeSet<_> = new["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
        let nouns = ["Metric", "Session", "Context", "Component", "Pipeline", "Build", "Variant", "PageInfo"];
        assert!(nouns.iter().all(|noun| named.contains(noun)), "{named:?}");
        assert!(!named.iter().any(|name| name.contains("Get")), "{named:?}");
        let metrics = &new["paths"]["/api/v2/metrics"]["get"];
        let schema = resolved(&new, &metrics["responses"]["200"]["content"]["application/json"]["schema"]);
        assert_eq!(schema["required"], json!(["nodes", "page_info"]));
        for parameter in metrics["parameters"].as_array().unwrap() {
            // The interactive page sends what has an example.
            assert!(parameter.get("example").is_none(), "{parameter}");
        }
    }
}

/// Sends the examples of each operation; those that post come first.
async fn ask_examples(app: &TestApp, description: &Value) {
    let mut places = operations(description);
    places.sort_by_key(|(place, _)| !place.starts_with("post"));
    for (place, operation) in places {
        let (method, path) = place.split_once(' ').unwrap();
        if method == "post" {
            app.post(path, &operation["requestBody"]["content"]["application/json"]["example"]).await.expect(201);
            continue;
        }
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        };
        let (mut path, mut query) = (path.to_owned(), Vec::new());
        for parameter in operation["parameters"].as_array().unwrap() {
            let Some(example) = parameter.get("example") else { continue };
            let (name, value) = (parameter["name"].as_str().unwrap(), text(example));
            if parameter["in"] == "path" {
                path = path.replace(&format!("{{{name}}}"), &value);
            } else {
                query.push(format!("{name}={value}"));
            }
        }
        let reply = app.get(&format!("{path}?{}", query.join("&"))).await;
        // The history of the examples is too small to have two sides.
        if path.starts_with("/api/v2/comparisons/") {
            let message = reply.expect(400)["message"].as_str().unwrap().to_owned();
            assert!(message.starts_with("before") || message.starts_with("after"), "{path}: {message}");
        } else {
            reply.expect(200);
        }
    }
}

#[tokio::test]
async fn an_operators_endpoints_are_described_as_well() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("team.graphql"), TEAM).unwrap();
    let directory = folder.path().to_owned();
    let app = TestApp::with(Engine::Sqlite, move |settings| settings.rest_dir = Some(directory)).await.unwrap();
    for (version, name) in [("3.1", "swagger.json"), ("3.0", "openapi-3.0.json")] {
        let description = app.get(&format!("/api/team/{name}")).await.expect(200);
        assert_well_made(version, &description);
        let ids: Vec<_> = operations(&description)
            .into_iter()
            .map(|(_, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), 7, "{ids:?}");
        assert!(["slow", "slowWithN", "one", "tag"].iter().all(|id| ids.contains(id)), "{ids:?}");
        let tag =
            &description["paths"]["/api/team/tag"]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let members = resolved(&description, tag)["properties"].as_object().unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["type", "date", "tags"]);
        // The program's own schema keeps its name; a fragment of the same name gets another one.
        let message = &description["components"]["schemas"]["ErrorMessage"]["properties"];
        assert_eq!(message.as_object().unwrap().keys().collect::<Vec<_>>(), ["message"]);
    }
    assert!(app.get("/api/v1/openapi-3.0.json").await.expect(200)["paths"].get("/api/team/slow").is_none());
}
