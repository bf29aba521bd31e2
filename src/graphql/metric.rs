//! Metrics: the facts that everything else hangs on.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject};
use entity::{
    announced::Announced,
    component as component_row, execution_context,
    filter::Tree,
    item as item_row, list, metric as row, session as session_row,
    variant::{self as variant_row, Words},
};
use quick_cache::sync::Cache;

use super::{
    Answer,
    component::Component,
    context::ExecutionContext,
    filter::{Connectives, DateTimeFilter, Direction, FloatFilter, StringFilter, Where, check},
    item::Item,
    loaders::{HashOf, Row, WordsOf},
    loaders_of, node,
    numbered::Page,
    object::graph_object,
    paging::{Listed, Of},
    scalar::LocalDateTime,
    served,
    session::Session,
    variant::Variant,
};
use crate::error::{Code, Error};

/// A metric with its words at hand.
pub struct Metric {
    row: row::Model,
    words: Arc<Words>,
    session_hash: Arc<str>,
    context_hash: Arc<str>,
}

impl Listed for Metric {
    type Entity = row::Entity;
    type Where = MetricWhere;
    type OrderBy = MetricOrder;

    async fn from_rows(ctx: &Context<'_>, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        let known = &served(ctx).known;
        let (words, sessions, contexts) = futures_util::try_join!(
            all_of(ctx, &known.variants, rows.iter().map(|row| row.variant_id), WordsOf),
            all_of(ctx, &known.sessions, rows.iter().map(|row| row.session_id), hash_of::<session_row::Entity>),
            all_of(ctx, &known.contexts, rows.iter().map(|row| row.context_id), hash_of::<execution_context::Entity>),
        )?;
        let rows = rows.into_iter().zip(words).zip(sessions.into_iter().zip(contexts));
        Ok(rows
            .map(|((row, words), (session_hash, context_hash))| Self { row, words, session_hash, context_hash })
            .collect())
    }

    async fn page(
        ctx: &Context<'_>,
        filter: &Tree<row::Filter>,
        number: u64,
        size: u64,
    ) -> Result<Vec<row::Model>, Error> {
        Ok(row::page(&served(ctx).database.reader, filter, number, size).await?)
    }

    async fn count(ctx: &Context<'_>, filter: &Tree<row::Filter>) -> Result<u64, Error> {
        Ok(row::count(&served(ctx).database.reader, filter).await?)
    }
}

fn hash_of<E: Announced>(id: i64) -> HashOf<E> {
    HashOf(Row::key(id))
}

/// What `ids` lead to, in their order: from memory, the rest in one statement.
async fn all_of<K: super::loaders::Key>(
    ctx: &Context<'_>,
    known: &Cache<i64, K::Value>,
    ids: impl Iterator<Item = i64> + Clone,
    key: fn(i64) -> K,
) -> Result<Vec<K::Value>, Error> {
    let mut found: Vec<Option<K::Value>> = ids.clone().map(|id| known.get(&id)).collect();
    let missing: Vec<K> = ids.clone().zip(&found).filter(|(_, value)| value.is_none()).map(|(id, _)| key(id)).collect();
    if !missing.is_empty() {
        let loaded = loaders_of(ctx).load_many(missing).await?;
        for (id, value) in ids.zip(&mut found).filter(|(_, value)| value.is_none()) {
            *value = loaded.get(&key(id)).cloned();
            if let Some(value) = value {
                known.insert(id, value.clone());
            }
        }
    }
    let complete: Option<Vec<_>> = found.into_iter().collect();
    complete.ok_or_else(|| Error::new(Code::Internal, "a metric's variant, session or context is not stored"))
}

graph_object! {
    /// One measurement of one test.
    impl Metric {
        /// The metric's key among all objects.
        pub(super) async fn id(&self) -> ID {
            node::global_id::<Self>(self.row.id)
        }

        /// The hash of its session, whether that was announced or not.
        async fn session_hash(&self) -> &str {
            &self.session_hash
        }

        /// The hash of its execution context, whether that was announced or not.
        async fn context_hash(&self) -> &str {
            &self.context_hash
        }

        /// When the test began, on the clock of its machine.
        async fn started_at(&self) -> LocalDateTime {
            LocalDateTime(self.row.started_at())
        }

        /// The name of its component; empty when it has none.
        async fn component_name(&self) -> &str {
            &self.words.component
        }

        /// The path of the test's module as Python imports it; empty when it has none.
        async fn item_path(&self) -> &str {
            &self.words.path
        }

        /// The test function's name.
        async fn item_name(&self) -> &str {
            &self.words.item
        }

        /// The test function's name with its parameters; empty for a whole module.
        async fn variant_name(&self) -> &str {
            &self.words.name
        }

        /// The test's file, relative to where pytest was started.
        async fn location(&self) -> &str {
            &self.words.location
        }

        /// What was measured: `function`, `module`, `class`, …
        async fn kind(&self) -> &str {
            &self.words.kind
        }

        /// Time from start to end, in seconds.
        async fn total_time(&self) -> f64 {
            self.row.total_time
        }

        /// Processor time in user space, in seconds.
        async fn user_time(&self) -> f64 {
            self.row.user_time
        }

        /// Processor time in the kernel, in seconds.
        async fn kernel_time(&self) -> f64 {
            self.row.kernel_time
        }

        /// Processor time over time, a ratio: 1 is one processor kept busy.
        async fn cpu_usage(&self) -> f64 {
            self.row.cpu_usage
        }

        /// Memory taken, in MB; negative where memory was given back.
        async fn memory_usage(&self) -> f64 {
            self.row.memory_usage
        }

        /// Whether the test passed; null when that was not told.
        async fn passed(&self) -> Option<bool> {
            self.row.passed
        }

        /// Its session; null until that is announced.
        async fn session(&self, ctx: &Context<'_>) -> Option<Answer<Session>> {
            let row = loaders_of(ctx).load(Row::<session_row::Entity>::key(self.row.session_id)).await;
            row.map(|row| row.and_then(Session::announced)).map_err(Into::into).transpose()
        }

        /// The machine and Python it was measured on; null until that context is announced.
        async fn context(&self, ctx: &Context<'_>) -> Option<Answer<ExecutionContext>> {
            let row = loaders_of(ctx).load(Row::<execution_context::Entity>::key(self.row.context_id)).await;
            row.map(|row| row.and_then(ExecutionContext::announced)).map_err(Into::into).transpose()
        }

        /// The test that was measured, with its parameters.
        async fn variant(&self, ctx: &Context<'_>) -> Answer<Variant> {
            stored(ctx, self.row.variant_id, Row::<variant_row::Entity>::key).await.map(Variant)
        }

        /// The test function that was measured.
        async fn item(&self, ctx: &Context<'_>) -> Answer<Item> {
            stored(ctx, self.words.item_id, Row::<item_row::Entity>::key).await.map(Item)
        }

        /// The component that the test watches over; that without a name when it has none.
        async fn component(&self, ctx: &Context<'_>) -> Answer<Component> {
            stored(ctx, self.words.component_id, Row::<component_row::Entity>::key).await.map(Component)
        }
    }
}

/// The row that a stored reference leads to.
pub async fn stored<E: list::Noun>(ctx: &Context<'_>, id: i64, key: fn(i64) -> Row<E>) -> Answer<E::Model> {
    let row = loaders_of(ctx).load(key(id)).await?;
    Ok(row.ok_or_else(|| Error::new(Code::Internal, "a reference leads nowhere"))?)
}

/// Which metrics. Every condition given must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct MetricWhere {
    /// All of these must hold.
    and: Option<Vec<MetricWhere>>,
    /// At least one of these must hold.
    or: Option<Vec<MetricWhere>>,
    /// This must not hold.
    not: Option<Box<MetricWhere>>,
    /// The hash of the session.
    session: Option<StringFilter>,
    /// The hash of the execution context.
    context: Option<StringFilter>,
    /// The name of the component.
    component: Option<StringFilter>,
    /// The path of the test's module.
    path: Option<StringFilter>,
    /// The name of the test function.
    item: Option<StringFilter>,
    /// The test function's name with its parameters.
    variant: Option<StringFilter>,
    /// The file.
    location: Option<StringFilter>,
    /// What was measured: `function`, `module`, …
    kind: Option<StringFilter>,
    /// The revision under test, of an announced session.
    scm_ref: Option<StringFilter>,
    /// The name of the pipeline, of an announced session.
    pipeline: Option<StringFilter>,
    /// The name of the build, of an announced session.
    build: Option<StringFilter>,
    /// When the test began.
    started_at: Option<DateTimeFilter>,
    /// Time from start to end, in seconds.
    total_time: Option<FloatFilter>,
    /// Processor time in user space, in seconds.
    user_time: Option<FloatFilter>,
    /// Processor time in the kernel, in seconds.
    kernel_time: Option<FloatFilter>,
    /// Processor time over time, a ratio.
    cpu_usage: Option<FloatFilter>,
    /// Memory taken, in MB.
    memory_usage: Option<FloatFilter>,
    /// Whether the test passed; metrics that don't tell never match.
    passed: Option<bool>,
}

impl Where for MetricWhere {
    type Filter = row::Filter;

    fn parts(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            session: check!(self.session, "session"),
            context: check!(self.context, "context"),
            variant: variant_row::Filter {
                name: check!(self.variant, "variant"),
                location: check!(self.location, "location"),
                kind: check!(self.kind, "kind"),
                item: check!(self.item, "item"),
                path: check!(self.path, "path"),
                component: check!(self.component, "component"),
            },
            scm_ref: check!(self.scm_ref, "scmRef"),
            pipeline: check!(self.pipeline, "pipeline"),
            build: check!(self.build, "build"),
            started_at: check!(self.started_at, "startedAt"),
            total_time: check!(self.total_time, "totalTime"),
            user_time: check!(self.user_time, "userTime"),
            kernel_time: check!(self.kernel_time, "kernelTime"),
            cpu_usage: check!(self.cpu_usage, "cpuUsage"),
            memory_usage: check!(self.memory_usage, "memoryUsage"),
            passed: self.passed,
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// What metrics can be ordered by. For the highest and lowest figures there is `topMetrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum MetricOrderField {
    /// When the metric was recorded.
    Inserted,
    /// When the test began.
    StartedAt,
}

/// The order of a list of metrics.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct MetricOrder {
    /// What to order by.
    by: MetricOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

impl From<MetricOrder> for list::Order<row::Sort> {
    fn from(MetricOrder { by, direction }: MetricOrder) -> Self {
        direction.of(match by {
            MetricOrderField::Inserted => row::Sort::Inserted,
            MetricOrderField::StartedAt => row::Sort::StartedAt,
        })
    }
}

#[derive(Default)]
pub struct MetricQuery;

graph_object! {
    impl MetricQuery {
        /// How many metrics match.
        async fn metric_count(
            &self,
            ctx: &Context<'_>,
            #[graphql(name = "where", desc = "Only those that match.")] filter: Option<MetricWhere>,
        ) -> Answer<u64> {
            let filter = filter.map(Where::check).transpose()?.unwrap_or_default();
            Ok(Metric::count(ctx, &filter).await?)
        }

        /// A numbered page of metrics, in the order recorded.
        async fn metric_page(
            &self,
            ctx: &Context<'_>,
            #[graphql(name = "where", desc = "Only those that match.")] filter: Option<MetricWhere>,
            #[graphql(desc = "From 1; negative numbers count from the end.", default_with = "Some(1)")] page: Option<i64>,
        ) -> Answer<Page<Metric>> {
            Page::read(ctx, filter, page).await
        }
    }
    /// All metrics.
    list metrics: Metric = |_| Of::Everyone;
}
