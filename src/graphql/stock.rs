//! The graph for the engine's own services: they validate and run documents as the engine does by itself, without anything that
//! Metrograph does in its place. No request of ours goes this way. The answers of such a service are what ours are held against
//! (`examples/stock.rs`).

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, Response};
use entity::driver::executor::Reader;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::{
    access::Caller,
    graphql::{
        fairness::Hearing,
        lists::dataloader::{Driver, Loaders},
        response_budget::ResponseBudget,
        schema::ExecutableSchema,
    },
};

/// The graph as the engine alone runs it. Lists are values like any other: they don't write themselves.
#[derive(Clone)]
pub struct Stock {
    schema: ExecutableSchema,
    reader: Reader,
    caller: Caller,
}

impl Stock {
    pub(crate) fn new(schema: ExecutableSchema, reader: Reader, caller: Caller) -> Self {
        Self { schema, reader, caller }
    }

    /// The request with what resolvers need, and what runs its look-ups.
    fn prepare(&self, request: Request) -> (Request, Driver) {
        let loaders = Loaders::new(self.reader.clone());
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
        let hearing = Hearing::default();
        let request = request.data(hearing.clone());
        let answers = Executor::execute_stream(&self.schema, request, session_data);
        stream::unfold((driver, answers), move |(driver, mut answers)| {
            let hearing = hearing.clone();
            async move {
                let answer = driver.drive(answers.next()).await?;
                hearing.answered();
                Some((answer, (driver, answers)))
            }
        })
        .boxed()
    }
}
