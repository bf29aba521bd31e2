//! Servers of different versions on one database: which may run next to each other, and what an older one does once a newer one has
//! changed the tables. That an older one does not start is in `postgres_start`.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Database};
use serde_json::json;

use crate::support::{Engine, TestApp, builders::rest::metric_of, on_both_engines, program::Server};

on_both_engines! {
    async fn an_older_server_stores_nothing_once_a_newer_one_has_changed_the_tables(app: &TestApp) {
        app.post("/api/v1/metrics/", &metric_of("test_before")).await.expect(201);
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        let step = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)";
        connection.execute_unprepared(step).await.unwrap();
        for _ in 0..200 {
            if app.get("/health/ready").await.status == 503 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let health = app.get("/health/ready").await.expect(503);
        assert!(health["failed"]["version"].as_str().unwrap().contains("newer version"), "{health}");
        let refused = app.post("/api/v1/metrics/", &metric_of("test_lost")).await.expect(503);
        assert!(refused["message"].as_str().unwrap().contains("newer version"), "{refused}");
        // What can be read is read.
        assert_eq!(app.get("/api/v1/metrics/count").await.expect(200), json!({ "count": 1 }));
        assert_eq!(app.get("/health/live").await.status, 200);
        // As after a restored backup.
        connection.execute_unprepared("DELETE FROM seaql_migrations WHERE version = 'm9999_later'").await.unwrap();
        connection.close().await.unwrap();
        for _ in 0..200 {
            if app.get("/health/ready").await.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        app.post("/api/v1/metrics/", &metric_of("test_after")).await.expect(201);
    }
}

/// Two programs that know the same steps, whatever their versions: one is replaced while the other one goes on.
#[tokio::test]
async fn servers_that_know_the_same_tables_are_replaced_one_by_one() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = app.settings().database_url.as_str().to_owned();
    let start = || Server::start(folder.path(), &["--database-url", &url], &[("METROGRAPH_LISTEN", "127.0.0.1:0")]);
    for round in 0..3 {
        let server = start();
        server.record("test_program");
        app.post("/api/v1/metrics/", &metric_of("test_app")).await.expect(201);
        server.stop();
        app.post("/api/v1/metrics/", &metric_of("test_app")).await.expect(201);
        assert_eq!(app.count("/api/v1/metrics/count").await, 3 * (round + 1));
    }
    app.finish().await;
}
