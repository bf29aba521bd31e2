//! What the handlers of `/graphql` share.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    access::Access,
    config::{GraphqlSettings, Settings},
    graphql::Graph,
    web::guard::{RequestTimeout, subscriptions::Subscriptions},
};

/// What GraphQL over HTTP needs.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) graph: Graph,
    pub(crate) settings: Arc<GraphqlSettings>,
    pub(crate) access: Access,
    /// Becomes true when the server stops.
    pub(crate) ended: watch::Receiver<bool>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) request_timeout: RequestTimeout,
    /// Bytes of a body or of a message, at most.
    pub(crate) max_body: usize,
}

impl AppState {
    pub(crate) fn new(graph: &Graph, access: &Access, ended: &watch::Receiver<bool>, settings: &Settings) -> Self {
        let limits = &settings.limits;
        Self {
            graph: graph.clone(),
            settings: Arc::new(settings.graphql.clone()),
            access: access.clone(),
            ended: ended.clone(),
            subscriptions: Subscriptions::new(limits.max_subscriptions.get()),
            request_timeout: RequestTimeout(limits.request_timeout),
            max_body: limits.max_body,
        }
    }
}
