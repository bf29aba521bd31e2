//! The graph: admits operations, gives the engine what it needs, and runs them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_graphql::{InputType as _, Request, Response, ServerError, ValidationMode, Value};
use entity::driver::executor::Reader;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::{
    access::Caller,
    config::{Limits, Scope},
    db::Database,
    error::Error,
    graphql::{
        error::{as_server_error, coded, refusal},
        fairness::{Hearing, Turns},
        lists::dataloader::{Driver, Loaders},
        request::{
            authorization::Requirements,
            coerce_variables::InputTypes,
            cost::{Cost, Measuring},
            document::{Document, Plan},
            document_store::Documents,
            operation::Operation,
            validation::Rejected,
        },
        response_budget::ResponseBudget,
        response_options::ResponseOptions,
        schema::{ExecutableSchema, builder, hub::Hub, metric_input::MetricInput},
        state::GraphState,
        stock::Stock,
    },
    ingest::Ingest,
};

/// The schema with a database behind it.
#[derive(Clone)]
pub struct Graph(Arc<Opened>);

struct Opened {
    schema: ExecutableSchema,
    /// The same schema for our own documents, which cost what they cost.
    unlimited: ExecutableSchema,
    /// The same schema once more, for finding out what requests cost.
    measuring: ExecutableSchema,
    input_types: InputTypes,
    requirements: Requirements,
    reader: Reader,
    turns: Turns,
    hub: Hub,
    state: Arc<GraphState>,
    documents: Documents,
}

/// A request as the engine takes it.
struct Prepared<'a> {
    schema: &'a ExecutableSchema,
    request: Request,
    budget: ResponseBudget,
    driver: Driver,
    plan: Arc<Plan>,
}

impl Graph {
    /// A graph over `database`, whose numbered pages have `page_size` rows, which keeps at most `buffer` events for a slow subscriber,
    /// and which is asked with `documents`.
    pub fn new(database: Database, ingest: Ingest, page_size: u32, buffer: usize, documents: Documents) -> Self {
        let Limits { max_complexity, max_rows, .. } = *documents.limits();
        let (page_size, max_rows) = (page_size.into(), max_rows as u64);
        let state =
            Arc::new(GraphState { database: database.clone(), ingest, page_size, max_rows, caches: Mutex::default() });
        let turns = Turns::default();
        let hub = Hub::new(buffer, turns.clone());
        // Documents are validated when they are read: see `validation`.
        let schema = |most| {
            let builder = hub.feed(builder()).validation_mode(ValidationMode::Fast).limit_complexity(most);
            // Limits are checked when documents are read, and ours has none.
            builder.limit_recursive_depth(usize::MAX).data(Arc::clone(&state)).finish()
        };
        let limited = schema(max_complexity);
        let sdl = limited.sdl();
        Self(Arc::new(Opened {
            input_types: InputTypes::of(&sdl, documents.told().suggestions, &MetricInput::type_name()),
            requirements: Requirements::of(&sdl),
            schema: limited,
            unlimited: schema(usize::MAX),
            measuring: builder()
                .validation_mode(ValidationMode::Fast)
                .limit_recursive_depth(usize::MAX)
                .extension(Measuring)
                .finish(),
            reader: database.reader,
            turns,
            hub,
            state,
            documents,
        }))
    }

    /// What documents and requests may hold.
    pub(crate) fn limits(&self) -> &Limits {
        self.0.documents.limits()
    }

    /// The document that a caller's request names: by its text, by the `id` of a trusted document, or by the `hash` of a text that was sent
    /// before; hash and text together leave the text for later requests.
    ///
    /// # Errors
    /// Everything that is wrong with it, with the place and the reason (`GRAPHQL_PARSE_FAILED`, `GRAPHQL_VALIDATION_FAILED`);
    /// `LIMIT_EXCEEDED`; no such document; `DOCUMENT_NOT_TRUSTED` where only trusted documents are answered.
    pub(crate) fn document(
        &self,
        caller: &Caller,
        text: Option<&str>,
        id: Option<&str>,
        hash: Option<&str>,
    ) -> Result<Document, Vec<ServerError>> {
        self.0.documents.find(text, id, hash).map_err(|Rejected { errors, parsed }| {
            // Whoever may not ask is not told what is wrong with the question.
            let scopes =
                parsed.filter(|_| !caller.may_everything()).map(|parsed| self.0.requirements.of_parts(&parsed));
            let refused = scopes.and_then(|scopes| caller.check(&scopes).err());
            refused.map_or(errors, |error| vec![as_server_error(error)])
        })
    }

    /// Refuses a caller whose scopes do not cover an operation. [`Self::execute`] and [`Self::subscribe`] ask here, too.
    ///
    /// # Errors
    /// Those of [`Caller::check`].
    pub(crate) fn admit(&self, caller: &Caller, document: &Document, name: Option<&str>) -> Result<(), Error> {
        if caller.may_everything() {
            return Ok(());
        }
        caller.check(&self.0.requirements.of_operation(document, name))
    }

    /// Whether an operation reads from the history, be it in the payload of a mutation.
    pub(crate) fn reads(&self, operation: &Operation) -> bool {
        let Operation { document, name, .. } = operation;
        self.0.requirements.of_operation(document, name.as_deref()).contains(&Scope::Read)
    }

    /// Runs an operation. Every error of the answer has a code.
    ///
    /// Lists may have written themselves: [`crate::graphql::write_answer`] writes such an answer, the engine's own serializer would not.
    pub(crate) async fn execute(&self, operation: Operation) -> Response {
        let Prepared { schema, request, driver, plan, .. } = match self.prepare(operation) {
            Ok(prepared) => prepared,
            Err(refused) => return *refused,
        };
        let mut response = driver.drive(schema.execute(request)).await;
        plan.describe(&mut response.data);
        coded(response, self.limits())
    }

    /// Runs a subscription. Each event is answered within `limit`, or ends it with `too_late`.
    pub(crate) fn subscribe(
        &self,
        operation: Operation,
        limit: Duration,
        too_late: Error,
    ) -> BoxStream<'static, Response> {
        let Prepared { schema, mut request, budget, .. } = match self.prepare(operation) {
            Ok(prepared) => prepared,
            Err(refused) => return stream::iter([*refused]).boxed(),
        };
        let graph = self.clone();
        let loaders = Loaders::in_turn(self.0.reader.clone(), self.0.turns.clone());
        let driver = loaders.driver();
        let hearing = Hearing::default();
        request = request.data(loaders).data(hearing.clone());
        let answers = schema.execute_stream(request).boxed();
        stream::unfold((driver, answers), move |(driver, mut answers)| {
            let (graph, hearing, budget) = (graph.clone(), hearing.clone(), budget.clone());
            let too_late = too_late.clone();
            async move {
                let answer = tokio::select! {
                    answer = driver.drive(answers.next()) => Some(answer?),
                    () = hearing.overdue(limit) => None,
                };
                let missed = hearing.answered();
                budget.reset();
                let Some(answer) = answer else {
                    return Some((refusal(too_late), (driver, stream::empty().boxed())));
                };
                let mut answer = coded(answer, graph.limits());
                if missed > 0 {
                    answer.extensions.insert("missed".to_owned(), Value::from(missed));
                }
                Some((answer, (driver, answers)))
            }
        })
        .boxed()
    }

    /// What an operation costs, whether it may or not; `None` when it is not valid.
    pub(crate) async fn cost(&self, operation: &Operation) -> Option<Cost> {
        let Operation { document, name, variables, .. } = operation;
        let mut variables = variables.clone();
        let asked = document.operation(name.as_deref()).ok()?;
        self.0.input_types.coerce(asked, document.is_own(), &mut variables).ok()?;
        let plan = document.plan(asked, &variables).ok()?;
        let mut request = Request::new("").variables(variables);
        request.set_parsed_query(plan.document.clone());
        Cost::measured(&self.0.measuring, request, *self.limits()).await
    }

    /// This graph for a service of the engine, all of whose requests are those of `caller`. It has no limits.
    pub fn stock(&self, caller: Caller) -> Stock {
        let schema = self.0.hub.feed(builder()).data(Arc::clone(&self.0.state)).finish();
        Stock::new(schema, self.0.reader.clone(), caller)
    }

    fn prepare(&self, operation: Operation) -> Result<Prepared<'_>, Box<Response>> {
        let Operation { document, name, mut variables, omitted, caller } = operation;
        self.admit(&caller, &document, name.as_deref()).map_err(|error| Box::new(refusal(error)))?;
        let refused = |error| Box::new(Response::from_errors(vec![error]));
        let asked = document.operation(name.as_deref()).map_err(refused)?;
        if !document.is_own() {
            asked.check(&document, self.limits(), self.0.documents.told()).map_err(refused)?;
        }
        self.0.input_types.coerce(asked, document.is_own(), &mut variables).map_err(refused)?;
        let plan = document.plan(asked, &variables).map_err(refused)?;
        let (schema, budget) = if document.is_own() {
            (&self.0.unlimited, ResponseBudget::unlimited())
        } else {
            (&self.0.schema, ResponseBudget::new(self.limits().max_answer))
        };
        let loaders = Loaders::new(self.0.reader.clone());
        let driver = loaders.driver();
        let mut request = Request::new("").variables(variables).data(loaders).data(caller).data(budget.clone());
        request.set_parsed_query(plan.document.clone());
        request = request.data(ResponseOptions { omitted, is_own: document.is_own() });
        Ok(Prepared { schema, request, budget, driver, plan })
    }
}
