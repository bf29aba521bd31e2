//! The product: the graph. `schema` has a file for each object type; `lists` is what all lists share; `request` turns a text into an
//! operation that may run; `live` is what subscribers get.

mod error;
mod fairness;
mod json;
mod lists;
mod live;
mod request;
mod response_budget;
mod scalars;
mod schema;
mod stock;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_graphql::{
    ContextBase, MergedObject, MergedSubscription, Request, Response, Schema, ServerError, ValidationMode, Value,
};
use entity::{
    driver::executor::Reader,
    known_counts::KnownCounts,
    known_lists::KnownLists,
    metric_block::KnownBlocks,
    table::{tag as tag_row, variant::Words},
};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use quick_cache::sync::Cache;

use self::{
    error::{as_server_error, coded},
    fairness::{Hearing, Turns},
    lists::{
        dataloader::{Driver, Loaders},
        json_writer::Writing,
    },
    live::feed::Feeds,
    request::{
        authorization::{Requirements, access},
        coerce_variables::InputTypes,
        cost,
        document::Plan,
        validation::Rejected,
    },
    response_budget::Room,
    schema::{
        build, component, execution_context, item, metric, node, pipeline, ranking, record, run_progress, session, tag,
        variant,
    },
};
pub use self::{
    json::{check_values, has_long_numbers, read_exactly, without_mark, without_mark_of_text},
    lists::{
        connection::{MOST as MOST_ROWS, SHORT as MOST_TAGS},
        json_writer::{write_answer, write_value, written_bytes},
    },
    request::{
        authorization::refusal,
        coerce_variables::{check_scalar, check_text, coerce_number, whole},
        cost::Cost,
        document::Document,
        document_limits::crossed,
        document_store::Documents,
        file::{DocumentError, read_document, read_schema},
        operation::Operation,
    },
    schema::record::are_metrics,
    stock::Stock,
};
use crate::{
    access::Caller,
    config::{Limits, Scope},
    db::Database,
    error::Error,
    ingest::Ingest,
};

/// Read operations.
#[derive(Default, MergedObject)]
#[graphql(directive = access::apply(Scope::Read))]
pub struct Query(
    node::NodeQuery,
    session::SessionQuery,
    execution_context::ContextQuery,
    metric::MetricQuery,
    ranking::TopQuery,
    component::ComponentQuery,
    item::ItemQuery,
    variant::VariantQuery,
    pipeline::PipelineQuery,
    build::BuildQuery,
    tag::TagQuery,
);

/// Write operations. A successful response means that the data is on disk.
#[derive(Default, MergedObject)]
#[graphql(directive = access::apply(Scope::Ingest))]
pub struct Mutation(session::SessionMutation, execution_context::ContextMutation, record::RecordMutation);

/// Events, pushed as they are recorded.
#[derive(Default, MergedSubscription)]
pub struct Subscription(record::RecordSubscription, run_progress::RunSubscription);

/// What every request is served from.
struct Served {
    database: Database,
    ingest: Ingest,
    page_size: u64,
    /// Rows of a connection, at most.
    most_rows: u64,
    known: Mutex<(u64, Arc<Known>)>,
    metrics: Feeds<metric::Metric>,
    sessions: Feeds<session::Session>,
    runs: run_progress::Runs,
    turns: Turns,
}

impl Served {
    /// What is remembered of rows; nothing where it had to be forgotten since. Whoever has read a row meanwhile remembers it with the rest of
    /// what held when he began.
    fn known(&self) -> Arc<Known> {
        let memory = self.ingest.memory();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 < memory {
            *known = (memory, Arc::default());
        }
        Arc::clone(&known.1)
    }
}

/// What never changes once stored, by key, and what has not changed since it was asked for.
struct Known {
    variants: Cache<i64, Arc<Words>>,
    sessions: Cache<i64, Arc<str>>,
    contexts: Cache<i64, Arc<str>>,
    tags: Cache<i64, Arc<tag_row::Model>>,
    /// The keys of the tags of announced sessions.
    session_tags: Cache<i64, Arc<[i64]>>,
    blocks: KnownBlocks,
    counts: KnownCounts,
    lists: KnownLists,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            variants: Cache::new(50_000),
            sessions: Cache::new(100_000),
            contexts: Cache::new(50_000),
            tags: Cache::new(50_000),
            session_tags: Cache::new(50_000),
            blocks: KnownBlocks::default(),
            counts: KnownCounts::default(),
            lists: KnownLists::default(),
        }
    }
}

fn served<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Served {
    shared(ctx)
}

fn shared<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Arc<Served> {
    ctx.data_unchecked::<Arc<Served>>()
}

fn loaders_of<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Loaders {
    ctx.data_unchecked::<Loaders>()
}

type Inner = Schema<Query, Mutation, Subscription>;

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
}

/// The schema as text.
pub fn sdl() -> String {
    builder().finish().sdl()
}

/// What a graph tells of its schema.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Whether it can be asked for.
    pub introspection: bool,
    /// Whether an error says which name was perhaps meant.
    pub suggestions: bool,
}

/// The schema with a database behind it.
#[derive(Clone)]
pub struct Graph(Arc<Opened>);

struct Opened {
    schema: Inner,
    /// The same schema for our own documents, which cost what they cost.
    unlimited: Inner,
    /// The same schema once more, for finding out what requests cost.
    measuring: Inner,
    input_types: InputTypes,
    requirements: Requirements,
    reader: Reader,
    turns: Turns,
    served: Arc<Served>,
    documents: Documents,
}

/// A request as the engine takes it.
struct Prepared<'a> {
    schema: &'a Inner,
    request: Request,
    room: Room,
    driver: Driver,
    plan: Arc<Plan>,
}

impl Graph {
    /// A graph over `database`, whose numbered pages have `page_size` rows, which keeps at most `buffer` events for a slow subscriber,
    /// and which is asked with `documents`.
    pub fn new(database: Database, ingest: Ingest, page_size: u32, buffer: usize, documents: Documents) -> Self {
        let Limits { max_complexity, max_rows, .. } = *documents.limits();
        let (page_size, most_rows) = (page_size.into(), max_rows as u64);
        let served = Arc::new(Served {
            database: database.clone(),
            ingest,
            page_size,
            most_rows,
            known: Mutex::default(),
            metrics: Feeds::new(buffer),
            sessions: Feeds::new(buffer),
            runs: run_progress::Runs::default(),
            turns: Turns::default(),
        });
        // Documents are validated when they are read: see `validation`.
        let schema = |most| {
            let builder = builder().validation_mode(ValidationMode::Fast).limit_complexity(most);
            // Limits are checked when documents are read, and ours has none.
            builder.limit_recursive_depth(usize::MAX).data(Arc::clone(&served)).finish()
        };
        let limited = schema(max_complexity);
        let sdl = limited.sdl();
        Self(Arc::new(Opened {
            input_types: InputTypes::of(&sdl, documents.told().suggestions),
            requirements: Requirements::of(&sdl),
            schema: limited,
            unlimited: schema(usize::MAX),
            measuring: cost::measuring(),
            reader: database.reader,
            turns: served.turns.clone(),
            served,
            documents,
        }))
    }

    /// What documents and requests may hold.
    pub fn limits(&self) -> &Limits {
        self.0.documents.limits()
    }

    /// The document that a caller's request names: by its text, by the `id` of a trusted document, or by the `hash` of a text that was sent
    /// before; hash and text together leave the text for later requests.
    ///
    /// # Errors
    /// Everything that is wrong with it, with the place and the reason (`GRAPHQL_PARSE_FAILED`, `GRAPHQL_VALIDATION_FAILED`);
    /// `LIMIT_EXCEEDED`; no such document; `DOCUMENT_NOT_TRUSTED` where only trusted documents are answered.
    pub fn document(
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
    pub fn admit(&self, caller: &Caller, document: &Document, name: Option<&str>) -> Result<(), Error> {
        if caller.may_everything() {
            return Ok(());
        }
        caller.check(&self.0.requirements.of_operation(document, name))
    }

    /// Whether an operation reads from the history, be it in the payload of a mutation.
    pub fn reads(&self, operation: &Operation) -> bool {
        let Operation { document, name, .. } = operation;
        self.0.requirements.of_operation(document, name.as_deref()).contains(&Scope::Read)
    }

    /// Runs an operation. Every error of the answer has a code.
    ///
    /// Lists may have written themselves: [`write_answer`] writes such an answer, the engine's own serializer would not.
    pub async fn execute(&self, operation: Operation) -> Response {
        let Prepared { schema, request, driver, plan, .. } = match self.prepare(operation) {
            Ok(prepared) => prepared,
            Err(refused) => return *refused,
        };
        let mut response = driver.drive(schema.execute(request)).await;
        plan.describe(&mut response.data);
        coded(response, self.limits())
    }

    /// Runs a subscription. Each event is answered within `limit`, or ends it with `too_late`.
    pub fn subscribe(&self, operation: Operation, limit: Duration, too_late: Error) -> BoxStream<'static, Response> {
        let Prepared { schema, mut request, room, .. } = match self.prepare(operation) {
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
            let (graph, hearing, room) = (graph.clone(), hearing.clone(), room.clone());
            let too_late = too_late.clone();
            async move {
                let answer = tokio::select! {
                    answer = driver.drive(answers.next()) => Some(answer?),
                    () = hearing.overdue(limit) => None,
                };
                let missed = hearing.answered();
                room.clear();
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
        let (schema, room) = if document.is_own() {
            (&self.0.unlimited, Room::unlimited())
        } else {
            (&self.0.schema, Room::of(self.limits().max_answer))
        };
        let loaders = Loaders::new(self.0.reader.clone());
        let driver = loaders.driver();
        let mut request = Request::new("").variables(variables).data(loaders).data(caller).data(room.clone());
        request.set_parsed_query(plan.document.clone());
        request = request.data(Writing::of(omitted, document.is_own()));
        Ok(Prepared { schema, request, room, driver, plan })
    }
}
