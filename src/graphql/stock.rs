//! The graph for async-graphql's own services, which parse, validate and run documents without Metrograph's changes. The server
//! does not use it: `examples/stock.rs` compares its responses with ours.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, Response};
use entity::query::Store;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::{
    access::Caller,
    graphql::{
        fairness::Delivery,
        lists::dataloader::{Driver, Loaders},
        response_budget::ResponseBudget,
        schema::ExecutableSchema,
    },
};

/// The graph as async-graphql runs it by itself. Its lists are ordinary values, which do not write themselves as JSON.
#[derive(Clone)]
pub struct Stock {
    schema: ExecutableSchema,
    store: Store,
    caller: Caller,
}

impl Stock {
    pub(crate) fn new(schema: ExecutableSchema, store: Store, caller: Caller) -> Self {
        Self { schema, store, caller }
    }

    /// Adds what resolvers need. Returns the request and the driver of its look-ups.
    fn prepare(&self, request: Request) -> (Request, Driver) {
        let loaders = Loaders::new(self.store.clone());
        let driver = loaders.driver();
        (request.data(loaders).data(self.caller.clone()).data(ResponseBudget::unlimited()), driver)
    }
}

impl Executor for Stock {
    async fn execute(&self, request: Request) -> Response {
        let (request, driver) = self.prepare(request);
        driver.drive(self.schema.execute(request)).await
    }

    fn execute_stream(&self, request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let (request, driver) = self.prepare(request);
        let delivery = Delivery::default();
        let request = request.data(delivery.clone());
        let responses = Executor::execute_stream(&self.schema, request, session_data);
        stream::unfold((driver, responses), move |(driver, mut responses)| {
            let delivery = delivery.clone();
            async move {
                let response = driver.drive(responses.next()).await?;
                delivery.finish();
                Some((response, (driver, responses)))
            }
        })
        .boxed()
    }
}
