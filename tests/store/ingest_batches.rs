//! Requests that share a transaction: a value that the database refuses fails only its own request.

use futures_util::future::join_all;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::support::{
    Engine, TestApp,
    backup::connect,
    builders::{
        graphql,
        rest::{metric, session},
    },
    on_both_engines,
};

/// Makes the database refuse a name.
async fn refuse_guilty_values(app: &TestApp, table: &str, column: &str) {
    let connection = connect(app).await;
    let refuse = match app.engine() {
        Engine::Sqlite => format!(
            "CREATE TRIGGER guilty_{table} BEFORE INSERT ON {table} WHEN NEW.{column} LIKE 'guilty%' \
             BEGIN SELECT RAISE(ABORT, 'it is guilty'); END"
        ),
        Engine::Postgres => {
            format!("ALTER TABLE {table} ADD CONSTRAINT it_is_guilty CHECK ({column} NOT LIKE 'guilty%')")
        }
    };
    connection.execute_unprepared(&refuse).await.unwrap();
    connection.close().await.unwrap();
}

/// The error of the database.
fn guilty(engine: Engine) -> &'static str {
    if engine == Engine::Sqlite { "it is guilty" } else { "it_is_guilty" }
}

on_both_engines! {
    async fn requests_that_share_a_batch_with_a_refused_one_are_stored(app: &TestApp) {
        refuse_guilty_values(app, "component", "name").await;
        refuse_guilty_values(app, "session", "hash").await;
        let sent = (0..300).map(async |n| {
            let (guilty_metric, guilty_session) = (n % 23 == 7, n % 31 == 5);
            let component = if guilty_metric { "guilty" } else { "core" };
            let metric = metric(json!({ "item": format!("t{n}"), "component": component, "session_h": format!("of {n}") }));
            let hash = if guilty_session { format!("guilty {n}") } else { format!("s{n}") };
            let session = session(json!({ "session_h": hash }));
            let (metric, session) = tokio::join!(app.post("/api/v1/metrics/", &metric), app.post("/api/v1/sessions/", &session));
            for (reply, is_guilty) in [(metric, guilty_metric), (session, guilty_session)] {
                let answer = reply.expect(if is_guilty { 400 } else { 201 });
                if is_guilty {
                    assert!(answer["message"].as_str().unwrap().contains(guilty(app.engine())), "{answer}");
                }
            }
        });
        join_all(sent).await;
        let innocent = (0..300).filter(|n| n % 23 != 7).count() as u64;
        assert_eq!(app.count("/api/v1/metrics/count").await, innocent);
        let sessions = app.graphql("{ sessionCount }").await["sessionCount"].as_u64().unwrap();
        assert_eq!(sessions, (0..300).filter(|n| n % 31 != 5).count() as u64);
    }

    async fn of_one_request_nothing_is_stored_where_a_part_is_refused(app: &TestApp) {
        refuse_guilty_values(app, "component", "name").await;
        let metrics: Vec<_> = (0..20)
            .map(|n| graphql::metric(json!({ "itemName": format!("t{n}"), "componentName": if n == 13 { "guilty" } else { "core" } })))
            .collect();
        let record = "mutation($metrics: [MetricInput!]!) { recordMetrics(input: {metrics: $metrics}) { metrics { id } } }";
        let both = join_all([
            app.graphql_with(record, json!({ "metrics": metrics })),
            app.graphql_with(record, json!({ "metrics": metrics[..10] })),
        ]);
        let answers = both.await;
        assert_eq!(answers[0]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{:#}", answers[0]);
        assert!(answers[1].get("errors").is_none(), "{:#}", answers[1]);
        assert_eq!(app.count("/api/v1/metrics/count").await, 10);
    }

    async fn what_is_the_fault_of_the_database_is_no_fault_of_a_value(app: &TestApp) {
        let connection = connect(app).await;
        connection.execute_unprepared("ALTER TABLE component_build RENAME TO gone").await.unwrap();
        let all = join_all((0..20).map(async |n| app.post("/api/v1/metrics/", &metric(json!({ "item": format!("t{n}") }))).await));
        for reply in all.await {
            reply.expect(503);
        }
        connection.execute_unprepared("ALTER TABLE gone RENAME TO component_build").await.unwrap();
        connection.close().await.unwrap();
        app.record(json!({ "item": "after" })).await;
        assert_eq!(app.items("/api/v1/metrics/").await, json!(["after"]));
    }
}
