//! What subscriptions are fed from: one of each for all schemas of a graph.

use std::sync::Arc;

use async_graphql::SchemaBuilder;

use crate::graphql::{
    fairness::Turns,
    live::{feed::Feeds, run_watcher::Runs},
    schema::{metric::Metric, session::Session},
};

/// The feeds of what can be subscribed to.
pub struct Hub {
    metrics: Feeds<Metric>,
    sessions: Feeds<Session>,
    runs: Arc<Runs<Metric, Session>>,
    turns: Turns,
}

impl Hub {
    /// Feeds that keep at most `buffer` events for a slow subscriber.
    pub fn new(buffer: usize, turns: Turns) -> Self {
        let (metrics, sessions) = (Feeds::new(buffer, turns.clone()), Feeds::new(buffer, turns.clone()));
        let runs = Arc::new(Runs::new(metrics.clone(), sessions.clone(), turns.clone()));
        Self { metrics, sessions, runs, turns }
    }

    /// Gives a schema what its subscriptions ask for.
    pub fn feed<Q, M, S>(&self, builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S> {
        let builder = builder.data(self.metrics.clone()).data(self.sessions.clone());
        builder.data(Arc::clone(&self.runs)).data(self.turns.clone())
    }
}
