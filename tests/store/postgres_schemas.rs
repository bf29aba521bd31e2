//! Several servers on one PostgreSQL, each in a schema of its own, or with defaults of a role or a database.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Database, Statement};
use serde_json::json;

use crate::support::{Engine, PostgresDatabase, Role, TestApp, live::Events};

const ITEMS: &str = "subscription { metricRecorded { itemName } }";

/// Starts a server on another schema of the same database.
async fn in_schema(app: &TestApp, schema: &str) -> TestApp {
    app.postgres().run(&format!("CREATE SCHEMA {schema}")).await;
    let url = app.postgres().url_as("postgres", &format!("&options[search_path]={schema}"));
    app.second_server_with(|settings| settings.database_url = url.parse().unwrap()).await
}

#[tokio::test]
async fn events_are_those_of_the_own_schema() {
    let Some(here) = TestApp::start(Engine::Postgres, 500).await else { return };
    let there = in_schema(&here, "other").await;
    let also_there = there.second_server().await;
    here.record_items(&["a", "b", "c", "d", "e"]).await;
    let mut far = Events::of(&there, ITEMS).await;
    let mut near = Events::of(&here, ITEMS).await;
    for n in 0..4 {
        here.record(json!({ "item": format!("here {n}") })).await;
        also_there.record(json!({ "item": format!("there {n}") })).await;
        assert_eq!(far.field().await, json!({ "itemName": format!("there {n}") }));
        assert_eq!(near.field().await, json!({ "itemName": format!("here {n}") }));
    }
    assert_eq!(there.count("/api/v1/metrics/count").await, 4);
    assert_eq!(here.count("/api/v1/metrics/count").await, 9);
    drop((far, near));
    also_there.finish().await;
    there.finish().await;
    here.finish().await;
}

#[tokio::test]
async fn a_schema_may_be_that_of_the_role() {
    let Some(here) = TestApp::start(Engine::Postgres, 500).await else { return };
    let role = Role::create(here.postgres(), "").await;
    let name = role.name();
    here.postgres()
        .run(&format!("CREATE SCHEMA AUTHORIZATION {name}; REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
        .await;
    let url = here.postgres().url_as(name, "");
    let there = here.second_server_with(|settings| settings.database_url = url.parse().unwrap()).await;
    here.record_items(&["a", "b", "c"]).await;
    let mut events = Events::of(&there, ITEMS).await;
    there.record(json!({ "item": "mine" })).await;
    assert_eq!(events.field().await, json!({ "itemName": "mine" }));
    assert_eq!(there.count("/api/v1/metrics/count").await, 1);
    drop(events);
    there.finish().await;
    role.remove(here.postgres()).await;
    here.finish().await;
}

#[tokio::test]
async fn a_slow_commit_in_one_schema_delays_nothing_in_another() {
    let Some(here) = TestApp::start(Engine::Postgres, 500).await else { return };
    let there = in_schema(&here, "other").await;
    here.record(json!({ "item": "first" })).await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END $$; \
        CREATE TRIGGER slow BEFORE INSERT ON public.metric_row FOR EACH ROW EXECUTE FUNCTION slow()";
    here.postgres().run(slow).await;
    let holder = Database::connect(here.settings().database_url.as_str()).await.unwrap();
    let held = holder.begin_holding().await;
    let waiting = here.record(json!({ "item": "slow" }));
    let quick = async {
        while here.postgres().number("SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").await
            == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        there.record(json!({ "item": "quick" })).await;
        held.rollback().await.unwrap();
    };
    tokio::join!(waiting, quick);
    assert_eq!(here.count("/api/v1/metrics/count").await, 2);
    holder.close().await.unwrap();
    there.finish().await;
    here.finish().await;
}

/// Takes the lock that the slow commit waits for.
trait Holding {
    async fn begin_holding(&self) -> sea_orm::DatabaseTransaction;
}

impl Holding for sea_orm::DatabaseConnection {
    async fn begin_holding(&self) -> sea_orm::DatabaseTransaction {
        let held = sea_orm::TransactionTrait::begin(self).await.unwrap();
        held.execute_unprepared("SELECT pg_advisory_xact_lock(42)").await.unwrap();
        held
    }
}

/// Defaults that a role or a database may have, all of them unsuitable.
const PRESETS: [&str; 12] = [
    "default_transaction_isolation = 'serializable'",
    "default_transaction_isolation = 'repeatable read'",
    "default_transaction_read_only = on",
    "default_transaction_deferrable = on",
    "statement_timeout = '250ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "synchronous_commit = off",
    "standard_conforming_strings = off",
    "bytea_output = 'escape'",
    "datestyle = 'German, DMY'",
    "client_encoding = 'LATIN1'",
];

async fn two_servers_store_under(presets: &[&str]) {
    let Some(database) = PostgresDatabase::create().await else { return };
    let name = database.name().to_owned();
    let watch = "CREATE TABLE seen (isolation TEXT, durable TEXT); \
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES \
        (current_setting('transaction_isolation'), current_setting('synchronous_commit')); RETURN NEW; END $$";
    database.run(watch).await;
    let set: String = presets.iter().map(|preset| format!("ALTER DATABASE {name} SET {preset};")).collect();
    database.run(&set).await;
    let here = TestApp::on(database, |_| {}).await;
    let there = here.second_server().await;
    let plain = ["default_transaction_read_only]=off", "statement_timeout]=0", "lock_timeout]=0"];
    let plain: String = plain.iter().map(|set| format!("&options[{set}")).collect();
    let plain = Database::connect(here.postgres().url_as("postgres", &plain)).await.unwrap();
    let trigger = "CREATE TRIGGER see BEFORE INSERT ON metric_row FOR EACH ROW EXECUTE FUNCTION see()";
    plain.execute_unprepared(trigger).await.unwrap();
    let items: Vec<_> = (0..80).map(|n| format!("é {n}")).collect();
    let each = items.iter().enumerate().map(async |(n, item)| {
        let server = if n % 2 == 0 { &here } else { &there };
        server.record(json!({ "item": item, "session_h": format!("s{}", n % 7) })).await;
    });
    join_all(each).await;
    let stored = here.items("/api/v1/metrics/").await;
    let mut stored: Vec<String> = serde_json::from_value(stored).unwrap();
    stored.sort();
    let mut expected = items;
    expected.sort();
    assert_eq!(stored, expected, "{presets:?}");
    let others = "SELECT isolation FROM seen WHERE isolation <> 'read committed' OR durable = 'off'";
    let others = Statement::from_string(plain.get_database_backend(), others);
    assert!(plain.query_all_raw(others).await.unwrap().is_empty(), "{presets:?}");
    plain.close().await.unwrap();
    there.finish().await;
    here.finish().await;
}

#[tokio::test]
async fn two_servers_store_whatever_a_database_presets() {
    for preset in PRESETS {
        two_servers_store_under(&[preset]).await;
    }
    two_servers_store_under(&PRESETS).await;
}

/// Makes the first `times` inserts of a metric fail with a serialization failure.
async fn collide(app: &TestApp, code: &str, times: u32) {
    let sql = format!(
        "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries; CREATE OR REPLACE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'collided' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$; \
         CREATE OR REPLACE TRIGGER collide BEFORE INSERT ON metric_row FOR EACH ROW EXECUTE FUNCTION collide()"
    );
    app.postgres().run(&sql).await;
}

#[tokio::test]
async fn transactions_that_collide_are_tried_again_and_not_for_ever() {
    let Some(app) = TestApp::start(Engine::Postgres, 500).await else { return };
    for code in ["40001", "40P01"] {
        collide(&app, code, 3).await;
        app.record(json!({ "item": format!("after {code}") })).await;
    }
    collide(&app, "40001", 1_000_000).await;
    let tried = crate::support::builders::rest::metric(json!({ "item": "never" }));
    app.post("/api/v1/metrics/", &tried).await.expect(503);
    assert!(app.postgres().number("SELECT last_value FROM tries").await < 50);
    collide(&app, "40001", 0).await;
    app.record(json!({ "item": "at last" })).await;
    assert_eq!(app.items("/api/v1/metrics/").await, json!(["after 40001", "after 40P01", "at last"]));
    app.finish().await;
}
