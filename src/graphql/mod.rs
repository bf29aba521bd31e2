//! The product: the graph. One file per noun holds its type, its filters, its inputs, its queries and its mutations; the rest
//! is what nouns share.

mod build;
mod component;
mod context;
mod document;
mod filter;
mod item;
mod live;
mod loaders;
mod lookups;
mod metric;
mod node;
mod numbered;
mod object;
mod paging;
mod pipeline;
mod progress;
mod record;
mod ring;
mod scalar;
mod session;
mod tag;
mod top;
mod user_error;
mod variables;
mod variant;
mod written;

use std::sync::Arc;

use async_graphql::{
    ContextBase, InputType, MergedObject, MergedSubscription, Pos, Request, Response, ScalarType, Schema, ServerError,
    ValidationMode, Value, Variables,
    parser::{
        parse_query,
        types::{DocumentOperations, OperationType},
    },
};
use entity::{metric_block::KnownBlocks, source::Reader, tag as tag_row, variant::Words};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use quick_cache::sync::Cache;

use crate::{
    db::Database,
    error::{Code, Error},
    ingest::Ingest,
};
pub use document::Document;
use live::{Feeds, Hearing, Turns};
use loaders::{Driver, Loaders};
use variables::InputTypes;
use written::Writing;
pub use written::{write_answer, write_value};

/// What the history holds, as a graph.
#[derive(Default, MergedObject)]
pub struct Query(
    node::NodeQuery,
    session::SessionQuery,
    context::ContextQuery,
    metric::MetricQuery,
    top::TopQuery,
    component::ComponentQuery,
    item::ItemQuery,
    variant::VariantQuery,
    pipeline::PipelineQuery,
    build::BuildQuery,
    tag::TagQuery,
);

/// What can be added to the history. An answer means that it is on disk.
#[derive(Default, MergedObject)]
pub struct Mutation(session::SessionMutation, context::ContextMutation, record::RecordMutation);

/// What happens to the history, as it happens.
#[derive(Default, MergedSubscription)]
pub struct Subscription(record::RecordSubscription, progress::RunSubscription);

/// A failure inside a resolver. It has no text form of its own, so that its code is never left behind.
#[derive(Debug, Clone)]
pub struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Failure> for async_graphql::Error {
    fn from(Failure(error): Failure) -> Self {
        let mut extensions = async_graphql::ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        Self { message: error.message, source: None, extensions: Some(extensions) }
    }
}

/// What a resolver gives.
pub type Answer<T> = Result<T, Failure>;

/// What every request is served from.
struct Served {
    database: Database,
    ingest: Ingest,
    page_size: u64,
    known: Known,
    metrics: Feeds<metric::Metric>,
    sessions: Feeds<session::Session>,
    runs: progress::Runs,
    turns: Turns,
}

/// What never changes once stored, by key.
struct Known {
    variants: Cache<i64, Arc<Words>>,
    sessions: Cache<i64, Arc<str>>,
    contexts: Cache<i64, Arc<str>>,
    tags: Cache<i64, Arc<tag_row::Model>>,
    blocks: KnownBlocks,
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

/// Fields that one request may cost, those of a list counted once for every row that it may have.
const MOST_COMPLEX: usize = 500_000;
/// Fields inside fields, at most; GraphiQL's own introspection needs 13.
const DEEPEST: usize = 24;
/// Aliases in one document, at most.
const MOST_ALIASES: usize = 200;
/// Parsed documents that are kept by their text.
const KEPT_DOCUMENTS: usize = 500;
/// Documents longer than this are parsed anew each time.
const LONGEST_KEPT: usize = 20_000;

type Inner = Schema<Query, Mutation, Subscription>;

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_complexity(MOST_COMPLEX)
        .limit_depth(DEEPEST)
        .limit_aliases(MOST_ALIASES)
}

/// The schema as text.
pub fn sdl() -> String {
    builder().finish().sdl()
}

/// The schema with a database behind it.
#[derive(Clone)]
pub struct Graph(Arc<Opened>);

struct Opened {
    schema: Inner,
    /// The same schema for documents that are known to be valid.
    lenient: Inner,
    input_types: InputTypes,
    reader: Reader,
    turns: Turns,
    documents: Cache<String, Document>,
}

/// A request as the engine takes it.
struct Prepared<'a> {
    schema: &'a Inner,
    request: Request,
    driver: Driver,
}

/// A request: a document, the operation to run, and the values of its variables.
pub struct Operation {
    /// The document, parsed.
    pub document: Document,
    /// Which operation, where the document has several.
    pub name: Option<String>,
    /// The variables.
    pub variables: Variables,
    /// The paths of fields that are left out of lists where they are null.
    pub omitted: Arc<[Vec<String>]>,
}

impl Operation {
    /// What is asked for; `None` where the name leads to no operation.
    pub fn kind(&self) -> Option<OperationType> {
        match (&self.document.parsed().operations, &self.name) {
            (DocumentOperations::Single(operation), None) => Some(operation.node.ty),
            (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
                operations.values().next().map(|operation| operation.node.ty)
            }
            (DocumentOperations::Multiple(operations), Some(name)) => {
                operations.get(name.as_str()).map(|operation| operation.node.ty)
            }
            _ => None,
        }
    }
}

impl Graph {
    /// A graph over `database`, whose numbered pages have `page_size` rows, and which keeps at most `buffer` events for a slow
    /// subscriber.
    pub fn new(database: Database, ingest: Ingest, page_size: u32, buffer: usize) -> Self {
        let known = Known {
            variants: Cache::new(50_000),
            sessions: Cache::new(100_000),
            contexts: Cache::new(50_000),
            tags: Cache::new(50_000),
            blocks: KnownBlocks::default(),
        };
        let served = Arc::new(Served {
            database: database.clone(),
            ingest,
            page_size: page_size.into(),
            known,
            metrics: Feeds::new(buffer),
            sessions: Feeds::new(buffer),
            runs: progress::Runs::default(),
            turns: Turns::default(),
        });
        let schema = |mode| builder().validation_mode(mode).data(Arc::clone(&served)).finish();
        let strict = schema(ValidationMode::Strict);
        Self(Arc::new(Opened {
            input_types: InputTypes::of(&strict.sdl()),
            schema: strict,
            lenient: schema(ValidationMode::Fast),
            reader: database.reader,
            turns: served.turns.clone(),
            documents: Cache::new(KEPT_DOCUMENTS),
        }))
    }

    /// Parses a document, or finds it among those parsed before.
    ///
    /// # Errors
    /// [`Code::ParseFailed`] with the place and the reason.
    pub fn parse(&self, text: &str) -> Result<Document, ServerError> {
        if let Some(document) = self.0.documents.get(text) {
            return Ok(document);
        }
        let document = parse_query(text).map_err(|error| with_code(error.into(), Code::ParseFailed))?;
        document::check_size(&document)
            .and_then(|()| document::check_subscriptions(&document))
            .map_err(|error| with_code(error, Code::ValidationFailed))?;
        if text.contains('\0') || text.contains("\\u0000") {
            return Err(with_code(ServerError::new("U+0000 can't be stored or looked for", None), Code::BadUserInput));
        }
        let document = Document::new(document);
        if text.len() <= LONGEST_KEPT {
            self.0.documents.insert(text.to_owned(), document.clone());
        }
        Ok(document)
    }

    /// Runs an operation. Every error of the answer has a code.
    ///
    /// Lists may have written themselves: [`write_answer`] writes such an answer, the engine's own serializer would not.
    pub async fn execute(&self, operation: Operation) -> Response {
        let document = operation.document.clone();
        let Prepared { schema, request, driver } = match self.prepare(operation) {
            Ok(prepared) => prepared,
            Err(refused) => return *refused,
        };
        let response = driver.drive(schema.execute(request)).await;
        // An error with a path comes from a resolver: the document was found valid.
        if response.errors.iter().all(|error| !error.path.is_empty()) {
            document.was_valid();
        }
        coded(response)
    }

    /// Runs an operation whose answers keep coming: a subscription. A query or a mutation gives one answer.
    pub fn subscribe(&self, operation: Operation) -> BoxStream<'static, Response> {
        if operation.kind() != Some(OperationType::Subscription) {
            let graph = self.clone();
            return stream::once(async move { graph.execute(operation).await }).boxed();
        }
        let document = operation.document.clone();
        let Prepared { schema, mut request, .. } = match self.prepare(operation) {
            Ok(prepared) => prepared,
            Err(refused) => return stream::iter([*refused]).boxed(),
        };
        let loaders = Loaders::in_turn(self.0.reader.clone(), self.0.turns.clone());
        let driver = loaders.driver();
        let hearing = Hearing::default();
        request = request.data(loaders).data(hearing.clone());
        let answers = schema.execute_stream(request);
        stream::unfold((driver, answers), move |(driver, mut answers)| {
            let (document, hearing) = (document.clone(), hearing.clone());
            async move {
                let mut answer = coded(driver.drive(answers.next()).await?);
                if answer.errors.iter().all(|error| !error.path.is_empty()) {
                    document.was_valid();
                }
                let missed = hearing.answered();
                if missed > 0 {
                    answer.extensions.insert("missed".to_owned(), Value::from(missed));
                }
                Some((answer, (driver, answers)))
            }
        })
        .boxed()
    }

    fn prepare(&self, operation: Operation) -> Result<Prepared<'_>, Box<Response>> {
        let Operation { document, name, mut variables, omitted } = operation;
        let is_checked = self.0.input_types.check(document.parsed(), name.as_deref(), &mut variables);
        let is_checked =
            is_checked.map_err(|error| Box::new(Response::from_errors(vec![with_code(error, Code::BadUserInput)])))?;
        let schema = if is_checked && document.is_known_to_be_valid() { &self.0.lenient } else { &self.0.schema };
        let loaders = Loaders::new(self.0.reader.clone());
        let driver = loaders.driver();
        let mut request = Request::new("").variables(variables).data(loaders);
        request.operation_name = name;
        request.set_parsed_query(document.parsed().clone());
        request = request.data(Writing::of(document, omitted));
        Ok(Prepared { schema, request, driver })
    }
}

/// The engine's own errors have no code: those without a path come from before the first resolver.
fn coded(mut response: Response) -> Response {
    for error in &mut response.errors {
        if error.message == "Query is too complex." {
            error.message = format!(
                "the request is too complex: at most {MOST_COMPLEX} fields when every list is full (50 rows unless told): ask for \
                 fewer rows with first"
            );
        }
        let code = if error.path.is_empty() { Code::ValidationFailed } else { Code::BadUserInput };
        if error.extensions.as_ref().is_none_or(|extensions| extensions.get("code").is_none()) {
            set_code(error, code);
        }
    }
    response
}

fn set_code(error: &mut ServerError, code: Code) {
    error.extensions.get_or_insert_default().set("code", code.as_str());
}

/// The error with a code in its extensions.
fn with_code(mut error: ServerError, code: Code) -> ServerError {
    set_code(&mut error, code);
    error
}

/// The answer to a request that is not run.
pub fn refusal(code: Code, message: &str) -> Response {
    Response::from_errors(vec![with_code(ServerError::new(message, None), code)])
}

/// Whether a scalar called `name` takes `value`, and if not, what it would take.
///
/// # Errors
/// The remedy, in words.
pub fn check_scalar(name: &str, value: &Value) -> Result<(), String> {
    fn read<T: ScalarType + InputType>(value: &Value) -> Result<(), String> {
        <T as ScalarType>::parse(value.clone())
            .map(drop)
            .map_err(|error| error.into_server_error(Pos::default()).message)
    }
    let expected = |fits: bool, what: &str| if fits { Ok(()) } else { Err(format!("{what} is expected")) };
    match name {
        "String" => expected(matches!(value, Value::String(_)), "a text"),
        "ID" => expected(matches!(value, Value::String(_) | Value::Number(_)), "an id"),
        "Int" => expected(matches!(value, Value::Number(number) if number.is_i64()), "a whole number"),
        "Float" => expected(matches!(value, Value::Number(_)), "a number"),
        "Boolean" => expected(matches!(value, Value::Boolean(_)), "true or false"),
        "LocalDateTime" => read::<scalar::LocalDateTime>(value),
        "Tags" => read::<scalar::Tags>(value),
        _ => Ok(()),
    }
}
