//! Metrics: one measurement of one test each.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject};
use entity::{
    announced::Announced,
    filter::Tree,
    list,
    query::metrics::{self, Pages},
    table::{
        component as component_row, execution_context, item as item_row, metric as row, session as session_row,
        variant::{self as variant_row, VariantNames},
    },
};

use crate::{
    config::Scope,
    error::Error,
    graphql::{
        directive::access,
        error::FieldResult,
        lists::{
            connection::Parent,
            dataloader::{Loaders, load_cached, loaders_of},
            filter::Direction,
            json_writer::ToOne,
            listed::{Exposed, Listed, WritableEdge},
            loader_keys::{HashById, RowById, VariantNamesById, load_row},
            object::graph_object,
            page_number::page_number,
        },
        live::feed::Live,
        scalars::LocalDateTime,
        schema::{
            component::Component, execution_context::ExecutionContext, global_id::global_id, item::Item,
            metric_where::MetricWhere, session::Session, variant::Variant,
        },
        state::{GraphState, state_of},
    },
    ingest::Watermark,
};

/// A metric with the names and hashes that its row refers to.
pub struct Metric {
    pub(crate) row: row::Model,
    pub(crate) names: Arc<VariantNames>,
    pub(crate) session_hash: Arc<str>,
    pub(crate) context_hash: Arc<str>,
}

impl Exposed for row::Entity {
    type Object = Metric;
}

impl Listed for Metric {
    type Entity = row::Entity;
    type Where = MetricWhere;
    type OrderBy = MetricOrder;

    async fn from_rows(ctx: &Context<'_>, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        Self::objects(state_of(ctx), loaders_of(ctx), rows).await
    }

    fn edge(field: &str) -> Option<&'static dyn WritableEdge<Self>> {
        const SESSION: ToOne<Metric, Session> =
            ToOne { key: |metric| Some(metric.row.session_id), object: Session::announced, is_nullable: true };
        const CONTEXT: ToOne<Metric, ExecutionContext> =
            ToOne { key: |metric| Some(metric.row.context_id), object: ExecutionContext::announced, is_nullable: true };
        const VARIANT: ToOne<Metric, Variant> =
            ToOne { key: |metric| Some(metric.row.variant_id), object: |row| Some(Variant(row)), is_nullable: false };
        const ITEM: ToOne<Metric, Item> =
            ToOne { key: |metric| Some(metric.names.item_id), object: |row| Some(Item(row)), is_nullable: false };
        const COMPONENT: ToOne<Metric, Component> = ToOne {
            key: |metric| Some(metric.names.component_id),
            object: |row| Some(Component(row)),
            is_nullable: false,
        };
        match field {
            "session" => Some(&SESSION),
            "context" => Some(&CONTEXT),
            "variant" => Some(&VARIANT),
            "item" => Some(&ITEM),
            "component" => Some(&COMPONENT),
            _ => None,
        }
    }

    async fn page(
        ctx: &Context<'_>,
        filter: &Tree<row::Filter>,
        number: Option<i64>,
        size: u64,
    ) -> Result<(Vec<row::Model>, u64), Error> {
        let db = &state_of(ctx).database.store;
        let pages = Pages::of(db, filter).await?;
        let number = page_number(number, pages.total, size)?;
        Ok((pages.page(number, size).await?, pages.total))
    }

    async fn count(ctx: &Context<'_>, filter: &Tree<row::Filter>) -> Result<u64, Error> {
        Ok(metrics::count(&state_of(ctx).database.store, filter).await?)
    }
}

impl Live for Metric {
    fn number(latest: &Watermark) -> i64 {
        latest.metric
    }

    async fn objects(state: &GraphState, loaders: &Loaders, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        let caches = state.caches();
        let (names, sessions, contexts) = futures_util::try_join!(
            load_cached(loaders, &caches.variants, rows.iter().map(|row| row.variant_id), VariantNamesById),
            load_cached(
                loaders,
                &caches.sessions,
                rows.iter().map(|row| row.session_id),
                hash_of::<session_row::Entity>
            ),
            load_cached(
                loaders,
                &caches.contexts,
                rows.iter().map(|row| row.context_id),
                hash_of::<execution_context::Entity>
            ),
        )?;
        let rows = rows.into_iter().zip(names).zip(sessions.into_iter().zip(contexts));
        Ok(rows
            .map(|((row, names), (session_hash, context_hash))| Self { row, names, session_hash, context_hash })
            .collect())
    }

    fn matches(&self, filter: &row::Filter) -> Option<bool> {
        filter.matches(&self.row, &self.names, &self.session_hash, &self.context_hash)
    }
}

fn hash_of<E: Announced>(id: i64) -> HashById<E> {
    HashById(RowById::new(id))
}

graph_object! {
    /// One measurement of one test. pytest-monitor measures test functions that pass and, on request, whole modules. It
    /// sends nothing for failed tests, or for unittest, doctest and anyio tests. An async test whose plugin is missing
    /// never runs, but is sent.
    impl Metric {
        scalars {
            /// Global ID of the metric.
            fn id(&self) -> ID {
                global_id::<Self>(self.row.id)
            }

            /// Hash of its session, which may not have been announced yet.
            fn session_hash(&self) -> &str {
                &self.session_hash
            }

            /// Hash of its execution context, which may not have been announced yet.
            fn context_hash(&self) -> &str {
                &self.context_hash
            }

            /// Start time of the test function, after fixture setup, on the clock of its machine.
            fn started_at(&self) -> LocalDateTime {
                LocalDateTime(self.row.started_at())
            }

            /// Name of the component, set in the module or on the command line. Empty if there is none.
            fn component_name(&self) -> &str {
                &self.names.component
            }

            /// Dotted import path of the test module; for a whole module, of its package.
            fn item_path(&self) -> &str {
                &self.names.path
            }

            /// Name of the test function, without class and parameters; for a whole module, the name of the module.
            fn item_name(&self) -> &str {
                &self.names.item
            }

            /// Name of the test function with its parameters, without its class. Parameters are separated by `, `,
            /// where pytest has `-`. Empty for a whole module.
            fn variant_name(&self) -> &str {
                &self.names.name
            }

            /// File of the test, relative to pytest's rootdir.
            fn location(&self) -> &str {
                &self.names.location
            }

            /// What was measured: `function`, or `module` for the time from a module's first test to its last.
            fn kind(&self) -> &str {
                &self.names.kind
            }

            /// Wall-clock time, in seconds. Fixtures are not included. The garbage collection before the test (unless
            /// `--no-gc` is set) and the start of the memory sampler are included, together 20 to 300 ms. Tests that
            /// change the clock distort it.
            fn total_time(&self) -> f64 {
                self.row.total_time
            }

            /// CPU time of the process in user mode, in seconds. Includes function-scoped fixtures, but no child
            /// processes.
            fn user_time(&self) -> f64 {
                self.row.user_time
            }

            /// CPU time of the process in kernel mode, in seconds. Includes function-scoped fixtures, but no child
            /// processes.
            fn kernel_time(&self) -> f64 {
                self.row.kernel_time
            }

            /// User and kernel time divided by total time, a ratio; 1 is one fully used processor. CPU time includes
            /// function-scoped fixtures, and total time does not, so one thread can be far above 1. Child processes are
            /// not included.
            fn cpu_usage(&self) -> f64 {
                self.row.cpu_usage
            }

            /// Peak memory of the process during the test minus its memory at the start of the session, in MB (1 MB =
            /// 1024 × 1024 bytes). For a module, its memory at the end of the module. Includes memory not released by
            /// earlier tests, so it depends on the test order. Can be negative.
            fn memory_usage(&self) -> f64 {
                self.row.memory_usage
            }

            /// Whether the test passed. Null if not sent; the plugin never sends it.
            fn passed(&self) -> Option<bool> {
                self.row.passed
            }
        }

        /// Its session. Null until the session is announced.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn session(&self, ctx: &Context<'_>) -> Option<FieldResult<Session>> {
            let row = loaders_of(ctx).load(RowById::<session_row::Entity>::new(self.row.session_id)).await;
            row.map(|row| row.and_then(Session::announced)).map_err(Into::into).transpose()
        }

        /// The machine and Python it was measured on. Null until the context is announced.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn context(&self, ctx: &Context<'_>) -> Option<FieldResult<ExecutionContext>> {
            let row = loaders_of(ctx).load(RowById::<execution_context::Entity>::new(self.row.context_id)).await;
            row.map(|row| row.and_then(ExecutionContext::announced)).map_err(Into::into).transpose()
        }

        /// The measured test with its parameters. The plugin does not send classes: methods of the same name in several
        /// classes of a module are one variant with several metrics in each session.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn variant(&self, ctx: &Context<'_>) -> FieldResult<Variant> {
            load_row::<variant_row::Entity>(ctx, self.row.variant_id).await.map(Variant)
        }

        /// The measured test function.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn item(&self, ctx: &Context<'_>) -> FieldResult<Item> {
            load_row::<item_row::Entity>(ctx, self.names.item_id).await.map(Item)
        }

        /// The component under test. Tests without one belong to the component with the empty name.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn component(&self, ctx: &Context<'_>) -> FieldResult<Component> {
            load_row::<component_row::Entity>(ctx, self.names.component_id).await.map(Component)
        }
    }
}

/// Sort keys of metrics. To rank by a resource, use `topMetrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum MetricOrderField {
    /// When the metric was recorded.
    Inserted,
    /// Filter by the start time of the test.
    StartedAt,
}

/// Sort order of metrics.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct MetricOrder {
    /// The sort key.
    by: MetricOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl From<MetricOrder> for list::Order<row::Sort> {
    fn from(MetricOrder { by, direction }: MetricOrder) -> Self {
        direction.order(match by {
            MetricOrderField::Inserted => row::Sort::Inserted,
            MetricOrderField::StartedAt => row::Sort::StartedAt,
        })
    }
}

#[derive(Default)]
pub struct MetricQuery;

graph_object! {
    impl MetricQuery {
    }
    /// Number of metrics that match.
    count metric_count: row::Entity;
    /// A numbered page of metrics, in the order recorded.
    page metric_page: row::Entity;
    /// All metrics.
    list metrics: row::Entity = |_| Parent::Root;
}
