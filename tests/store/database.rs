//! The database: migrations up and down, and texts that are returned character by character.

use std::time::Duration;

use metrograph::config::{DatabaseUrl, StorageSettings};
use migration::{Migrator, MigratorTrait as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{
    Engine, PostgresDatabase, TestApp,
    builders::{graphql::session, rest::metric_of},
    on_both_engines,
};

/// Returns every table, index and column, except those of the list of migrations.
const SQLITE: &str = "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') AS line FROM sqlite_master \
    WHERE tbl_name <> 'seaql_migrations' ORDER BY 1";
const POSTGRES: &str = "SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'seaql_migrations' \
    UNION ALL SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable \
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'seaql_migrations' ORDER BY 1";

/// Upper bound of every read here.
const QUIET_PERIOD: Duration = Duration::from_mins(1);

/// Creates an empty database.
struct Empty {
    connection: DatabaseConnection,
    url: String,
    engine: Engine,
    database: Option<PostgresDatabase>,
    _folder: tempfile::TempDir,
}

impl Empty {
    async fn open(engine: Engine) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(PostgresDatabase::create().await?),
        };
        let file = format!("sqlite://{}?mode=rwc", folder.path().join("empty.db").display());
        let url = database.as_ref().map_or(file, PostgresDatabase::url);
        Some(Self { connection: Database::connect(&url).await.unwrap(), url, engine, database, _folder: folder })
    }

    async fn tables(&self) -> Vec<String> {
        let sql = if self.engine == Engine::Sqlite { SQLITE } else { POSTGRES };
        let statement = Statement::from_string(self.connection.get_database_backend(), sql);
        let rows = self.connection.query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get("", "line").unwrap()).collect()
    }

    async fn run(&self, sql: &str) {
        self.connection.execute_unprepared(sql).await.unwrap();
    }

    async fn remove(self) {
        self.connection.close().await.unwrap();
        if let Some(database) = self.database {
            database.remove().await;
        }
    }
}

async fn migrations_run_forward_and_back_and_forward(engine: Engine) {
    let Some(empty) = Empty::open(engine).await else { return };
    Migrator::up(&empty.connection, None).await.unwrap();
    let made = empty.tables().await;
    assert!(made.len() > 20, "{made:?}");
    Migrator::up(&empty.connection, None).await.unwrap();
    assert_eq!(empty.tables().await, made);
    Migrator::down(&empty.connection, None).await.unwrap();
    assert_eq!(empty.tables().await, Vec::<String>::new());
    Migrator::up(&empty.connection, None).await.unwrap();
    assert_eq!(empty.tables().await, made);
    empty.remove().await;
}

#[tokio::test]
async fn migrations_run_forward_and_back_and_forward_on_sqlite() {
    migrations_run_forward_and_back_and_forward(Engine::Sqlite).await;
}

#[tokio::test]
async fn migrations_run_forward_and_back_and_forward_on_postgres() {
    migrations_run_forward_and_back_and_forward(Engine::Postgres).await;
}

/// `metric` is the last table to be created, `component` the last to be dropped.
async fn a_migration_that_fails_is_rolled_back(engine: Engine) {
    let Some(empty) = Empty::open(engine).await else { return };
    empty.run("CREATE TABLE metric (theirs INTEGER)").await;
    let before = empty.tables().await;
    Migrator::up(&empty.connection, None).await.unwrap_err();
    assert_eq!(empty.tables().await, before);
    empty.run("DROP TABLE metric").await;
    Migrator::up(&empty.connection, None).await.unwrap();
    empty.run("CREATE TABLE theirs (component_id BIGINT REFERENCES component(id))").await;
    empty.run("INSERT INTO component (name, digest) VALUES ('a', '0')").await;
    empty.run("INSERT INTO theirs (component_id) VALUES (1)").await;
    // Each step is a transaction: the later ones can be rolled back, the first cannot.
    let later = u32::try_from(Migrator::migrations().len() - 1).unwrap();
    Migrator::down(&empty.connection, Some(later)).await.unwrap();
    let before = empty.tables().await;
    Migrator::down(&empty.connection, None).await.unwrap_err();
    assert_eq!(empty.tables().await, before);
    empty.remove().await;
}

#[tokio::test]
async fn a_migration_that_fails_is_rolled_back_on_sqlite() {
    a_migration_that_fails_is_rolled_back(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_migration_that_fails_is_rolled_back_on_postgres() {
    a_migration_that_fails_is_rolled_back(Engine::Postgres).await;
}

/// Several instances may start at the same moment on an empty database.
async fn servers_that_start_together_make_the_tables_once(engine: Engine) {
    let Some(empty) = Empty::open(engine).await else { return };
    let url: DatabaseUrl = empty.url.parse().unwrap();
    let storage = StorageSettings::default();
    let opened = (0..4).map(|_| metrograph::Database::open(&url, &storage, QUIET_PERIOD));
    let opened = futures_util::future::join_all(opened).await;
    for database in opened {
        database.unwrap().close().await.unwrap();
    }
    empty.remove().await;
}

#[tokio::test]
async fn servers_that_start_together_make_the_tables_once_on_sqlite() {
    servers_that_start_together_make_the_tables_once(Engine::Sqlite).await;
}

#[tokio::test]
async fn servers_that_start_together_make_the_tables_once_on_postgres() {
    servers_that_start_together_make_the_tables_once(Engine::Postgres).await;
}

async fn a_database_with_a_foreign_table_stays_as_it_is(engine: Engine) {
    let Some(empty) = Empty::open(engine).await else { return };
    empty.run("CREATE TABLE session (theirs INTEGER)").await;
    let before = empty.tables().await;
    let opened =
        metrograph::Database::open(&empty.url.parse().unwrap(), &StorageSettings::default(), QUIET_PERIOD).await;
    let refused = opened.unwrap_err().to_string();
    assert!(refused.contains("'session' of another program"), "{refused}");
    assert_eq!(empty.tables().await, before);
    empty.remove().await;
}

#[tokio::test]
async fn a_database_with_a_foreign_table_stays_as_it_is_on_sqlite() {
    a_database_with_a_foreign_table_stays_as_it_is(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_database_with_a_foreign_table_stays_as_it_is_on_postgres() {
    a_database_with_a_foreign_table_stays_as_it_is(Engine::Postgres).await;
}

async fn a_database_can_be_opened_again_and_twice_at_once(engine: Engine) {
    let Some(app) = TestApp::start(engine, 500).await else { return };
    app.post("/api/v1/metrics/", &metric_of("test_kept")).await.expect(201);
    for _ in 0..2 {
        let other = app.second_server().await;
        assert_eq!(other.get("/api/v1/metrics/count").await.json()["count"], 1);
        other.finish().await;
    }
    let (one, two) = (app.second_server().await, app.second_server().await);
    one.finish().await;
    two.finish().await;
    assert_eq!(app.get("/api/v1/metrics/count").await.json()["count"], 1);
    app.finish().await;
}

#[tokio::test]
async fn a_database_can_be_opened_again_and_twice_at_once_on_sqlite() {
    a_database_can_be_opened_again_and_twice_at_once(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_database_can_be_opened_again_and_twice_at_once_on_postgres() {
    a_database_can_be_opened_again_and_twice_at_once(Engine::Postgres).await;
}

/// 10 kB that do not compress, so that index entries have the full length.
fn long(head: &str) -> String {
    let mut seed = head.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((seed >> 33) % 26).unwrap())
    };
    head.chars().chain((0..10_000).map(|_| letter())).collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Stores a session, a metric and a tag whose names all end in `name`, and looks up each.
async fn assert_names_come_back(app: &TestApp, name: impl Fn(&str) -> String) {
    let of = |what: &str| json!(name(what));
    let session = json!({
        "session_h": of("session"), "run_date": "2025-01-06T02:00:00", "scm_ref": of("scm"),
        "description": { "pipeline_branch": of("pipeline"), "pipeline_build_no": of("build"), "flag": of("value") }
    });
    let tags = app.post("/api/v1/sessions/", &session).await.expect(201)["tags"].take();
    assert_eq!(tags[2]["value"], of("value"));
    let mut sent = metric_of("");
    for (member, what) in [
        ("session_h", "session"),
        ("context_h", "context"),
        ("component", "component"),
        ("item_path", "path"),
        ("item", "item"),
        ("item_variant", "variant"),
        ("item_fs_loc", "location"),
    ] {
        sent[member] = of(what);
    }
    assert_eq!(app.post("/api/v1/metrics/", &sent).await.expect(201), sent);
    for path in ["components/component", "items/item", "variants/variant", "sessions/session", "contexts/context"] {
        let (noun, what) = path.split_once('/').unwrap();
        let found = app.get(&format!("/api/v1/{noun}/{}/metrics", encoded(&name(what)))).await.expect(200);
        assert_eq!(found["metrics"], json!([sent]), "{path}");
    }
    let found = app.get(&format!("/api/v1/filters/scm/{}/metrics", encoded(&name("scm")))).await.expect(200);
    assert_eq!(found["metrics"], json!([sent]));
    let query =
        "query ($path: String, $location: String, $scm: String, $pipeline: String, $build: String, $value: [String!]) {
        path: metricCount(where: {path: {eq: $path}}) location: metricCount(where: {location: {eq: $location}})
        scm: metricCount(where: {scmRef: {eq: $scm}}) pipeline: metricCount(where: {pipeline: {eq: $pipeline}})
        build: metricCount(where: {build: {eq: $build}})
        value: sessionCount(where: {tagged: {names: [\"flag\"], values: $value}})
    }";
    let asked = ["path", "location", "scm", "pipeline", "build", "value"];
    let variables: Value =
        asked.iter().map(|what| ((*what).to_owned(), of(what))).collect::<serde_json::Map<_, _>>().into();
    let answer = app.graphql_with(query, variables).await;
    for what in asked {
        assert_eq!(answer["data"][what], 1, "{what}: {answer}");
    }
}

on_both_engines! {
    async fn names_of_ten_thousand_letters_are_stored_and_found(app: &TestApp) {
        assert_names_come_back(app, long).await;
        // A name that differs in the last letter is another name.
        assert_names_come_back(app, |what| long(what) + "!").await;
    }

    async fn names_of_any_characters_are_stored_and_found(app: &TestApp) {
        let odd = [
            "é", "e\u{301}", "日本語", "👩‍👩‍👧‍👦🦀", "שלום", "a/b", "100%", "_", "a b", "'; DROP TABLE metric; --", "\\", "\"", "a\nb\tc",
            "\u{10ffff}", "{x}", "?a=b&c#d", "$1", "İ", "ß",
        ];
        for name in odd {
            assert_names_come_back(app, |what| format!("{what} {name}")).await;
        }
        assert_eq!(app.get("/api/v1/metrics/count").await.json()["count"], odd.len());
    }

    async fn what_a_failed_transaction_stored_is_stored_again(app: &TestApp) {
        let tags = json!({ "pipeline_branch": "main", "pipeline_build_no": "1" });
        app.announce_session(session("s", json!({ "tags": tags }))).await;
        let mut metric = metric_of("test_again");
        metric["session_h"] = json!("s");
        let connection = Database::connect(app.settings().database_url.as_str()).await.unwrap();
        // Storing a metric fails near its end.
        connection.execute_unprepared("ALTER TABLE component_build RENAME TO gone").await.unwrap();
        app.post("/api/v1/metrics/", &metric).await.expect(503);
        connection.execute_unprepared("ALTER TABLE gone RENAME TO component_build").await.unwrap();
        assert_eq!(app.post("/api/v1/metrics/", &metric).await.expect(201), metric);
        assert_eq!(app.get("/api/v1/metrics/").await.expect(200)["metrics"], json!([metric]));
        let sql = "SELECT 1 AS one FROM session_component WHERE metric_count = 1";
        let pairs = Statement::from_string(connection.get_database_backend(), sql);
        assert_eq!(connection.query_all_raw(pairs).await.unwrap().len(), 1);
        connection.close().await.unwrap();
    }
}
