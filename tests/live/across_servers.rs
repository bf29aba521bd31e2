//! Several servers on one PostgreSQL (LISTEN/NOTIFY): subscribers of one get what is stored through another.

use sea_orm::{ConnectionTrait as _, Database};
use serde_json::json;

use crate::support::{
    Engine, TestApp,
    live::{Events, settle},
};

const ITEMS: &str = "subscription { metricRecorded { itemName } }";

#[tokio::test]
async fn what_one_server_stores_is_published_by_another() {
    let Some(here) = TestApp::start(Engine::Postgres, 500).await else { return };
    let there = here.second_server().await;
    let mut metrics = Events::of(&there, ITEMS).await;
    let mut sessions = Events::of(&there, "subscription { sessionAnnounced { hash } }").await;
    let mut progress = Events::post(&there, "subscription { runProgress(session: \"s\") { testsSeen } }").await;
    assert_eq!(progress.field().await, json!({ "testsSeen": 0 }));
    for number in 0..20 {
        let server = if number % 3 == 0 { &there } else { &here };
        server.record(json!({ "item": format!("t{number}") })).await;
    }
    for number in 0..20 {
        assert_eq!(metrics.next().await, json!({ "data": { "metricRecorded": { "itemName": format!("t{number}") } } }));
    }
    here.announce_as(json!({ "session_h": "s" })).await;
    assert_eq!(sessions.field().await, json!({ "hash": "s" }));
    while progress.field().await != json!({ "testsSeen": 20 }) {}
    drop((metrics, sessions, progress));
    there.finish().await;
    here.finish().await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_nothing_is_missed() {
    let Some(here) = TestApp::start(Engine::Postgres, 500).await else { return };
    let there = here.second_server().await;
    let mut events = Events::of(&there, ITEMS).await;
    let database = Database::connect(here.settings().database_url.as_str()).await.unwrap();
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    for number in 0..3 {
        let ended = database.execute_unprepared(end_all).await.unwrap();
        assert_eq!(ended.rows_affected(), 2, "both servers listen");
        here.record(json!({ "item": format!("t{number}") })).await;
        assert_eq!(events.field().await, json!({ "itemName": format!("t{number}") }));
        settle().await;
    }
    drop(events);
    database.close().await.unwrap();
    there.finish().await;
    here.finish().await;
}
