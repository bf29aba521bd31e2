//! A server without a socket.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use entity::driver::executor::Reader;
use http_body_util::BodyExt as _;
use metrograph::{
    App,
    config::{self, Settings},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::postgres::PostgresDatabase;

/// Where the test's server stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A server on a database of its own.
pub struct TestApp {
    app: App,
    engine: Engine,
    settings: Settings,
    /// Removed with the test.
    _folder: TempDir,
    database: Option<PostgresDatabase>,
}

impl TestApp {
    /// Starts a server whose numbered pages have `page_size` rows; `None` where PostgreSQL is left out.
    pub async fn start(engine: Engine, page_size: u32) -> Option<Self> {
        Self::with(engine, |settings| settings.page_size = page_size.to_string().parse().unwrap()).await
    }

    /// Starts a server with other settings.
    pub async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(PostgresDatabase::create().await?),
        };
        Some(Self::open(engine, database, change).await)
    }

    /// Starts a server on a database of PostgreSQL that is there already.
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
        change(&mut settings);
        let app = App::open(&settings).await.unwrap();
        Self { app, engine, settings, _folder: folder, database }
    }

    /// Starts another server on the same database.
    pub async fn beside(&self) -> Self {
        self.beside_with(|_| {}).await
    }

    /// Starts another server on the same database, with other settings.
    pub async fn beside_with(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let app = App::open(&settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { app, engine: self.engine, settings, _folder: folder, database: None }
    }

    /// Its database of PostgreSQL.
    pub fn postgres(&self) -> &PostgresDatabase {
        self.database.as_ref().unwrap()
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What answers requests.
    pub fn router(&self) -> axum::Router {
        self.app.router().clone()
    }

    /// Where it stores.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// What it reads from.
    pub fn reader(&self) -> &Reader {
        &self.app.database().reader
    }

    /// How many SQL statements have run since the start.
    pub fn statements(&self) -> u64 {
        self.app.database().statements()
    }

    /// Ends the server and removes its database.
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

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A GraphQL document with variables, whatever comes of it.
    pub async fn graphql_with(&self, query: &str, variables: Value) -> Value {
        self.post("/graphql", &json!({ "query": query, "variables": variables })).await.json()
    }

    /// The data of a GraphQL document that must run without errors.
    pub async fn graphql(&self, query: &str) -> Value {
        let mut answer = self.graphql_with(query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].take()
    }

    /// The code of the first error of a GraphQL document that must fail.
    pub async fn graphql_error(&self, query: &str) -> String {
        let answer = self.graphql_with(query, json!({})).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("{query}\n{answer:#}")).to_owned()
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The body, which must be JSON; null when it is empty.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of an answer that must have this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()
    }
}
