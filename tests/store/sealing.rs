//! Sealing: nothing is lost or changed when the older part of the history becomes segments.

use std::{collections::BTreeSet, thread, time::Duration};

use metrograph::config::SegmentSizes;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{
    Engine, TestApp,
    builders::graphql::metric,
    on_both_engines,
    program::{Server, until},
};

/// Metrics whose `memoryUsage` counts from `first`.
fn numbered(first: u32, count: u32) -> Vec<Value> {
    let one = |n: u32| {
        metric(json!({
            "memoryUsage": n, "variantName": format!("v{}", n % 30), "sessionHash": format!("s{}", n / 50),
            "componentName": format!("c{}", n % 3), "startedAt": format!("2026-01-{:02}T03:00:00", 1 + n / 100 % 28),
        }))
    };
    (first..first + count).map(one).collect()
}

async fn connect(app: &TestApp) -> DatabaseConnection {
    Database::connect(app.settings().database_url.as_str()).await.unwrap()
}

/// Returns the one number of a query.
async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Waits until a query returns `expected`.
async fn comes_to(connection: &DatabaseConnection, sql: &str, expected: i64) {
    let mut patience = 0..400;
    while number(connection, sql).await != expected {
        assert!(patience.next().is_some(), "{sql} is {}, not {expected}", number(connection, sql).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns the numbers of all metrics, in order of insertion.
async fn walk(app: &TestApp) -> Vec<u32> {
    let query = "query($after: String) { metrics(first: 200, after: $after) {
        nodes { memoryUsage } pageInfo { endCursor hasNextPage } } }";
    let (mut numbers, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = app.run(query, json!({ "after": after })).await["metrics"].take();
        let nodes = page["nodes"].as_array().unwrap().clone();
        numbers.extend(nodes.iter().map(|node| node["memoryUsage"].as_f64().unwrap().round().to_string()));
        if page["pageInfo"]["hasNextPage"] == false {
            return numbers.iter().map(|number| number.parse().unwrap()).collect();
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

const SEALED: &str = "SELECT CAST(COALESCE(SUM(metric_count), 0) AS BIGINT) FROM segment";
const ROWS: &str = "SELECT COUNT(*) FROM metric_row";
const VIEWED: &str = "SELECT COUNT(*) FROM v1_metric";

on_both_engines! {
    async fn rows_are_kept_where_that_is_set(app: &TestApp) {
        for keep_rows in [None, Some(true), Some(false)] {
            let change = |settings: &mut metrograph::config::Settings| settings.storage.keep_rows = keep_rows;
            let app = TestApp::with(app.engine(), change).await.unwrap();
            let connection = connect(&app).await;
            app.record_all(numbered(0, 300)).await;
            // Two segments' worth of 64 stay unsealed, less one that is sealed as soon as they are full.
            comes_to(&connection, SEALED, 192).await;
            let keeps = keep_rows.unwrap_or(app.engine() == Engine::Postgres);
            comes_to(&connection, ROWS, if keeps { 300 } else { 108 }).await;
            comes_to(&connection, VIEWED, if keeps { 300 } else { 108 }).await;
            assert_eq!(walk(&app).await, (0..300).collect::<Vec<_>>());
            connection.close().await.unwrap();
            app.finish().await;
        }
    }

    /// What dashboards like Grafana send.
    async fn views_answer_sql_readers(app: &TestApp) {
        let change = |settings: &mut metrograph::config::Settings| settings.storage.keep_rows = Some(true);
        let app = TestApp::with(app.engine(), change).await.unwrap();
        app.record_all(numbered(0, 300)).await;
        app.announce_session(crate::support::builders::graphql::session("s0", json!({ "tags": { "pipeline_branch": "main" } }))).await;
        let connection = connect(&app).await;
        let by_day = "SELECT COUNT(*) FROM (SELECT SUBSTR(CAST(started_at AS TEXT), 1, 10) AS day, component, AVG(total_time) AS mean \
            FROM v1_metric WHERE kind = 'function' GROUP BY SUBSTR(CAST(started_at AS TEXT), 1, 10), component) AS days";
        assert_eq!(number(&connection, by_day).await, 9);
        assert_eq!(number(&connection, "SELECT COUNT(*) FROM v1_session WHERE pipeline = 'main'").await, 1);
        assert_eq!(number(&connection, "SELECT COUNT(*) FROM v1_context").await, 0);
        connection.close().await.unwrap();
        app.finish().await;
    }

    /// The layout of two versions before has no segments.
    async fn an_older_database_is_taken_over(app: &TestApp) {
        let old = TestApp::unsealed(app.engine()).await.unwrap();
        old.record_all(numbered(0, 500)).await;
        let connection = connect(&old).await;
        // The first seven steps stay.
        let later = u32::try_from(Migrator::migrations().len() - 7).unwrap();
        Migrator::down(&connection, Some(later)).await.unwrap();
        assert_eq!(number(&connection, "SELECT COUNT(*) FROM metric").await, 500);
        let new = old.second_server_with(|settings| settings.storage.segments = SegmentSizes { page: 16, segment: 64 });
        let new = new.await;
        // While they are sealed, everything can be read and stored.
        for first in (500..600).step_by(10) {
            assert_eq!(walk(&new).await, (0..first).collect::<Vec<_>>());
            assert_eq!(new.bare("{ metricCount(where: { session: { eq: \"s2\" } }) }").await, json!(50));
            new.record_all(numbered(first, 10)).await;
        }
        comes_to(&connection, SEALED, 512).await;
        comes_to(&connection, ROWS, if app.engine() == Engine::Postgres { 600 } else { 88 }).await;
        assert_eq!(walk(&new).await, (0..600).collect::<Vec<_>>());
        connection.close().await.unwrap();
        new.finish().await;
        old.finish().await;
    }

    /// As after rows were deleted by SQL: keys are no count of metrics.
    async fn keys_may_have_gaps(app: &TestApp) {
        app.record_all(numbered(0, 100)).await;
        let connection = connect(app).await;
        let delete = "DELETE FROM metric_row WHERE id BETWEEN 11 AND 20; DELETE FROM metric_row WHERE id > 90; \
            UPDATE history SET version = version + 1, last_metric_id = 100000";
        connection.execute_unprepared(delete).await.unwrap();
        let other = app.second_server().await;
        other.record_all(numbered(100, 100)).await;
        comes_to(&connection, SEALED, 64).await;
        for server in [app, &other] {
            assert_eq!(walk(server).await, (0..10).chain(20..90).chain(100..200).collect::<Vec<_>>());
        }
        assert_eq!(app.bare("{ metricCount }").await, json!(180));
        let page = "{ metricPage(where: { variant: { in: [\"v1\", \"v2\"] } }) { items { memoryUsage } } }";
        assert_eq!(app.bare(page).await, json!([1.0, 2.0, 31.0, 32.0, 61.0, 62.0, 121.0, 122.0, 151.0, 152.0, 181.0, 182.0]));
        connection.close().await.unwrap();
        other.finish().await;
    }

    async fn a_damaged_page_is_named_and_the_rest_goes_on(app: &TestApp) {
        app.record_all(numbered(0, 300)).await;
        let connection = connect(app).await;
        comes_to(&connection, SEALED, 192).await;
        // The last byte belongs to the last page: metrics 48 to 63 of the first segment.
        let (table, of_first) = ("segment_column", "WHERE segment_id = (SELECT MIN(id) FROM segment) AND number = 11");
        let damage = match app.engine() {
            Engine::Postgres => "data = SET_BYTE(data, LENGTH(data) - 1, GET_BYTE(data, LENGTH(data) - 1) # 1)",
            Engine::Sqlite => "data = CAST(SUBSTR(data, 1, LENGTH(data) - 1) || CASE SUBSTR(data, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)",
        };
        connection.execute_unprepared(&format!("UPDATE {table} SET {damage} {of_first}")).await.unwrap();
        connection.close().await.unwrap();
        let fresh = app.second_server().await;
        let query = "query($n: Int!, $f: MetricWhere) { metrics(first: $n, where: $f) { nodes { memoryUsage } } }";
        let answer = fresh.graphql_with(query, json!({ "n": 60 })).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("segment") && message.contains("page 3"), "{answer}");
        let intact = json!({ "n": 500, "f": { "session": { "eq": "s2" } } });
        assert_eq!(fresh.run(query, intact).await["metrics"]["nodes"].as_array().unwrap().len(), 50);
        // A list reads one more, which shows whether there is another window.
        assert_eq!(fresh.run(query, json!({ "n": 47 })).await["metrics"]["nodes"].as_array().unwrap().len(), 47);
        fresh.finish().await;
    }

    async fn readers_see_no_gap_while_segments_are_made(app: &TestApp) {
        let recording = async {
            for first in (0..1_200).step_by(40) {
                app.record_all(numbered(first, 40)).await;
            }
        };
        let reading = async {
            let mut seen = 0;
            while seen < 1_200 {
                let numbers = walk(app).await;
                assert_eq!(numbers, (0..u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
                assert!(numbers.len() >= seen, "{seen} came before {}", numbers.len());
                seen = numbers.len();
                assert!(app.bare("{ metricCount }").await.as_u64().unwrap() >= seen as u64);
            }
        };
        futures_util::join!(recording, reading);
    }
}

/// Both compress what both have stored; one of them ends while it does.
#[tokio::test]
async fn servers_that_share_a_database_seal_each_metric_once() {
    let Some(here) = TestApp::start(Engine::Postgres, 500).await else { return };
    let (there, ends) = (here.second_server().await, here.second_server().await);
    for round in 0..20 {
        let servers = [&here, &there, &ends];
        let recorded = servers.iter().zip(0..).map(|(server, n)| server.record_all(numbered(round * 90 + n * 30, 30)));
        futures_util::future::join_all(recorded).await;
    }
    ends.finish().await;
    here.record_all(numbered(1_800, 60)).await;
    there.record_all(numbered(1_860, 60)).await;
    let connection = connect(&here).await;
    let unsealed = "SELECT (SELECT last_metric_id FROM history) - (SELECT sealed_until FROM history) < 128";
    let statement = || Statement::from_string(connection.get_database_backend(), unsealed);
    while !connection.query_one_raw(statement()).await.unwrap().unwrap().try_get_by_index::<bool>(0).unwrap() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (first, second) = (walk(&here).await, walk(&there).await);
    assert_eq!(first, second);
    assert_eq!(first.iter().copied().collect::<BTreeSet<_>>(), (0..1_920).collect());
    let overlapping = "SELECT COUNT(*) FROM segment AS a JOIN segment AS b ON b.first_metric_id > a.first_metric_id \
        WHERE b.first_metric_id <= a.last_metric_id";
    assert_eq!(number(&connection, overlapping).await, 0);
    connection.close().await.unwrap();
    there.finish().await;
    here.finish().await;
}

/// Segments have their usual size here.
#[test]
fn what_was_acknowledged_survives_a_kill_while_segments_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("METROGRAPH_LISTEN", "127.0.0.1:0"), ("METROGRAPH_MAX_BODY", "64MiB")];
    let mutation = "mutation($m: [MetricInput!]!) { recordMetrics(input: {metrics: $m}) { userErrors { code } } }";
    let mut stored = 0_u32;
    for (batches, delay) in [(7, 0), (3, 60), (3, 150), (3, 400)] {
        let server = Server::start(folder.path(), &[], &variables);
        until("everything is there", || server.count() == u64::from(stored));
        for _ in 0..batches {
            let body = json!({ "query": mutation, "variables": { "m": numbered(stored, 10_000) } });
            let (status, answer) = server.request("POST", "/graphql", &body);
            assert_eq!((status, &answer["data"]["recordMetrics"]["userErrors"]), (200, &json!([])), "{answer}");
            stored += 10_000;
        }
        thread::sleep(Duration::from_millis(delay));
        server.signal("KILL");
        assert_eq!(server.ended().code, None);
    }
    let server = Server::start(folder.path(), &[], &variables);
    assert_eq!(server.count(), u64::from(stored));
    // A page a segment, the newest and one in between.
    let query = "query($p: Int!) { metricPage(page: $p) { items { memoryUsage } } }";
    for page in [1, 65, 66, 131, 132, 200, i64::from(stored) / 500] {
        let (_, answer) = server.request("POST", "/graphql", &json!({ "query": query, "variables": { "p": page } }));
        let items = answer["data"]["metricPage"]["items"].as_array().unwrap();
        let numbers: Vec<f64> = items.iter().map(|item| item["memoryUsage"].as_f64().unwrap()).collect();
        let first = u32::try_from(page - 1).unwrap() * 500;
        assert_eq!(numbers, (first..first + 500).map(f64::from).collect::<Vec<_>>(), "{page}");
    }
    server.stop();
}
