//! Execution contexts: a machine and its Python interpreter, as the plugin describes them.

use async_graphql::{Context, Enum, ID, InputObject};
use entity::{
    announced, edges,
    filter::Tree,
    list,
    table::{execution_context as row, machine_class as class_row, metric as metric_row, session as session_row},
};

use crate::{
    config::Scope,
    error::Error,
    graphql::{
        directive::access,
        error::FieldResult,
        lists::{
            connection::Parent,
            filter::{Connectives, Direction, IntFilter, StringFilter, Where, check},
            listed::{Exposed, Listed},
            loader_keys::load_row,
            object::graph_object,
            page::announced_page,
        },
        scalars::Int,
        schema::{
            global_id::{IdFilter, global_id},
            machine_class::MachineClass,
            statistics,
        },
        state::state_of,
    },
};

/// An announced execution context.
pub struct ExecutionContext(row::Model);

impl ExecutionContext {
    /// Returns the context of a row, if it is announced. Until then only its hash is known, from metrics.
    pub fn announced(row: row::Model) -> Option<Self> {
        row.announced.is_some().then_some(Self(row))
    }
}

impl Exposed for row::Entity {
    type Object = ExecutionContext;
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
        Ok(state_of(ctx).caches().lists.count::<row::Entity>(&state_of(ctx).database.store, filter).await?)
    }
}

/// The columns are nullable, but announced contexts have all values except the vendor.
fn text_or_empty(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

#[allow(clippy::cast_possible_truncation, reason = "saturates at 32 bits, far beyond any frequency")]
fn whole_mhz(frequency: f64) -> Int {
    i64::from(frequency as i32).into()
}

graph_object! {
    /// A machine and its Python interpreter, as the plugin describes them.
    impl ExecutionContext {
        scalars {
            /// Global ID of the context.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// The hash that identifies the context.
            fn hash(&self) -> &str {
                &self.0.hash
            }

            /// Number of logical processors of the machine.
            fn cpu_count(&self) -> Int {
                self.0.cpu_count.unwrap_or_default().into()
            }

            /// Processor frequency when the plugin started, in MHz; 0 if it could not be read. If the frequency varies,
            /// one machine has several contexts.
            fn cpu_frequency(&self) -> f64 {
                self.0.cpu_frequency.unwrap_or_default()
            }

            /// Processor frequency in whole MHz, rounded toward zero, as REST v1 returns it.
            fn cpu_frequency_mhz(&self) -> Int {
                whole_mhz(self.0.cpu_frequency.unwrap_or_default())
            }

            /// Processor type, such as `x86_64`.
            fn cpu_type(&self) -> &str {
                text_or_empty(self.0.cpu_type.as_ref())
            }

            /// Processor vendor and model. Null if not sent.
            fn cpu_vendor(&self) -> Option<&str> {
                self.0.cpu_vendor.as_deref()
            }

            /// Total memory of the machine, in MB (1 MB = 1024 × 1024 bytes).
            fn ram_total(&self) -> Int {
                self.0.ram_total.unwrap_or_default().into()
            }

            /// Network name of the machine.
            fn machine_node(&self) -> &str {
                text_or_empty(self.0.machine_node.as_ref())
            }

            /// Machine type, such as `x86_64`.
            fn machine_type(&self) -> &str {
                text_or_empty(self.0.machine_type.as_ref())
            }

            /// Word size of the Python interpreter, such as `64bit`.
            fn machine_arch(&self) -> &str {
                text_or_empty(self.0.machine_arch.as_ref())
            }

            /// Operating system and release.
            fn system_info(&self) -> &str {
                text_or_empty(self.0.system_info.as_ref())
            }

            /// Python version, as `sys.version` gives it.
            fn python_info(&self) -> &str {
                text_or_empty(self.0.python_info.as_ref())
            }

            /// Number of metrics recorded in it.
            #[graphql(directive = access::apply(Scope::Read))]
            fn metric_count(&self) -> Int {
                self.0.metric_count.into()
            }
        }

        /// The class of the machine.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn machine_class(&self, ctx: &Context<'_>) -> FieldResult<MachineClass> {
            // Announced contexts have one.
            load_row::<class_row::Entity>(ctx, self.0.machine_class_id.unwrap_or_default()).await.map(MachineClass)
        }
    }
    ranking {
        /// The metrics recorded in the context that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |context| Parent::Row(edges::METRICS_OF_CONTEXT, context.0.id);
    }
    stats statistics { |context| (edges::METRICS_OF_CONTEXT, context.0.id) }
    /// The metrics recorded in the context.
    list metrics: metric_row::Entity = |context| Parent::Row(edges::METRICS_OF_CONTEXT, context.0.id);
    /// The sessions with metrics recorded in the context.
    list sessions: session_row::Entity = |context| Parent::Row(edges::SESSIONS_OF_CONTEXT, context.0.id);
}

/// Filter for execution contexts. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ExecutionContextWhere {
    /// All of these filters must match.
    and: Option<Vec<ExecutionContextWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<ExecutionContextWhere>>,
    /// This filter must not match.
    not: Option<Box<ExecutionContextWhere>>,
    /// Filter by hash.
    hash: Option<StringFilter>,
    /// Network name of the machine.
    machine_node: Option<StringFilter>,
    /// Machine type, such as `x86_64`.
    machine_type: Option<StringFilter>,
    /// Word size of the Python interpreter, such as `64bit`.
    machine_arch: Option<StringFilter>,
    /// Processor type, such as `x86_64`.
    cpu_type: Option<StringFilter>,
    /// Processor vendor and model.
    cpu_vendor: Option<StringFilter>,
    /// Operating system and release.
    system_info: Option<StringFilter>,
    /// Python version, as `sys.version` gives it.
    python_info: Option<StringFilter>,
    /// Number of logical processors.
    cpu_count: Option<IntFilter>,
    /// Total memory, in MB.
    ram_total: Option<IntFilter>,
    /// Class of the machine.
    machine_class: Option<IdFilter>,
}

impl Where for ExecutionContextWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let class = self.machine_class.map(|class| class.check("MachineClass", "where.machineClass"));
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
            machine_class: class.transpose()?.flatten(),
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// Sort keys of execution contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ExecutionContextOrderField {
    /// When the context was announced. Metrics that refer to it may have arrived earlier.
    Announced,
}

/// Sort order of execution contexts.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct ExecutionContextOrder {
    /// The sort key.
    by: ExecutionContextOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl From<ExecutionContextOrder> for list::Order<row::Sort> {
    fn from(ExecutionContextOrder { by, direction }: ExecutionContextOrder) -> Self {
        direction.order(match by {
            ExecutionContextOrderField::Announced => row::Sort::Announced,
        })
    }
}

#[derive(Default)]
pub struct ContextQuery;

graph_object! {
    impl ContextQuery {
        /// The announced execution context with this hash. Null if there is none.
        async fn context(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The hash that identifies the context.")] hash: String,
        ) -> Option<FieldResult<ExecutionContext>> {
            let row = announced::by_hash::<row::Entity>(&state_of(ctx).database.store, &hash).await;
            row.map(|row| row.and_then(ExecutionContext::announced)).map_err(|error| Error::from(error).into()).transpose()
        }
    }
    /// Number of execution contexts that match.
    count context_count: row::Entity;
    /// A numbered page of execution contexts, in the order announced.
    page context_page: row::Entity;
    /// All execution contexts.
    list contexts: row::Entity = |_| Parent::Root;
}
