//! The sources of subscription events, shared by all schemas of a graph.

use std::sync::Arc;

use async_graphql::SchemaBuilder;

use crate::graphql::{
    fairness::FairnessGate,
    live::{feed::Feeds, run_watcher::RunWatchers},
    schema::{metric::Metric, session::Session},
};

/// The sources of all subscription fields.
pub struct Hub {
    metrics: Feeds<Metric>,
    sessions: Feeds<Session>,
    runs: Arc<RunWatchers<Metric, Session>>,
    fairness: FairnessGate,
}

impl Hub {
    /// Feeds that keep at most `buffer` events for a slow subscriber.
    pub fn new(buffer: usize, fairness: FairnessGate) -> Self {
        let (metrics, sessions) = (Feeds::new(buffer, fairness.clone()), Feeds::new(buffer, fairness.clone()));
        let runs = Arc::new(RunWatchers::new(metrics.clone(), sessions.clone(), fairness.clone()));
        Self { metrics, sessions, runs, fairness }
    }

    /// Adds the sources to the data of a schema.
    pub fn add_to<Q, M, S>(&self, builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S> {
        let builder = builder.data(self.metrics.clone()).data(self.sessions.clone());
        builder.data(Arc::clone(&self.runs)).data(self.fairness.clone())
    }
}
