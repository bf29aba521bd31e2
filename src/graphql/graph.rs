//! The executable graph: authorizes operations, checks their limits and variables, and runs them on async-graphql.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_graphql::{InputType as _, Request, Response, ServerError, ValidationMode, Value};
use entity::{
    filter::Tree,
    history::CacheUse,
    query::{Store, metrics},
    table::session,
};
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::{
    access::Caller,
    config::{Limits, Scope},
    db::Database,
    error::{Error, MEANWHILE},
    graphql::{
        error::{as_server_error, refusal, with_codes},
        fairness::{Delivery, FairnessGate},
        lists::{
            dataloader::{Driver, Loaders},
            filter_names::FilterNames,
        },
        request::{
            authorization::Requirements,
            coerce_variables::InputTypes,
            cost::{Cost, CostExtension},
            document::{Document, Plan},
            document_store::DocumentStore,
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

/// How often a query is run that comes across what was deleted meanwhile.
const MAX_TRIES: u32 = 3;

/// The executable schemas over a database.
#[derive(Clone)]
pub struct Graph(Arc<Inner>);

struct Inner {
    schema: ExecutableSchema,
    /// The same schema without `--max-complexity`, for our own documents.
    unlimited: ExecutableSchema,
    /// The same schema with an extension that computes the cost of requests.
    costing: ExecutableSchema,
    input_types: InputTypes,
    requirements: Requirements,
    store: Store,
    fairness: FairnessGate,
    hub: Hub,
    state: Arc<GraphState>,
    documents: DocumentStore,
}

/// A request, ready for the engine.
struct Prepared<'a> {
    schema: &'a ExecutableSchema,
    request: Request,
    budget: ResponseBudget,
    driver: Driver,
    plan: Arc<Plan>,
}

impl Graph {
    /// Builds the executable schemas. `page_size`: rows of a numbered page. `buffer`: events kept per slow subscriber.
    pub fn new(database: Database, ingest: Ingest, page_size: u32, buffer: usize, documents: DocumentStore) -> Self {
        let Limits { max_complexity, max_rows, .. } = *documents.limits();
        let (page_size, max_rows) = (page_size.into(), max_rows as u64);
        let state =
            Arc::new(GraphState { database: database.clone(), ingest, page_size, max_rows, caches: Mutex::default() });
        let fairness = FairnessGate::default();
        let hub = Hub::new(buffer, fairness.clone());
        // Documents are validated once, when they are parsed: see `validation`.
        let schema = |max_complexity| {
            let builder = hub.add_to(builder()).validation_mode(ValidationMode::Fast).limit_complexity(max_complexity);
            // The depth is checked by `document_limits`; our own documents have no limit.
            builder.limit_recursive_depth(usize::MAX).data(Arc::clone(&state)).finish()
        };
        let limited = schema(max_complexity);
        let sdl = limited.sdl();
        Self(Arc::new(Inner {
            input_types: InputTypes::of(&sdl, documents.disclosure().suggestions, &MetricInput::type_name()),
            requirements: Requirements::of(&sdl),
            schema: limited,
            unlimited: schema(usize::MAX),
            costing: builder()
                .validation_mode(ValidationMode::Fast)
                .limit_recursive_depth(usize::MAX)
                .extension(CostExtension)
                .finish(),
            store: database.store,
            fairness,
            hub,
            state,
            documents,
        }))
    }

    /// Returns the database.
    pub(crate) fn database(&self) -> &Database {
        &self.0.state.database
    }

    /// Returns what stores.
    pub(crate) fn ingest(&self) -> &Ingest {
        &self.0.state.ingest
    }

    /// Returns the number of metrics and of announced sessions.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn row_counts(&self) -> Result<(u64, u64), Error> {
        let Inner { store, state, .. } = &*self.0;
        let metrics = metrics::count(store, &Tree::default()).await?;
        let sessions = state.caches().lists.count::<session::Entity>(&store.reader, &Tree::default()).await?;
        Ok((metrics, sessions))
    }

    /// Returns how often caches had what was looked for.
    pub(crate) fn cache_uses(&self) -> Vec<CacheUse> {
        let Inner { store, state, .. } = &*self.0;
        let caches = state.caches();
        let variants = CacheUse { name: "variants", hits: caches.variants.hits(), misses: caches.variants.misses() };
        let sessions = CacheUse { name: "sessions", hits: caches.sessions.hits(), misses: caches.sessions.misses() };
        store.history.cache_uses().into_iter().chain([variants, sessions, self.0.documents.cache_use()]).collect()
    }

    /// Returns the limits of documents and requests.
    pub(crate) fn limits(&self) -> &Limits {
        self.0.documents.limits()
    }

    /// Returns the document that a request names: by its text, by the `id` of a trusted document, or by the `hash` of a text that was
    /// sent before. A hash with a text registers the text for later requests.
    ///
    /// # Errors
    /// All errors of the document with position and reason (`GRAPHQL_PARSE_FAILED`, `GRAPHQL_VALIDATION_FAILED`); `LIMIT_EXCEEDED`;
    /// an unknown id or hash; `DOCUMENT_NOT_TRUSTED` with `--trusted-only`.
    pub(crate) fn document(
        &self,
        caller: &Caller,
        text: Option<&str>,
        id: Option<&str>,
        hash: Option<&str>,
    ) -> Result<Document, Vec<ServerError>> {
        self.0.documents.find(text, id, hash).map_err(|Rejected { errors, parsed }| {
            // Validation errors would disclose the schema to callers that may not use it.
            let scopes =
                parsed.filter(|_| !caller.may_everything()).map(|parsed| self.0.requirements.of_invalid(&parsed));
            let refused = scopes.and_then(|scopes| caller.check(&scopes).err());
            refused.map_or(errors, |error| vec![as_server_error(error)])
        })
    }

    /// Authorizes an operation: checks that the scopes of the caller cover it. [`Self::execute`] and [`Self::subscribe`] do so too.
    ///
    /// # Errors
    /// Those of [`Caller::check`].
    pub(crate) fn admit(&self, caller: &Caller, document: &Document, name: Option<&str>) -> Result<(), Error> {
        if caller.may_everything() {
            return Ok(());
        }
        caller.check(&self.0.requirements.of_operation(document, name))
    }

    /// Whether an operation requires the scope READ, be it for the payload of a mutation.
    pub(crate) fn reads(&self, operation: &Operation) -> bool {
        let Operation { document, name, .. } = operation;
        self.0.requirements.of_operation(document, name.as_deref()).contains(&Scope::Read)
    }

    /// Runs an operation. Every error of the response has a code. A query that came across what was deleted meanwhile runs again.
    ///
    /// Lists may be JSON text already: serialize the response with [`crate::graphql::write_json`], not with serde.
    pub(crate) async fn execute(&self, operation: Operation) -> Response {
        if operation.may_store() {
            return self.execute_once(operation).await;
        }
        let mut response = self.execute_once(operation.clone()).await;
        for _ in 1..MAX_TRIES {
            if !response.errors.iter().any(|error| error.message.contains(MEANWHILE)) {
                break;
            }
            response = self.execute_once(operation.clone()).await;
        }
        response
    }

    async fn execute_once(&self, operation: Operation) -> Response {
        let is_own = operation.document.is_own();
        let Prepared { schema, request, driver, plan, .. } = match self.prepare(operation) {
            Ok(prepared) => prepared,
            Err(refused) => return *refused,
        };
        let names = Arc::<FilterNames>::default();
        let request = if is_own { request } else { request.data(Arc::clone(&names)) };
        let mut response = driver.drive(schema.execute(request)).await;
        plan.clear_descriptions(&mut response.data);
        let warnings = names.warnings(&self.0.store, &self.0.state.caches()).await;
        if !warnings.is_empty() {
            response.extensions.insert("warnings".to_owned(), Value::List(warnings));
        }
        with_codes(response, self.limits())
    }

    /// Runs a subscription. An event that takes longer than `limit` ends it with `timeout_error`.
    pub(crate) fn subscribe(
        &self,
        operation: Operation,
        limit: Duration,
        timeout_error: Error,
    ) -> BoxStream<'static, Response> {
        let Prepared { schema, mut request, budget, .. } = match self.prepare(operation) {
            Ok(prepared) => prepared,
            Err(refused) => return stream::iter([*refused]).boxed(),
        };
        let graph = self.clone();
        let loaders = Loaders::with_fairness(self.0.store.clone(), self.0.fairness.clone());
        let driver = loaders.driver();
        let delivery = Delivery::default();
        request = request.data(loaders).data(delivery.clone());
        let responses = schema.execute_stream(request).boxed();
        stream::unfold((driver, responses), move |(driver, mut responses)| {
            let (graph, delivery, budget) = (graph.clone(), delivery.clone(), budget.clone());
            let timeout_error = timeout_error.clone();
            async move {
                let response = tokio::select! {
                    response = driver.drive(responses.next()) => Some(response?),
                    () = delivery.overdue(limit) => None,
                };
                let missed = delivery.finish();
                budget.reset();
                let Some(response) = response else {
                    return Some((refusal(timeout_error), (driver, stream::empty().boxed())));
                };
                let mut response = with_codes(response, graph.limits());
                if missed > 0 {
                    response.extensions.insert("missed".to_owned(), Value::from(missed));
                }
                Some((response, (driver, responses)))
            }
        })
        .boxed()
    }

    /// Computes the cost of an operation, within the limits or not; `None` if it is not valid.
    pub(crate) async fn cost(&self, operation: &Operation) -> Option<Cost> {
        let Operation { document, name, variables, .. } = operation;
        let mut variables = variables.clone();
        let selected = document.operation(name.as_deref()).ok()?;
        self.0.input_types.coerce(selected, document.is_own(), &mut variables).ok()?;
        let plan = document.plan(selected, &variables).ok()?;
        let mut request = Request::new("").variables(variables);
        request.set_parsed_query(plan.document.clone());
        Cost::measure(&self.0.costing, request, *self.limits()).await
    }

    /// Builds this graph for async-graphql's own services, without limits. All requests are those of `caller`.
    pub fn stock(&self, caller: Caller) -> Stock {
        let schema = self.0.hub.add_to(builder()).data(Arc::clone(&self.0.state)).finish();
        Stock::new(schema, self.0.store.clone(), caller)
    }

    fn prepare(&self, operation: Operation) -> Result<Prepared<'_>, Box<Response>> {
        let Operation { document, name, mut variables, omitted, caller } = operation;
        self.admit(&caller, &document, name.as_deref()).map_err(|error| Box::new(refusal(error)))?;
        let refused = |error| Box::new(Response::from_errors(vec![error]));
        let selected = document.operation(name.as_deref()).map_err(refused)?;
        if !document.is_own() {
            selected.check(&document, self.limits(), self.0.documents.disclosure()).map_err(refused)?;
        }
        self.0.input_types.coerce(selected, document.is_own(), &mut variables).map_err(refused)?;
        let plan = document.plan(selected, &variables).map_err(refused)?;
        let (schema, budget) = if document.is_own() {
            (&self.0.unlimited, ResponseBudget::unlimited())
        } else {
            (&self.0.schema, ResponseBudget::new(self.limits().max_answer))
        };
        let loaders = Loaders::new(self.0.store.clone());
        let driver = loaders.driver();
        let mut request = Request::new("").variables(variables).data(loaders).data(caller).data(budget.clone());
        request.set_parsed_query(plan.document.clone());
        request = request.data(ResponseOptions { omitted, is_own: document.is_own() });
        Ok(Prepared { schema, request, budget, driver, plan })
    }
}
