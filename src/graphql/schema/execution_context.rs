//! Execution contexts: a machine and its Python, as a worker found them.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use entity::{announced, execution_context as row, filter::Tree, list, metric as metric_row, session as session_row};

use crate::{
    access::Caller,
    config::Scope,
    error::Error,
    graphql::{
        error::Answer,
        lists::{
            connection::{Listed, Of, announced_page},
            filter::{Connectives, Direction, IntFilter, StringFilter, Where, check},
            object::graph_object,
            page::Page,
        },
        request::authorization::access,
        scalars::Int,
        schema::{
            metric::Metric,
            node,
            session::Session,
            user_error::{self, UserError},
        },
        served,
    },
    ingest::NewContext,
};

/// An announced execution context.
pub struct ExecutionContext(row::Model);

impl ExecutionContext {
    /// The context of a row, unless only metrics have named it so far.
    pub fn announced(row: row::Model) -> Option<Self> {
        row.announced.is_some().then_some(Self(row))
    }
}

impl Listed for ExecutionContext {
    type Entity = row::Entity;
    type Where = ExecutionContextWhere;
    type OrderBy = ExecutionContextOrder;

    async fn from_rows(_: &Context<'_>, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        Ok(rows.into_iter().filter_map(Self::announced).collect())
    }

    async fn page(
        ctx: &Context<'_>,
        filter: &Tree<row::Filter>,
        number: Option<i64>,
        size: u64,
    ) -> Result<(Vec<row::Model>, u64), Error> {
        announced_page::<Self>(ctx, filter, number, size).await
    }

    async fn count(ctx: &Context<'_>, filter: &Tree<row::Filter>) -> Result<u64, Error> {
        Ok(served(ctx).known().lists.count::<row::Entity>(&served(ctx).database.reader, filter).await?)
    }
}

/// An announced context has every field but the vendor; the row knows that only by its `announced`.
fn told(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

#[allow(clippy::cast_possible_truncation, reason = "saturates at 32 bits, far beyond any frequency")]
fn whole(frequency: f64) -> Int {
    i64::from(frequency as i32).into()
}

graph_object! {
    /// A machine and its Python, as the plugin found them.
    impl ExecutionContext {
        plain {
            /// The context's key among all objects.
            fn id(&self) -> ID {
                node::global_id::<Self>(self.0.id)
            }

            /// What the plugin calls the context.
            fn hash(&self) -> &str {
                &self.0.hash
            }

            /// How many logical processors the machine has.
            fn cpu_count(&self) -> Int {
                self.0.cpu_count.unwrap_or_default().into()
            }

            /// The processors' frequency when the plugin started, in MHz; 0 where it could not be read. Where it changes, a machine has
            /// several contexts.
            fn cpu_frequency(&self) -> f64 {
                self.0.cpu_frequency.unwrap_or_default()
            }

            /// The processors' frequency in whole MHz, the fraction cut off, as REST v1 tells it.
            fn cpu_frequency_mhz(&self) -> Int {
                whole(self.0.cpu_frequency.unwrap_or_default())
            }

            /// The processors' type, such as `x86_64`.
            fn cpu_type(&self) -> &str {
                told(self.0.cpu_type.as_ref())
            }

            /// The processors' maker and model; null when that was not told.
            fn cpu_vendor(&self) -> Option<&str> {
                self.0.cpu_vendor.as_deref()
            }

            /// The machine's memory, in MB of 1024 × 1024 bytes.
            fn ram_total(&self) -> Int {
                self.0.ram_total.unwrap_or_default().into()
            }

            /// The machine's name on the network.
            fn machine_node(&self) -> &str {
                told(self.0.machine_node.as_ref())
            }

            /// The machine's type, such as `x86_64`.
            fn machine_type(&self) -> &str {
                told(self.0.machine_type.as_ref())
            }

            /// The word size of the Python, such as `64bit`.
            fn machine_arch(&self) -> &str {
                told(self.0.machine_arch.as_ref())
            }

            /// The operating system and its release.
            fn system_info(&self) -> &str {
                told(self.0.system_info.as_ref())
            }

            /// The Python, as `sys.version` tells it.
            fn python_info(&self) -> &str {
                told(self.0.python_info.as_ref())
            }

            /// How many metrics were recorded in it.
            #[graphql(directive = access::apply(Scope::Read))]
            fn metric_count(&self) -> Int {
                self.0.metric_count.into()
            }
        }
    }
    /// What was measured in this context.
    list metrics: Metric = |context| Of::Parent(metric_row::OF_CONTEXT, context.0.id);
    /// The sessions that measured something in this context.
    list sessions: Session = |context| Of::Parent(session_row::OF_CONTEXT, context.0.id);
}

/// Which execution contexts. Every condition given must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ExecutionContextWhere {
    /// All of these must hold.
    and: Option<Vec<ExecutionContextWhere>>,
    /// At least one of these must hold.
    or: Option<Vec<ExecutionContextWhere>>,
    /// This must not hold.
    not: Option<Box<ExecutionContextWhere>>,
    /// The hash.
    hash: Option<StringFilter>,
    /// The machine's name on the network.
    machine_node: Option<StringFilter>,
    /// The machine's type.
    machine_type: Option<StringFilter>,
    /// The machine's word size.
    machine_arch: Option<StringFilter>,
    /// The processors' type.
    cpu_type: Option<StringFilter>,
    /// The processors' maker and model.
    cpu_vendor: Option<StringFilter>,
    /// The operating system.
    system_info: Option<StringFilter>,
    /// The Python.
    python_info: Option<StringFilter>,
    /// How many processors.
    cpu_count: Option<IntFilter>,
    /// The memory, in MB.
    ram_total: Option<IntFilter>,
}

impl Where for ExecutionContextWhere {
    type Filter = row::Filter;

    fn parts(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            hash: check!(self.hash, "hash"),
            machine_node: check!(self.machine_node, "machineNode"),
            machine_type: check!(self.machine_type, "machineType"),
            machine_arch: check!(self.machine_arch, "machineArch"),
            cpu_type: check!(self.cpu_type, "cpuType"),
            cpu_vendor: check!(self.cpu_vendor, "cpuVendor"),
            system_info: check!(self.system_info, "systemInfo"),
            python_info: check!(self.python_info, "pythonInfo"),
            cpu_count: check!(self.cpu_count, "cpuCount"),
            ram_total: check!(self.ram_total, "ramTotal"),
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// What execution contexts can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ExecutionContextOrderField {
    /// When the server first heard of the context by itself, not through a metric.
    Announced,
}

/// The order of a list of execution contexts.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct ExecutionContextOrder {
    /// What to order by.
    by: ExecutionContextOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

impl From<ExecutionContextOrder> for list::Order<row::Sort> {
    fn from(ExecutionContextOrder { by, direction }: ExecutionContextOrder) -> Self {
        direction.of(match by {
            ExecutionContextOrderField::Announced => row::Sort::Announced,
        })
    }
}

#[derive(Default)]
pub struct ContextQuery;

graph_object! {
    impl ContextQuery {
        /// The execution context with this hash, null when none has been announced.
        async fn context(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "What the plugin calls the context.")] hash: String,
        ) -> Option<Answer<ExecutionContext>> {
            let row = announced::by_hash::<row::Entity>(&served(ctx).database.reader, &hash).await;
            row.map(|row| row.and_then(ExecutionContext::announced)).map_err(|error| Error::from(error).into()).transpose()
        }

        /// How many execution contexts match.
        async fn context_count(
            &self,
            ctx: &Context<'_>,
            #[graphql(name = "where", desc = "Only those that match.")] filter: Option<ExecutionContextWhere>,
        ) -> Answer<Int> {
            let filter = filter.map(Where::check).transpose()?.unwrap_or_default();
            Ok(ExecutionContext::count(ctx, &filter).await?.into())
        }

        /// A numbered page of execution contexts, in the order announced.
        async fn context_page(
            &self,
            ctx: &Context<'_>,
            #[graphql(name = "where", desc = "Only those that match.")] filter: Option<ExecutionContextWhere>,
            #[graphql(desc = "From 1; negative numbers count from the end.", default_with = "Some(1)")] page: Option<i64>,
        ) -> Answer<Page<ExecutionContext>> {
            Page::read(ctx, filter, page).await
        }
    }
    /// All execution contexts.
    list contexts: ExecutionContext = |_| Of::Everyone;
}

/// An execution context's announcement.
#[derive(Debug, InputObject)]
pub struct AnnounceContextInput {
    /// What metrics call the context. Any text; the plugin takes a digest.
    hash: String,
    /// How many processors.
    cpu_count: i64,
    /// The processors' frequency, in MHz.
    cpu_frequency: f64,
    /// The processors' type.
    cpu_type: String,
    /// The processors' maker and model.
    cpu_vendor: Option<String>,
    /// The memory, in MB.
    ram_total: i64,
    /// The machine's name on the network.
    machine_node: String,
    /// The machine's type.
    machine_type: String,
    /// The machine's word size.
    machine_arch: String,
    /// The operating system.
    system_info: String,
    /// The Python.
    python_info: String,
}

/// What became of an announcement.
#[derive(SimpleObject)]
pub struct AnnounceContextPayload {
    /// The context as stored. Null when it was not stored: see `userErrors`. Null, too, when a field below failed to resolve (see the
    /// response's `errors`): then the context is stored all the same.
    context: Option<ExecutionContext>,
    /// Why it was not stored.
    user_errors: Vec<UserError>,
}

/// What is told of a context to those who may not read: somebody else may have announced another one of this hash.
fn as_sent(stored: row::Model, sent: NewContext) -> row::Model {
    row::Model {
        cpu_count: Some(sent.cpu_count),
        cpu_frequency: Some(sent.cpu_frequency),
        cpu_type: Some(sent.cpu_type),
        cpu_vendor: sent.cpu_vendor,
        ram_total: Some(sent.ram_total),
        machine_node: Some(sent.machine_node),
        machine_type: Some(sent.machine_type),
        machine_arch: Some(sent.machine_arch),
        system_info: Some(sent.system_info),
        python_info: Some(sent.python_info),
        ..stored
    }
}

#[derive(Default)]
pub struct ContextMutation;

#[Object]
impl ContextMutation {
    /// Announces an execution context, before or after its metrics. A known hash gives the stored one, whatever else is said;
    /// those who may not read get back what they sent.
    async fn announce_context(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The execution context.")] input: AnnounceContextInput,
    ) -> Answer<AnnounceContextPayload> {
        let AnnounceContextInput {
            hash,
            cpu_count,
            cpu_frequency,
            cpu_type,
            cpu_vendor,
            ram_total,
            machine_node,
            machine_type,
            machine_arch,
            system_info,
            python_info,
        } = input;
        let context = NewContext {
            hash,
            cpu_count,
            cpu_frequency,
            cpu_type,
            cpu_vendor,
            ram_total,
            machine_node,
            machine_type,
            machine_arch,
            system_info,
            python_info,
        };
        let may_read = ctx.data_unchecked::<Caller>().may_read().is_ok();
        let sent = (!may_read).then(|| context.clone());
        let outcome = served(ctx).ingest.announce_context(context).await;
        let (context, user_errors) = user_error::part(outcome, "hash")?;
        let context = context.map(|stored| match sent {
            Some(sent) => as_sent(stored, sent),
            None => stored,
        });
        Ok(AnnounceContextPayload { context: context.and_then(ExecutionContext::announced), user_errors })
    }
}
