//! REST endpoints of the operator, from the documents in `--rest-dir`.

use std::path::Path;

use metrograph::{load_rest, sdl};
use serde_json::{Value, json};

use crate::support::{Engine, TestApp, builders::rest::of_build};

/// An operation for each form of reply, as a team would write them.
const TEAM: &str = r#"
query machine($hash: String!) @rest(get: "/machines/{hash}", reply: OBJECT, summary: "Look at a machine.") {
  machine: context(hash: $hash) { node: machineNode cpus: cpuCount vendor: cpuVendor @omitNull }
}

query slow($component: String! = "", $seconds: Float! = 1, $page: Int = 1)
  @rest(get: ["/slow/", "/slow/{component}"], aliases: {name: "longer_than", of: "seconds"}, reply: PAGE, summary: "List slow tests.") {
  page: metricPage(where: {component: {eq: $component}, totalTime: {gt: $seconds}}, page: $page) {
    tests: items { ...Test }
    total_page: totalPages
  }
}

query hungriest($pipeline: String!, $n: Int = 2)
  @rest(get: "/hungriest/{pipeline}", reply: LISTING, echo: "pipeline", summary: "List the hungriest tests of a pipeline.") {
  tests: topMetrics(resource: MEMORY, where: {pipeline: {eq: $pipeline}}, first: $n) { ...Test }
}

query quick($n: Int = 2)
  @rest(get: "/quick/tests", reply: ROWS, summary: "List the quickest tests.") {
  tests: topMetrics(resource: TOTAL_TIME, direction: LOWEST, first: $n) { ...Test session { hash } }
}

query run($hash: String!) @rest(get: "/runs/{hash}", reply: ONE, summary: "Look at a run.") {
  session(hash: $hash) { hash runDate }
}

query branches @rest(get: "/branches", reply: ALL, summary: "List all branches.") {
  branches: pipelineNames
}

mutation announce($hash: String!, $started: LocalDateTime!, $tags: Tags!)
  @rest(post: "/runs", reply: CREATED, summary: "Announce a run.") {
  announceSession(input: {hash: $hash, runDate: $started, tags: $tags}) { session { hash runDate } userErrors { code message } }
}

fragment Test on Metric { name: itemName seconds: totalTime }
"#;

async fn with_documents(engine: Engine, documents: &[(&str, &str)]) -> Option<TestApp> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in documents {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    TestApp::with(engine, |settings| {
        settings.page_size = "2".parse().unwrap();
        settings.rest_dir = Some(folder.path().to_owned());
    })
    .await
}

async fn team() -> TestApp {
    with_documents(Engine::Sqlite, &[("team.graphql", TEAM)]).await.unwrap()
}

fn load(folder: &Path) -> Result<usize, String> {
    let facades = load_rest(&sdl(), Some(folder));
    facades.map(|facades| facades.len()).map_err(|error| error.to_string())
}

/// Returns the reason why a document stops the start.
fn refusal(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    load(folder.path()).expect_err(text).replace(&format!("{}/", folder.path().display()), "")
}

/// Asserts that the document is refused at this line, for a reason with these words.
fn is_refused(text: &str, line: usize, words: &[&str]) {
    let said = refusal("team.graphql", text);
    assert!(said.starts_with(&format!("team.graphql:{line}:")), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

fn one(rest: &str, selection: &str) -> String {
    format!("\nquery one($name: String!)\n  @rest({rest}, summary: \"One.\") {{\n  {selection}\n}}\n")
}

async fn the_documents_become_endpoints(engine: Engine) {
    let Some(app) = with_documents(engine, &[("team.graphql", TEAM), ("note.txt", "not a document")]).await else {
        return;
    };
    app.announce("s", of_build("main", "7")).await;
    app.announce_context(json!({ "cpu_vendor": null })).await;
    for (item, seconds) in [("a", 2.0), ("b", 0.5), ("c", 3.0), ("d", 4.0)] {
        app.record(json!({ "item": item, "total_time": seconds, "mem_usage": seconds })).await;
    }
    let at = async |path: &str| app.get(path).await.expect(200);
    assert_eq!(at("/api/team/machines/c").await, json!({ "machine": { "node": "ci-1", "cpus": 4 } }));
    assert_eq!(
        at("/api/team/slow/core/").await,
        json!({
            "tests": [{ "name": "a", "seconds": 2.0 }, { "name": "c", "seconds": 3.0 }], "total_page": 2,
            "next_url": "/api/team/slow/core?page=2",
        })
    );
    assert_eq!(at("/api/team/slow/core?longer_than=3.5").await["tests"], json!([{ "name": "d", "seconds": 4.0 }]));
    assert_eq!(app.get("/api/team/slow").await.status, 204);
    assert_eq!(
        at("/api/team/hungriest/main").await,
        json!({
            "pipeline": "main", "tests": [{ "name": "d", "seconds": 4.0 }, { "name": "c", "seconds": 3.0 }],
            "prev_url": null, "next_url": null, "total_page": 1,
        })
    );
    assert_eq!(at("/api/team/branches").await, json!({ "branches": ["main"] }));
    let run = json!({ "hash": "t", "started": "2026-01-05", "tags": { "a": 1 } });
    assert_eq!(app.post("/api/team/runs", &run).await.expect(201), json!({ "hash": "t", "runDate": "2026-01-05" }));
    assert_eq!(app.sessions("/sessions/t").await, json!(["t"]));
    app.finish().await;
}

#[tokio::test]
async fn the_documents_become_endpoints_on_sqlite() {
    the_documents_become_endpoints(Engine::Sqlite).await;
}

#[tokio::test]
async fn the_documents_become_endpoints_on_postgres() {
    the_documents_become_endpoints(Engine::Postgres).await;
}

#[tokio::test]
async fn the_documents_are_described() {
    let app = team().await;
    let description = app.get("/api/team/swagger.json").await.expect(200);
    let mut paths: Vec<_> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "/branches",
            "/hungriest/{pipeline}",
            "/machines/{hash}",
            "/quick/tests",
            "/runs",
            "/runs/{hash}",
            "/slow/",
            "/slow/{component}",
        ]
        .map(|path| format!("/api/team{path}"))
    );
    assert_eq!(description["info"]["title"], "Metrograph REST team");
    assert_eq!(description["components"]["schemas"]["Test"]["properties"]["seconds"]["type"], "number");
    assert!(app.get("/api/team/docs").await.text().contains(r#"<base href="docs/">"#));
    assert!(!app.v1("/swagger.json").await["paths"].as_object().unwrap().keys().any(|path| path.contains("team")));
}

/// Like lists of REST v2, but with the leniency of REST v1.
#[tokio::test]
async fn rows_and_single_objects_are_for_operators_as_well() {
    let app = team().await;
    app.announce("s", json!({})).await;
    for (item, seconds) in [("a", 2.0), ("b", 0.5), ("c", 3.0)] {
        app.record(json!({ "item": item, "total_time": seconds })).await;
    }
    let rows = json!({ "tests": [
        { "name": "b", "seconds": 0.5, "session": { "hash": "s" } },
        { "name": "a", "seconds": 2.0, "session": { "hash": "s" } },
    ]});
    assert_eq!(app.get("/api/team/quick/tests?colour=red").await.expect(200), rows);
    let reply = app.accepting("/api/team/quick/tests?n=1", "text/csv").await;
    assert_eq!(reply.text(), "name,seconds,session.hash\r\nb,0.5,s\r\n");
    assert_eq!(reply.headers["content-disposition"], "attachment; filename=\"quick-tests.csv\"");
    app.accepting("/api/team/quick/tests", "text/html").await.refuses(406, "text/csv");
    assert_eq!(app.get("/api/team/runs/s").await.expect(200), json!({ "hash": "s", "runDate": "2026-01-05T03:00:00" }));
    app.get("/api/team/runs/t").await.refuses(404, "hash: there is no 't'");
    // As before, it has one form and does not look at what is accepted.
    let reply = app.accepting("/api/team/runs/s", "text/csv").await;
    assert!(reply.status == 200 && !reply.headers.contains_key("vary"), "{reply:?}");
    app.finish().await;
}

#[tokio::test]
async fn errors_are_those_of_rest_v1() {
    let app = team().await;
    app.get("/api/team/slow?seconds=fast").await.refuses(400, "seconds");
    app.get("/api/team/slow?longer_than=NaN").await.refuses(400, "seconds");
    app.get("/api/team/slow?page=2").await.refuses(404, "page");
    app.get("/api/team/hungriest/main?n=x").await.refuses(400, "n:");
    app.get("/api/team/machines/%00").await.refuses(400, "hash");
    app.post("/api/team/runs", &json!({ "hash": "t", "tags": {} })).await.refuses(400, "started");
    app.get("/api/team/nothing").await.refuses(404, "path");
    assert_eq!(app.get("/api/team/machines/none").await.expect(200)["machine"], Value::Null);
}

#[test]
fn a_syntax_error_stops_the_start() {
    is_refused("query one @rest(get: \"/one\"", 1, &[]);
    is_refused("\n\nquery one {", 3, &[]);
}

#[test]
fn what_the_schema_does_not_have_stops_the_start() {
    is_refused(
        &one("get: \"/{name}\", reply: OBJECT", "context(hash: $name) { colour }"),
        4,
        &["colour", "ExecutionContext"],
    );
    is_refused(&one("get: \"/{name}\", reply: OBJECT", "machine(hash: $name) { id }"), 4, &["machine"]);
    is_refused(&one("get: \"/{name}\", reply: PILE", "context(hash: $name) { id }"), 3, &["PILE"]);
    is_refused(&one("get: \"/{name}\", colour: 1, reply: OBJECT", "context(hash: $name) { id }"), 3, &["colour"]);
    is_refused("query one @rest(get: \"/one\", reply: OBJECT) { metricCount }", 1, &["summary"]);
}

#[test]
fn a_variable_of_another_type_stops_the_start() {
    let text = one("get: \"/{name}\", reply: OBJECT", "metricCount(where: {totalTime: {gt: $name}})");
    is_refused(&text, 4, &["Float", "variable"]);
}

#[test]
fn a_path_argument_that_is_no_variable_stops_the_start() {
    is_refused(&one("get: \"/{title}/{name}\", reply: OBJECT", "context(hash: $name) { id }"), 3, &["title"]);
    is_refused(
        &one(
            "get: \"/{name}\", echo: \"title\", reply: LISTING",
            "topMetrics(resource: CPU, where: {item: {eq: $name}}) { id }",
        ),
        3,
        &["title"],
    );
    let aliased =
        one("get: \"/{name}\", aliases: {name: \"x\", of: \"title\"}, reply: OBJECT", "context(hash: $name) { id }");
    is_refused(&aliased, 3, &["title"]);
}

#[test]
fn a_path_that_is_none_stops_the_start() {
    for path in ["one", "/", "/a//b", "/{name", "/a b", "/x{name}", "/{}", "/a?b", "/é"] {
        is_refused(&one(&format!("get: \"{path}\", reply: OBJECT"), "context(hash: $name) { id }"), 3, &[]);
    }
    is_refused(&one("get: [], reply: OBJECT", "context(hash: $name) { id }"), 3, &["path"]);
    is_refused(&one("get: \"/{name}/{name}\", reply: OBJECT", "context(hash: $name) { id }"), 3, &["name", "twice"]);
}

#[test]
fn two_operations_on_one_path_stop_the_start() {
    let count = |name: &str, path: &str| {
        format!(
            "query {name}($a: String!, $b: String!) @rest(get: \"{path}\", reply: OBJECT, summary: \"x\") {{ metricCount(where: {{item: {{in: [$a, $b]}}}}) }}\n"
        )
    };
    for (first, second) in [("/one", "/one"), ("/one", "/one/"), ("/x/{a}", "/x/{b}"), ("/x/{a}/", "/x/{b}")] {
        is_refused(&(count("first", first) + &count("second", second)), 2, &["second", second]);
    }
}

#[test]
fn a_path_of_the_documentation_is_taken() {
    for path in ["/docs", "/docs/", "/docs/help", "/swagger.json", "/openapi-3.0.json", "/api/team/{name}"] {
        is_refused(&one(&format!("get: \"{path}\", reply: OBJECT"), "context(hash: $name) { id }"), 3, &[path]);
    }
}

#[test]
fn only_rest_v1_answers_at_the_root() {
    is_refused(&one("get: \"/{name}\", root: true, reply: OBJECT", "context(hash: $name) { id }"), 3, &["root"]);
}

#[test]
fn an_operation_without_a_route_stops_the_start() {
    is_refused("\nquery lost { metricCount }", 2, &["lost", "@rest"]);
    is_refused("\nquery @rest(get: \"/a\", reply: OBJECT, summary: \"x\") { metricCount }", 2, &["name"]);
    is_refused("\nquery a @rest(post: \"/a\", reply: OBJECT, summary: \"x\") { metricCount }", 2, &["post"]);
    is_refused("\nquery a @rest(reply: OBJECT, summary: \"x\") { metricCount }", 2, &["get"]);
}

#[test]
fn an_answer_of_another_form_than_declared_stops_the_start() {
    for reply in ["PAGE", "LISTING", "ALL", "CREATED", "ROWS", "ONE"] {
        is_refused(
            &one(&format!("get: \"/{{name}}\", reply: {reply}"), "metricCount(where: {item: {eq: $name}})"),
            3,
            &["reply"],
        );
    }
    let two = "a: metricPage(where: {item: {eq: $name}}) { items { id } total_page: totalPages } b: metricCount";
    is_refused(&one("get: \"/{name}\", reply: PAGE", two), 3, &["reply", "one root field"]);
    let without_pages = "metricPage(where: {item: {eq: $name}}) { items { id } }";
    is_refused(&one("get: \"/{name}\", reply: PAGE", without_pages), 3, &["reply", "total_page"]);
    let rows = "get: \"/{name}\", reply: ROWS";
    let where_name = "where: {item: {eq: $name}}";
    is_refused(&one(rows, &format!("metrics({where_name}) {{ nodes {{ id }} }}")), 3, &["metrics", "page_info"]);
    let info = "page_info: pageInfo { has_next_page: hasNextPage end_cursor: endCursor }";
    is_refused(&one(rows, &format!("metrics({where_name}) {{ {info} }}")), 3, &["metrics", "nodes"]);
    let without_after = format!("metrics({where_name}) {{ nodes {{ id }} {info} }}");
    is_refused(&one(rows, &without_after), 3, &["reply", "after"]);
    let list = "topMetrics(resource: CPU, where: {item: {eq: $name}}) { id }";
    is_refused(&one("get: \"/{name}\", reply: ONE", list), 3, &["reply", "an object"]);
}

#[test]
fn a_file_name_that_makes_no_path_stops_the_start() {
    let text = one("get: \"/{name}\", reply: OBJECT", "context(hash: $name) { id }");
    for name in ["v1.graphql", "v2.graphql", "the team.graphql", "team.v2.graphql", "té.graphql"] {
        let said = refusal(name, &text);
        assert!(said.starts_with(&format!("{name}:1:1: the file's name")), "{said}");
    }
    for name in ["v1.graphql", "v2.graphql"] {
        let said = refusal(name, &text);
        assert!(said.ends_with("that of an API of Metrograph itself (v1, v2): choose another"), "{said}");
    }
}

#[test]
fn a_folder_that_is_not_there_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(load(&missing).unwrap_err().contains("missing"));
    std::fs::create_dir(folder.path().join("team.graphql")).unwrap();
    assert!(load(folder.path()).unwrap_err().contains("team.graphql"));
}

#[test]
fn other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("README.md"), "{{{").unwrap();
    // Those of the program itself.
    assert_eq!(load(folder.path()), Ok(2));
}

#[tokio::test]
async fn operations_of_the_newest_edition_run_like_others() {
    let text = "\u{feff}\"How one went.\"\nquery one(\"Whose hash.\" $hash: String! = \"\\u{1F600}\") @rest(get: [\"/one/{hash}\", \"/one\"], reply: OBJECT, summary: \"One.\") {\n\
                session(hash: $hash) { hash } ...F }\n\"\"\"A part.\"\"\" fragment F on Query { session(hash: $hash) { metrics: metricCount } }";
    let app = with_documents(Engine::Sqlite, &[("team.graphql", text)]).await.unwrap();
    app.announce_as(json!({ "session_h": "😀" })).await;
    for path in ["/api/team/one", "/api/team/one/%F0%9F%98%80"] {
        assert_eq!(app.get(path).await.expect(200), json!({ "session": { "hash": "😀", "metrics": 0 } }));
    }
    app.finish().await;
}

#[tokio::test]
async fn an_endpoint_that_asks_twice_stores_once() {
    let text = "mutation run($hash: String!) @rest(post: \"/runs\", reply: CREATED, summary: \"Record.\") {\n\
                recordMetric(input: {sessionHash: $hash, contextHash: \"c\", startedAt: \"2026-01-05T03:00:00\", componentName: \"\", itemPath: \"\", itemName: \"t\", variantName: \"t\", \
                location: \"t\", kind: \"function\", totalTime: 1, userTime: 1, kernelTime: 0, cpuUsage: 1, memoryUsage: 1}) { metric { itemName } } ...F }\n\
                fragment F on Mutation { recordMetric(input: {sessionHash: $hash, contextHash: \"c\", startedAt: \"2026-01-05T03:00:00\", componentName: \"\", itemPath: \"\", itemName: \"t\", \
                variantName: \"t\", location: \"t\", kind: \"function\", totalTime: 1, userTime: 1, kernelTime: 0, cpuUsage: 1, memoryUsage: 1}) { metric { sessionHash } } }";
    let app = with_documents(Engine::Sqlite, &[("team.graphql", text)]).await.unwrap();
    let answer = app.post("/api/team/runs", &json!({ "hash": "s" })).await.expect(201);
    assert_eq!(answer, json!({ "itemName": "t", "sessionHash": "s" }));
    assert_eq!(app.get("/api/v1/metrics/count").await.expect(200)["count"], 1);
    app.finish().await;
}
