//! Rows as CSV and NDJSON: the same as JSON and GraphQL give, page by page.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, builders::rest::of_build, on_both_engines};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

/// Texts that need quotes, or look as if they did.
const TEXTS: [&str; 8] =
    ["plain", "a,b", "say \"x\"", "two\r\nlines\n", "=SUM(A1)", "  spaces ", "日本\u{1F600}", "'-- ; \\ \t"];

async fn fill(app: &TestApp) {
    app.announce("s", of_build("a,\"b\"", "1")).await;
    app.announce_context(json!({ "cpu_vendor": null })).await;
    for (number, text) in (0..).zip(TEXTS) {
        // Some of a session that is not announced, some with numbers of many digits.
        let session = if number % 3 == 2 { "t" } else { "s" };
        let seconds = 0.1 + f64::from(number) / 3.0;
        app.record(json!({
            "session_h": session, "item": text, "item_variant": text, "component": if number == 0 { "" } else { text },
            "total_time": seconds, "mem_usage": -1e-7 * seconds, "test_passed": (number % 2 == 0).then_some(true),
        }))
        .await;
    }
}

/// Reads a table with a strict reader: every line has the cells of the first.
fn table(reply: &Reply) -> (Vec<String>, Vec<Vec<String>>) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8; header=present");
    let mut reader = csv::Reader::from_reader(&reply.body[..]);
    let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (names, reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect())
}

fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.headers[header::CONTENT_TYPE], NDJSON);
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns what a cell is to hold for a member of a row, found by its dotted name.
fn expected_cell(row: &Value, name: &str) -> String {
    match name.split('.').fold(row, |value, part| &value[part]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the path of the next page.
fn next(path: &str, reply: &Reply) -> Option<String> {
    let link = reply.headers.get(header::LINK)?.to_str().unwrap();
    let query = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\"")).unwrap();
    assert!(query.starts_with('?'), "{link}");
    Some(path.split('?').next().unwrap().to_owned() + query)
}

on_both_engines! {
    async fn csv_and_ndjson_have_what_json_has(app: &TestApp) {
        fill(app).await;
        for path in [
            "/metrics", "/metrics/top?resource=memory&first=500", "/sessions", "/contexts", "/components", "/variants",
            "/pipelines", "/builds", "/metrics?component=none",
        ] {
            let path = format!("/api/v2{path}");
            let rows = app.get(&path).await.expect(200)["nodes"].as_array().unwrap().clone();
            assert_eq!(rows.is_empty(), path.ends_with("none"), "{path}");
            assert_eq!(lines(&app.accepting(&path, NDJSON).await), rows, "{path}");
            let (names, table) = table(&app.accepting(&path, CSV).await);
            let expected: Vec<Vec<_>> =
                rows.iter().map(|row| names.iter().map(|name| expected_cell(row, name)).collect()).collect();
            assert_eq!(table, expected, "{path}");
            assert_eq!(names[0], "id", "{path}");
        }
    }

    async fn rows_within_an_object_are_a_table_as_well(app: &TestApp) {
        fill(app).await;
        let variant = &app.get("/api/v2/variants?first=1").await.expect(200)["nodes"][0]["id"];
        let run = &app.get("/api/v2/runs?first=1").await.expect(200)["nodes"][0]["id"];
        let (variant, run) = (variant.as_str().unwrap(), run.as_str().unwrap());
        for (path, list) in [
            (format!("/variants/{variant}/history?resource=total_time"), "history"),
            (format!("/runs/{run}/appeared"), "nodes"),
            (format!("/runs/{run}/vanished"), "nodes"),
            ("/statistics/variants?resource=total_time&until_share=0.5".to_owned(), "nodes"),
            ("/statistics/components?resource=user_time".to_owned(), "nodes"),
            ("/statistics/machines?resource=total_time".to_owned(), "nodes"),
            ("/comparisons/tags?resource=memory&tag=pipeline_branch&before_tag_value=a,%22b%22&after_tag_value=c".to_owned(), "nodes"),
        ] {
            if path.starts_with("/comparisons") {
                app.announce("other", of_build("c", "1")).await;
                app.record(json!({ "session_h": "other", "item": "plain", "item_variant": "plain", "mem_usage": 2.0 })).await;
            }
            let path = format!("/api/v2{path}");
            let rows = app.get(&path).await.expect(200)[list].as_array().unwrap().clone();
            // The first run has none before it.
            assert_eq!(rows.is_empty(), path.contains("/runs/"), "{path}");
            assert_eq!(lines(&app.accepting(&path, NDJSON).await), rows, "{path}");
            let (names, table) = table(&app.accepting(&path, CSV).await);
            let expected: Vec<Vec<_>> =
                rows.iter().map(|row| names.iter().map(|name| expected_cell(row, name)).collect()).collect();
            assert_eq!(table, expected, "{path}");
        }
        for path in ["/variants/none/history?resource=memory", "/runs/none/appeared"] {
            for format in [CSV, "application/json"] {
                let refused = app.accepting(&format!("/api/v2{path}"), format).await;
                assert!([400, 404].contains(&refused.status.as_u16()), "{path}: {}", refused.text());
            }
        }
    }

    async fn a_table_is_what_graphql_answers(app: &TestApp) {
        fill(app).await;
        let (names, table) = table(&app.accepting("/api/v2/metrics", CSV).await);
        assert_eq!(
            names.join(","),
            "id,session_hash,context_hash,started_at,component_name,item_path,item_name,variant_name,location,kind,\
             total_time,user_time,kernel_time,cpu_usage,memory_usage,passed,session.run_date,session.scm_ref,\
             session.pipeline.name,session.build.name,context.machine_node"
        );
        let answer = app
            .graphql(
                "{ metrics { nodes { id sessionHash contextHash startedAt componentName itemPath itemName variantName location
                   kind totalTime userTime kernelTime cpuUsage memoryUsage passed
                   session { runDate scmRef pipeline { name } build { name } } context { machineNode } } } }",
            )
            .await;
        let rows = answer["metrics"]["nodes"].as_array().unwrap();
        assert_eq!((table.len(), rows.len()), (TEXTS.len(), TEXTS.len()));
        // The graph's names in the order of the columns.
        let camel = |name: &str| {
            let mut words = name.split('_');
            let first = words.next().unwrap().to_owned();
            words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
        };
        for (cells, row) in table.iter().zip(rows) {
            for (cell, name) in cells.iter().zip(&names) {
                assert_eq!(*cell, expected_cell(row, &camel(name)), "{name}");
            }
            assert_eq!(cells[10].parse::<f64>().ok(), row["totalTime"].as_f64());
        }
        let (sessions, cells) = self::table(&app.accepting("/api/v2/sessions", CSV).await);
        let tags = sessions.iter().position(|name| name == "tags").unwrap();
        let tags: Value = serde_json::from_str(&cells[0][tags]).unwrap();
        assert_eq!(tags[0], json!({ "name": "pipeline_branch", "value": "a,\"b\"" }));
    }

    async fn an_empty_list_is_a_line_of_names_or_nothing(app: &TestApp) {
        let (names, rows) = table(&app.accepting("/api/v2/builds", CSV).await);
        assert_eq!((names.join(",").as_str(), rows.len()), ("id,name,pipeline.name,pipeline.project.name", 0));
        assert!(lines(&app.accepting("/api/v2/builds", NDJSON).await).is_empty());
        let empty = json!({ "nodes": [], "page_info": { "has_next_page": false, "end_cursor": null } });
        assert_eq!(app.get("/api/v2/builds").await.expect(200), empty);
    }

    async fn the_link_leads_through_all_pages_in_each_form(app: &TestApp) {
        fill(app).await;
        let all = app.get("/api/v2/metrics").await;
        assert!(!all.headers.contains_key(header::LINK));
        let rows = all.expect(200)["nodes"].as_array().unwrap().clone();
        let expected: Vec<_> = rows.iter().rev().filter(|row| row["kernel_time"] == 0.0625).cloned().collect();
        for accept in ["application/json", CSV, NDJSON] {
            let mut path = "/api/v2/metrics?kind=function&direction=desc&first=3&order_by=inserted".to_owned();
            let (mut found, mut pages) = (Vec::new(), 0);
            loop {
                let reply = app.accepting(&path, accept).await;
                pages += 1;
                match accept {
                    CSV => found.extend(table(&reply).1.iter().map(|cells| json!(cells[0]))),
                    NDJSON => found.extend(lines(&reply).iter().map(|row| row["id"].clone())),
                    _ => {
                        let answer = reply.expect(200);
                        found.extend(answer["nodes"].as_array().unwrap().iter().map(|row| row["id"].clone()));
                        let has_next = answer["page_info"]["has_next_page"].as_bool().unwrap();
                        assert_eq!(has_next, reply.headers.contains_key(header::LINK));
                    }
                }
                let Some(next) = next(&path, &reply) else { break };
                assert!(next.contains("kind=function&direction=desc&first=3&order_by=inserted&after="), "{next}");
                path = next;
            }
            assert_eq!(pages, 3, "{accept}");
            assert_eq!(found, expected.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), "{accept}");
        }
        // A ranking has one page.
        assert!(next("", &app.get("/api/v2/metrics/top?resource=cpu&first=1").await).is_none());
    }

    async fn accept_chooses_the_form(app: &TestApp) {
        fill(app).await;
        for (accept, sent) in [
            ("*/*", "application/json"),
            ("text/*", "text/csv; charset=utf-8; header=present"),
            ("application/json;q=0.5, application/x-ndjson;q=0.7", NDJSON),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ] {
            let reply = app.accepting("/api/v2/builds", accept).await;
            assert_eq!((reply.status.as_u16(), reply.headers[header::CONTENT_TYPE].to_str().unwrap()), (200, sent), "{accept}");
            assert_eq!(reply.headers[header::VARY], "accept, authorization", "{accept}");
        }
        for (path, accept, offered) in [
            ("/builds", "text/html", "application/json or text/csv or application/x-ndjson"),
            ("/builds", "text/csv;q=0", "text/csv"),
            ("/metrics/count", CSV, "the answer comes as application/json"),
            ("/sessions/s", NDJSON, "the answer comes as application/json"),
        ] {
            let reply = app.accepting(&format!("/api/v2{path}"), accept).await;
            reply.refuses(406, offered);
            assert_eq!(reply.headers[header::VARY], "accept, authorization", "{path}");
        }
        // Errors are JSON, whatever is accepted.
        let reply = app.accepting("/api/v2/metrics?first=no", CSV).await;
        reply.refuses(400, "first");
        assert_eq!(reply.headers[header::VARY], "accept, authorization");
        assert!(!reply.headers.contains_key(header::CONTENT_DISPOSITION));
        app.accepting("/api/v2/sessions/none", "application/json").await.refuses(404, "hash");
        // Clients of REST v1 send what they like.
        let reply = app.accepting("/api/v1/sessions/", CSV).await;
        assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
        assert!(!reply.headers.contains_key(header::VARY));
    }

    async fn tables_are_saved_under_a_name(app: &TestApp) {
        fill(app).await;
        for (path, accept, name) in [
            ("/metrics", CSV, Some("metrics.csv")),
            ("/metrics/top?resource=cpu", CSV, Some("metrics-top.csv")),
            ("/sessions/", NDJSON, Some("sessions.ndjson")),
            ("/metrics", "application/json", None),
        ] {
            let reply = app.accepting(&format!("/api/v2{path}"), accept).await;
            let given = reply.headers.get(header::CONTENT_DISPOSITION).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(given, name.map(|name| format!("attachment; filename=\"{name}\"")), "{path}");
        }
    }

    async fn head_has_the_headers_alone(app: &TestApp) {
        fill(app).await;
        let request = |method: Method| {
            let request = Request::builder().method(method).uri("/api/v2/metrics?first=2").header(header::ACCEPT, CSV);
            request.body(Body::empty()).unwrap()
        };
        let (got, head) = (app.send(request(Method::GET)).await, app.send(request(Method::HEAD)).await);
        assert!(head.body.is_empty() && !got.body.is_empty());
        for name in [header::CONTENT_TYPE, header::LINK, header::VARY, header::CONTENT_DISPOSITION, header::CONTENT_LENGTH] {
            assert_eq!(head.headers.get(&name), got.headers.get(&name), "{name}");
        }
    }

    async fn tables_are_compressed(app: &TestApp) {
        for _ in 0..3 {
            fill(app).await;
        }
        for accept in [CSV, NDJSON] {
            let plain = app.accepting("/api/v2/metrics", accept).await;
            let request = Request::get("/api/v2/metrics").header(header::ACCEPT, accept);
            let reply = app.send(request.header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap()).await;
            assert_eq!(reply.headers[header::CONTENT_ENCODING], "gzip", "{accept}");
            assert!(reply.body.len() * 2 < plain.body.len(), "{accept}");
            let vary: Vec<_> = reply.headers.get_all(header::VARY).iter().map(|value| value.to_str().unwrap()).collect();
            assert!(vary.contains(&"accept-encoding") && vary.contains(&"accept, authorization"), "{vary:?}");
        }
    }
}
