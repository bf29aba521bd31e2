//! Keeps tests short: a server on a database of its own, and short ways to send requests to it.

pub mod access;
mod app;
pub mod backup;
pub mod builders;
mod counted_runs;
pub mod counters;
pub mod history;
pub mod live;
pub mod poolers;
mod postgres;
pub mod program;
mod rest;
pub mod sources;

pub use app::{Engine, Reply, TestApp};
pub use postgres::{Cluster, PostgresDatabase, Role, Standby};

/// Runs each behaviour as a test on SQLite and one on PostgreSQL, with pages of 500 rows. `async fn name(app: &TestApp, page_size: 5)`
/// sets another size; any other setting goes through [`TestApp::with`].
macro_rules! on_both_engines {
    ($($(#[doc = $doc:literal])* async fn $name:ident($app:ident: &TestApp $(, page_size: $rows:literal)?) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "not every behaviour needs every name of its module")]
            use super::*;
            use crate::support::{Engine, TestApp};

            $(#[doc = $doc])*
            async fn behaviour($app: &TestApp) $body

            async fn on(engine: Engine) {
                #[allow(unused_mut, unused_assignments, reason = "a test may set it")]
                let mut page_size = 500;
                $(page_size = $rows;)?
                if let Some(app) = TestApp::start(engine, page_size).await {
                    behaviour(&app).await;
                    app.finish().await;
                }
            }

            #[tokio::test]
            async fn sqlite() {
                on(Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                on(Engine::Postgres).await;
            }
        })*
    };
}
pub(crate) use on_both_engines;
