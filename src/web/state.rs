//! The state that the handlers of `/graphql` share.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    access::Access,
    config::{GraphqlSettings, Settings},
    graphql::Graph,
    web::guard::{RequestTimeout, subscriptions::SubscriptionLimit},
};

/// The state that the handlers of `/graphql` share.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) graph: Graph,
    pub(crate) settings: Arc<GraphqlSettings>,
    pub(crate) access: Access,
    /// Becomes true when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) subscriptions: SubscriptionLimit,
    pub(crate) request_timeout: RequestTimeout,
    /// Maximum size of a body or WebSocket message in bytes.
    pub(crate) max_body: usize,
}

impl AppState {
    pub(crate) fn new(graph: &Graph, access: &Access, stopping: &watch::Receiver<bool>, settings: &Settings) -> Self {
        let limits = &settings.limits;
        Self {
            graph: graph.clone(),
            settings: Arc::new(settings.graphql.clone()),
            access: access.clone(),
            stopping: stopping.clone(),
            subscriptions: SubscriptionLimit::new(limits.max_subscriptions.get()),
            request_timeout: RequestTimeout(limits.request_timeout),
            max_body: limits.max_body,
        }
    }
}
