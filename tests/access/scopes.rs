//! Access modes, tokens and scopes: who may do what.

use std::time::Duration;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, TypeKind, TypeSystemDefinition},
};
use axum::{
    body::Body,
    http::{Request, header},
};
use entity::driver::source::Source as _;
use metrograph::config::AccessMode::{Closed, Open, Read};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::json;

use crate::support::{
    TestApp,
    access::{MUTATION, QUERY, READING, RequestKind, SUBSCRIPTION, Socket, WRITING, basic, bearer, status_in},
    builders::rest::context,
    on_both_engines,
};

/// A little longer than a server may use its cache of tokens.
const TOKEN_CACHE: Duration = Duration::from_millis(1_200);

async fn assert_status(app: &TestApp, ways: &[RequestKind], credentials: Option<&str>, status: u16) {
    for way in ways {
        let mode = app.settings().access.mode;
        assert_eq!(app.status_of(*way, credentials).await, status, "{mode:?}: {way:?}: {credentials:?}");
    }
}

on_both_engines! {
    async fn each_mode_lets_in_the_right_callers(app: &TestApp) {
        let made = [app.token("read").await, app.token("ingest").await, app.token("admin").await];
        let [read, ingest, admin] = made.map(|token| Some(bearer(&token)));
        let unknown = Some(bearer("mg_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        let callers = [None, read, ingest, admin, unknown];
        // The status of reading and of writing for each of them.
        let expected = [
            (Open, [(200, 200), (200, 200), (200, 200), (200, 200), (200, 200)]),
            (Read, [(200, 401), (200, 403), (200, 200), (200, 200), (401, 401)]),
            (Closed, [(401, 401), (200, 403), (403, 200), (200, 200), (401, 401)]),
        ];
        for (mode, statuses) in expected {
            let guarded = app.guarded(mode).await;
            for (credentials, (reading, writing)) in callers.iter().zip(statuses) {
                assert_status(&guarded, &READING, credentials.as_deref(), reading).await;
                assert_status(&guarded, &WRITING, credentials.as_deref(), writing).await;
            }
            guarded.finish().await;
        }
    }

    async fn a_refusal_names_the_way_to_authenticate(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let read = bearer(&app.token("read").await);
        let ingest = bearer(&app.token("ingest").await);
        closed.ask_as(None, QUERY).await.refuses_caller(401, "");
        closed.ask_as(Some(&bearer("mg_unknown")), QUERY).await.refuses_caller(401, "");
        closed.get_as(None, "/api/v1/metrics/count").await.refuses_caller(401, "");
        closed.get_as(None, "/graphql?query=%7BmetricCount%7D").await.refuses_caller(401, "");
        closed.ask_as(Some(&read), MUTATION).await.refuses_caller(403, "ingest");
        closed.get_as(Some(&ingest), "/api/v1/metrics/count").await.refuses_caller(403, "read");
        for accept in ["application/graphql-response+json", "application/json", "text/event-stream"] {
            let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
            let request = request.header(header::ACCEPT, accept).body(json!({ "query": QUERY }).to_string().into());
            closed.send_as(Some(&ingest), request.unwrap()).await.refuses_caller(403, "read");
        }
        closed.finish().await;
    }

    async fn without_the_scope_no_validation_error_is_shown(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        closed.ask_as(None, "{ gibberish").await.refuses_caller(401, "");
        let ingest = bearer(&app.token("ingest").await);
        closed.ask_as(Some(&ingest), "{ noSuchField }").await.refuses_caller(403, "read");
        for (path, body) in [("/api/v1/metrics/", "{"), ("/api/v1/sessions/", "{}"), ("/graphql", "{")] {
            let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
            closed.send(request.body(body.into()).unwrap()).await.refuses_caller(401, "");
        }
        closed.get_as(None, "/api/v1/pipelines/none/builds/?page=9").await.refuses_caller(401, "");
        closed.finish().await;
    }

    async fn a_token_comes_as_bearer_or_as_a_password(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let token = app.token("read").await;
        let forms = [
            bearer(&token), format!("bearer   {token} "), format!("BEARER {token}"),
            basic("ingest", &token), basic("", &token), basic("Ünï", &token), basic("u", &token).replace("Basic", "basic"),
        ];
        for credentials in forms {
            assert_status(&closed, &[RequestKind::Query, RequestKind::Get], Some(&credentials), 200).await;
        }
        let refused = [
            "", " ", "Bearer", "Bearer ", "Basic", "Basic !", "Basic dXNlcg==", "Basic dXNlcjo=", "Digest a", "Ünï", "Bearer a b",
            &token, &format!("Token {token}"), &basic(&token, ""), &bearer(&token[3..]), &bearer(&format!("{token}a")),
            &bearer(&token.to_lowercase()), &bearer(&format!("{token},{token}")), &format!("Basic {token}"),
        ];
        for credentials in refused {
            closed.get_as(Some(credentials), "/api/v1/metrics/count").await.refuses_caller(401, "");
            let read = app.guarded(Read).await;
            read.ask_as(Some(credentials), QUERY).await.refuses_caller(401, "");
            read.finish().await;
        }
        let twice = Request::get("/api/v1/metrics/count").header("authorization", bearer(&token));
        let twice = twice.header("authorization", bearer(&token)).body(Body::empty()).unwrap();
        closed.send(twice).await.refuses_caller(401, "");
        closed.finish().await;
    }

    async fn an_expired_token_is_refused(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let made = app.tokens(&["create", "--name", "brief", "--scope", "admin", "--expires", "2s"]).await.unwrap();
        let token = bearer(made.result.trim_end());
        assert_status(&closed, &[RequestKind::Query, RequestKind::Post], Some(&token), 200).await;
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        assert_status(&closed, &[RequestKind::Query, RequestKind::Post, RequestKind::Subscription, RequestKind::SocketQuery], Some(&token), 401).await;
        assert!(app.tokens(&["list"]).await.unwrap().result.contains("expired"));
        // Its name can be used again.
        app.tokens(&["create", "--name", "brief", "--scope", "admin"]).await.unwrap();
        closed.finish().await;
    }

    async fn a_revoked_token_is_refused_within_a_second(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let (read, other) = (bearer(&app.token("read").await), bearer(&app.token("admin").await));
        assert_status(&closed, &[RequestKind::Query], Some(&read), 200).await;
        app.tokens(&["revoke", "read"]).await.unwrap();
        tokio::time::sleep(TOKEN_CACHE).await;
        assert_status(&closed, &READING, Some(&read), 401).await;
        assert_status(&closed, &READING, Some(&other), 200).await;
        closed.finish().await;
    }

    async fn a_stream_ends_with_its_token(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let token = bearer(&app.token("read").await);
        let mut socket = Socket::open(&closed, Some(&token)).await.unwrap().initialized(json!({})).await.unwrap();
        socket.subscribe(SUBSCRIPTION).await;
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        let request = request.header(header::ACCEPT, "text/event-stream").body(json!({ "query": SUBSCRIPTION }).to_string().into());
        // Sending waits for the end of the body.
        let events = tokio::time::timeout(Duration::from_secs(20), closed.send_as(Some(&token), request.unwrap()));
        let (events, ()) = tokio::join!(events, async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            app.tokens(&["revoke", "read"]).await.unwrap();
        });
        let events = events.unwrap().text().replace(":\n\n", "");
        let (last, complete) = events.split_once("\n\n").unwrap();
        let answer: serde_json::Value = serde_json::from_str(last.strip_prefix("event: next\ndata: ").unwrap()).unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{answer}");
        assert!(complete.starts_with("event: complete\n"), "{events}");
        assert_eq!(socket.closed().await, 4403);
        closed.finish().await;
    }

    async fn a_socket_may_be_introduced_by_its_first_message(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let (read, ingest) = (bearer(&app.token("read").await), bearer(&app.token("ingest").await));
        for (payload, query, status) in [
            (json!({ "authorization": read }), QUERY, 200),
            (json!({ "authorization": read }), MUTATION, 403),
            (json!({ "authorization": ingest }), MUTATION, 200),
        ] {
            let mut socket = Socket::open(&closed, None).await.unwrap().initialized(payload.clone()).await.unwrap();
            assert_eq!(status_in(&socket.answer(query).await), status, "{payload} {query}");
        }
        for payload in [json!({ "authorization": "Bearer mg_unknown" }), json!({ "authorization": 1 }), json!({})] {
            let socket = Socket::open(&closed, None).await.unwrap();
            assert_eq!(socket.initialized(payload.clone()).await.err(), Some(4403), "{payload}");
        }
        closed.finish().await;
    }

    async fn the_last_use_is_kept_and_costs_no_statement_for_each_request(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let token = bearer(&app.token("read").await);
        assert_eq!(last_use(app).await, "never");
        assert_status(&closed, &[RequestKind::Get], Some(&token), 200).await;
        let mut tries = 0;
        while last_use(app).await == "never" {
            tries += 1;
            assert!(tries < 100, "the use is not noted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (began, before) = (std::time::Instant::now(), closed.statements());
        for _ in 0..50 {
            closed.ask_as(Some(&token), "{ __typename }").await.expect(200);
        }
        // The tokens are read at most once a second.
        assert!(closed.statements() - before <= 1 + began.elapsed().as_secs());
        closed.finish().await;
    }

    async fn a_token_that_writes_reads_nothing_but_what_it_wrote(app: &TestApp) {
        app.record(json!({ "session_h": "s" })).await;
        let closed = app.guarded(Closed).await;
        let ingest = bearer(&app.token("ingest").await);
        let admin = bearer(&app.token("admin").await);
        let announce = |fields: &str| MUTATION.replace("hash }", fields);
        let own = announce("hash tags { name value } __typename }");
        assert_eq!(closed.ask_as(Some(&ingest), &own).await.expect(200)["data"]["announceSession"]["session"]["hash"], "s");
        for leads_on in [
            "metricCount }",
            "metrics { totalCount } }", "...F } } } fragment F on Session { contexts { nodes { id }",
            "... on Session { ... { build { id } } } }", "tags { sessions { totalCount } } }", "pipeline { name } }",
        ] {
            closed.ask_as(Some(&ingest), &announce(leads_on)).await.refuses_caller(403, "read");
            closed.ask_as(Some(&admin), &announce(leads_on)).await.expect(200);
        }
        // Nor is the cost of reading reported.
        let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        let body = json!({ "query": "{ metricCount }", "extensions": { "cost": true } }).to_string();
        let refused = closed.send_as(Some(&ingest), request.body(body.into()).unwrap()).await;
        assert!(refused.expect(403).get("extensions").is_none(), "{}", refused.text());
        closed.finish().await;
    }

    async fn a_token_that_writes_sees_nothing_of_a_context_announced_before(app: &TestApp) {
        let hidden = json!({ "machine_node": "secret-host", "system_info": "secret-os", "python_info": "secret-python" });
        app.announce_context(hidden).await;
        let closed = app.guarded(Closed).await;
        let ingest = bearer(&app.token("ingest").await);
        let again = app.second_server().await.post("/api/v1/contexts/", &context(json!({}))).await.expect(201);
        assert_eq!(again["machine_node"], "secret-host");
        let request = Request::post("/api/v1/contexts/").header(header::CONTENT_TYPE, "application/json");
        let body = context(json!({ "cpu_vendor": null })).to_string();
        let answer = closed.send_as(Some(&ingest), request.body(body.into()).unwrap()).await;
        let expected = json!({ "h": "c", "context_h": "c", "machine_node": "ci-1", "cpu_vendor": null, "cpu_frequency": 2400 });
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&answer.expect(201)[member], value, "{member}");
        }
        let mutation = |fields: &str| format!(
            "mutation {{ announceContext(input: {{hash: \"c\", cpuCount: 1, cpuFrequency: 1, cpuType: \"\", ramTotal: 1, machineNode: \"\", \
             machineType: \"\", machineArch: \"\", systemInfo: \"\", pythonInfo: \"\"}}) {{ context {{ {fields} }} }} }}"
        );
        let all = "id hash cpuCount cpuFrequency cpuFrequencyMhz cpuType cpuVendor ramTotal machineNode machineType machineArch \
                   systemInfo pythonInfo";
        let own = closed.ask_as(Some(&ingest), &mutation(all)).await;
        let context = &own.expect(200)["data"]["announceContext"]["context"];
        assert_eq!((&context["cpuCount"], &context["cpuVendor"], &context["pythonInfo"]), (&json!(1), &json!(null), &json!("")));
        for text in [answer.text(), own.text()] {
            assert!(!text.contains("secret") && !text.contains("AMD"), "{text}");
        }
        closed.ask_as(Some(&ingest), &mutation("metricCount")).await.refuses_caller(403, "read");
        closed.finish().await;
    }

    async fn a_new_token_is_taken_at_once(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let first = bearer(&app.token("admin").await);
        assert_status(&closed, &[RequestKind::Query], Some(&first), 200).await;
        let second = bearer(&app.token("read").await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_status(&closed, &[RequestKind::Query], Some(&second), 200).await;
        closed.finish().await;
    }

    async fn tokens_are_checked_while_everything_else_waits(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let read = bearer(&app.token("read").await);
        let (backend, slow) = match closed.engine() {
            Engine::Sqlite => (DbBackend::Sqlite, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"),
            Engine::Postgres => (DbBackend::Postgres, "SELECT count(*) FROM pg_sleep(6)"),
        };
        let connections = std::thread::available_parallelism().unwrap().get() * 2;
        let mut busy = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let reader = closed.store().reader.clone();
            busy.spawn(async move {
                let statement = Statement::from_string(backend, slow);
                drop(reader.all_of::<Option<i64>>(statement).await);
            });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Every read connection is busy: a query would wait.
        assert!(tokio::time::timeout(Duration::from_secs(1), closed.ask_as(Some(&read), "{ pipelineNames }")).await.is_err());
        let known = tokio::time::timeout(Duration::from_secs(15), closed.ask_as(Some(&read), "{ __typename }"));
        known.await.unwrap().expect(200);
        closed.ask_as(Some(&bearer("mg_unknown")), QUERY).await.refuses_caller(401, "");
        busy.shutdown().await;
        closed.finish().await;
    }

    async fn unknown_tokens_cost_no_statement_each(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let (began, before) = (std::time::Instant::now(), closed.statements());
        for n in 0..200 {
            closed.ask_as(Some(&bearer(&format!("mg_{n}"))), QUERY).await.refuses_caller(401, "");
        }
        let tenths = u64::try_from(began.elapsed().as_millis() / 100).unwrap();
        assert!(closed.statements() - before <= 1 + tenths, "{}", closed.statements() - before);
        closed.finish().await;
    }

    async fn of_several_operations_the_one_that_runs_counts(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let read = bearer(&app.token("read").await);
        let query = format!("query A {{ metricCount }} {}", MUTATION.replace("mutation", "mutation B"));
        let ask = async |name: Option<&str>| {
            let request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
            let body = json!({ "query": query, "operationName": name }).to_string();
            closed.send_as(Some(&read), request.body(body.into()).unwrap()).await
        };
        ask(Some("A")).await.expect(200);
        ask(Some("B")).await.refuses_caller(403, "ingest");
        ask(None).await.refuses_caller(403, "ingest");
        ask(Some("C")).await.refuses_caller(403, "ingest");
        closed.finish().await;
    }

    async fn the_schema_is_read_by_those_who_read(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let (read, ingest) = (bearer(&app.token("read").await), bearer(&app.token("ingest").await));
        for query in ["{ __schema { queryType { name } } }", "{ __type(name: \"Query\") { name } }", "{ __typename }"] {
            closed.ask_as(Some(&read), query).await.expect(200);
            closed.ask_as(Some(&ingest), query).await.refuses_caller(403, "read");
            closed.ask_as(None, query).await.refuses_caller(401, "");
        }
        closed.finish().await;
    }

    async fn no_caller_is_let_in_while_the_tokens_cannot_be_read(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        let admin = bearer(&app.token("admin").await);
        let database = sea_orm::Database::connect(app.settings().database_url.as_str()).await.unwrap();
        database.execute_unprepared("DROP TABLE access_token").await.unwrap();
        database.close().await.unwrap();
        let answer = closed.ask_as(Some(&admin), QUERY).await.expect(503);
        assert_eq!(answer["errors"][0]["extensions"]["code"], "DATABASE_UNAVAILABLE");
        closed.get_as(Some(&admin), "/api/v1/metrics/count").await.refuses(503, "database");
        assert_eq!(app.status_of(RequestKind::Query, None).await, 200);
        closed.finish().await;
    }

    async fn pages_hold_no_data_and_are_open_to_everybody(app: &TestApp) {
        let closed = app.guarded(Closed).await;
        for path in ["/", "/graphiql", "/health", "/api/v1/docs/", "/api/v1/swagger.json", "/api/v1/openapi-3.0.json"] {
            for credentials in [None, Some("Bearer mg_unknown")] {
                assert_eq!(closed.get_as(credentials, path).await.status, 200, "{path}");
            }
        }
        closed.finish().await;
    }
}

/// Returns what `token list` prints for the only token.
async fn last_use(app: &TestApp) -> String {
    let listed = app.tokens(&["list"]).await.unwrap().result;
    listed.lines().nth(1).unwrap().split_whitespace().nth(4).unwrap().to_owned()
}

/// Every root field has its scope; fields that lead on from a mutation's payload require READ.
#[test]
fn the_schema_names_the_scope_of_each_field() {
    let schema = parse_schema(metrograph::sdl()).unwrap();
    let access = |directives: &[async_graphql::Positioned<async_graphql::parser::types::ConstDirective>]| {
        let found = directives.iter().find(|directive| directive.node.name.node == "access");
        found.map(|directive| directive.node.get_argument("scope").unwrap().node.to_string())
    };
    let mut reached = vec!["Mutation".to_owned()];
    let mut seen = 0;
    while seen < reached.len() {
        let name = reached[seen].clone();
        seen += 1;
        for definition in &schema.definitions {
            let TypeSystemDefinition::Type(ty) = definition else { continue };
            let TypeKind::Object(object) = &ty.node.kind else { continue };
            let on_type = access(&ty.node.directives);
            if ["Query", "Mutation", "Subscription"].contains(&ty.node.name.node.as_str()) {
                for field in &object.fields {
                    let is_for_admins = ["deleteSessions", "auditRecords"].contains(&field.node.name.node.as_str());
                    let usual = if ty.node.name.node == "Mutation" { "INGEST" } else { "READ" };
                    let scope = if is_for_admins { "ADMIN" } else { usual };
                    let own = access(&field.node.directives).or_else(|| on_type.clone());
                    assert_eq!(own.as_deref(), Some(scope), "{}", field.node.name.node);
                }
            }
            for field in object.fields.iter().filter(|_| ty.node.name.node == name.as_str()) {
                let mut base = &field.node.ty.node.base;
                while let BaseType::List(item) = base {
                    base = &item.base;
                }
                let BaseType::Named(target) = base else { continue };
                if access(&field.node.directives).is_none() && !reached.iter().any(|known| known == target.as_str()) {
                    reached.push(target.to_string());
                }
            }
        }
    }
    let stored = ["Session", "ExecutionContext", "Metric", "Tag", "Build", "Pipeline", "Component", "Item", "Variant"];
    reached.retain(|name| stored.contains(&name.as_str()) || name.ends_with("Connection"));
    reached.sort();
    assert_eq!(reached, ["ExecutionContext", "Metric", "Session", "Tag"]);
}
