//! Servers whose connections go through `PgBouncer`.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    PostgresDatabase, TestApp,
    builders::rest::of_build,
    live::Events,
    poolers::Pooler,
    program::{Server, run},
};

const ANYWHERE: (&str, &str) = ("METROGRAPH_LISTEN", "127.0.0.1:0");

/// Stores, reads and subscribes through both servers at once.
async fn all_of_it_works(here: &TestApp, there: &TestApp) {
    let mut events = Events::of(there, "subscription { metricRecorded { itemName } }").await;
    for round in 0..5 {
        let record = (0..20).map(async |n| {
            let server = if n % 2 == 0 { here } else { there };
            server.record(json!({ "item": format!("t{n}"), "session_h": format!("s{}", n % 3) })).await;
        });
        let read = (0..20).map(async |n| {
            let server = if n % 2 == 0 { there } else { here };
            let query = "{ metrics(first: 50) { nodes { itemName session { hash } } totalCount } topMetrics(resource: MEMORY) { id } }";
            server.graphql(query).await
        });
        tokio::join!(join_all(record), join_all(read));
        for _ in 0..20 {
            events.field().await;
        }
        for n in 0..3 {
            here.announce(&format!("s{n}"), of_build("main", &n.to_string())).await;
        }
        for server in [here, there] {
            assert_eq!(server.count("/api/v1/metrics/count").await, (round + 1) * 20);
        }
    }
    assert_eq!(here.graphql("{ sessionCount }").await, json!({ "sessionCount": 3 }));
}

#[tokio::test]
async fn a_session_pooler_works_as_the_database_does() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let Some(pooler) = Pooler::start(&database, "session", 30).await else { return };
    let url = pooler.url(&database);
    let here = TestApp::on(database, |settings| settings.database_url = url.parse().unwrap()).await;
    let there = here.second_server().await;
    all_of_it_works(&here, &there).await;
    there.finish().await;
    here.finish().await;
}

#[tokio::test]
async fn a_pooler_with_fewer_sessions_than_are_asked_for_is_refused() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let Some(pooler) = Pooler::start(&database, "session", 4).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = pooler.url(&database);
    let ended = run(folder.path(), &["--database-url", &url, "--database-connections", "8"], &[ANYWHERE]);
    ended.assert_refused(&["--database-connections", "4 of 8"]);
    let server = Server::start(folder.path(), &["--database-url", &url, "--database-connections", "4"], &[ANYWHERE]);
    server.record("t");
    server.stop();
    drop(pooler);
    database.remove().await;
}

#[tokio::test]
async fn a_transaction_pooler_works_with_a_direct_address() {
    let Some(database) = PostgresDatabase::create().await else { return };
    // Fewer server connections than clients, so that each transaction gets another one.
    let Some(pooler) = Pooler::start(&database, "transaction", 3).await else { return };
    let (url, direct) = (pooler.url(&database), database.url());
    let here = TestApp::on(database, |settings| {
        settings.database_url = url.parse().unwrap();
        settings.storage.direct_url = Some(direct.parse().unwrap());
    });
    let here = here.await;
    let there = here.second_server().await;
    all_of_it_works(&here, &there).await;
    there.finish().await;
    here.finish().await;
}

#[tokio::test]
async fn a_transaction_pooler_without_a_direct_address_is_refused_with_the_remedy() {
    let Some(database) = PostgresDatabase::create().await else { return };
    let Some(pooler) = Pooler::start(&database, "transaction", 3).await else { return };
    let (folder, url) = (tempfile::tempdir().unwrap(), pooler.url(&database));
    // Prepared statements that another client has left conflict with those of the next one.
    for _ in 0..20 {
        let ended = run(folder.path(), &["token", "list", "--database-url", &url], &[]);
        if ended.code == Some(2) && ended.stderr.contains("prepared statement") {
            ended.assert_refused(&["--database-direct-url", "transaction mode"]);
            drop(pooler);
            return database.remove().await;
        }
    }
    panic!("no statement was in the way");
}
