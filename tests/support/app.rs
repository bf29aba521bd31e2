//! A server in this process: requests go to its router, without a socket.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use entity::query::Store;
use http_body_util::BodyExt as _;
use metrograph::{
    App,
    config::{self, SegmentSizes, Settings},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::postgres::PostgresDatabase;

/// The database engine of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A server with a database of its own.
pub struct TestApp {
    app: App,
    engine: Engine,
    settings: Settings,
    /// Removed when the test ends.
    _folder: TempDir,
    database: Option<PostgresDatabase>,
}

impl TestApp {
    /// Starts a server whose numbered pages have `page_size` rows; `None` if PostgreSQL tests are skipped.
    pub async fn start(engine: Engine, page_size: u32) -> Option<Self> {
        Self::with(engine, |settings| settings.page_size = page_size.to_string().parse().unwrap()).await
    }

    /// Starts a server whose segments are so large that nothing is sealed: sealing takes statements, too.
    pub async fn unsealed(engine: Engine) -> Option<Self> {
        Self::with(engine, |settings| settings.storage.segments = SegmentSizes::default()).await
    }

    /// Starts a server with other settings.
    pub async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(PostgresDatabase::create().await?),
        };
        Some(Self::open(engine, database, change).await)
    }

    /// Starts a server on an existing PostgreSQL database.
    pub async fn on(database: PostgresDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        Self::open(Engine::Postgres, Some(database), change).await
    }

    async fn open(engine: Engine, database: Option<PostgresDatabase>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match &database {
            Some(database) => database.url(),
            None => format!("sqlite://{}?mode=rwc", folder.path().join("metrograph.db").display()),
        };
        let (_, mut settings) = config::from(["metrograph", "--listen", "127.0.0.1:0", "--log", "off"]).unwrap();
        settings.database_url = url.parse().unwrap();
        // Small ones, so that most tests read segments.
        settings.storage.segments = SegmentSizes { page: 16, segment: 64 };
        // No scan takes as long here.
        settings.storage.replaced_grace = Some(Duration::from_millis(200));
        change(&mut settings);
        let app = App::open(&settings).await.unwrap();
        Self { app, engine, settings, _folder: folder, database }
    }

    /// Starts another server on the same database.
    pub async fn second_server(&self) -> Self {
        self.second_server_with(|_| {}).await
    }

    /// Starts another server on the same database, with other settings.
    pub async fn second_server_with(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let app = App::open(&settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { app, engine: self.engine, settings, _folder: folder, database: None }
    }

    /// Returns its PostgreSQL database.
    pub fn postgres(&self) -> &PostgresDatabase {
        self.database.as_ref().unwrap()
    }

    /// Returns the settings it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the router that answers requests.
    pub fn router(&self) -> axum::Router {
        self.app.router().clone()
    }

    /// Returns the engine of its database.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns what its queries read from.
    pub fn store(&self) -> &Store {
        &self.app.database().store
    }

    /// Returns the number of SQL statements run since the start.
    pub fn statements(&self) -> u64 {
        self.app.database().statements()
    }

    /// Stops the server and removes its database.
    pub async fn finish(self) {
        self.app.close().await;
        if let Some(database) = self.database {
            database.remove().await;
        }
    }

    /// Sends any request.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: head.status, headers: head.headers, body }
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Sends a GET request with `Accept`.
    pub async fn accepting(&self, path: &str, accept: &str) -> Reply {
        self.send(Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap()).await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Returns the whole response to a GraphQL document with variables, errors included.
    pub async fn graphql_with(&self, query: &str, variables: Value) -> Value {
        self.post("/graphql", &json!({ "query": query, "variables": variables })).await.json()
    }

    /// Returns the data of a GraphQL document; panics on errors.
    pub async fn graphql(&self, query: &str) -> Value {
        let mut answer = self.graphql_with(query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].take()
    }

    /// Returns the code of the first error of a GraphQL document; panics if there is none.
    pub async fn graphql_error(&self, query: &str) -> String {
        let answer = self.graphql_with(query, json!({})).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("{query}\n{answer:#}")).to_owned()
    }
}

/// A response.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// Returns the body, which must be JSON; null if it is empty.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body of a response that must have this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()
    }
}
