//! Recording metrics, and hearing of them.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{
    Context, InputObject, InputType, InputValueError, InputValueResult, Object, SimpleObject, Subscription, Value,
    registry::Registry,
};
use entity::table::variant::Words;
use futures_util::Stream;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    config::Scope,
    graphql::{
        directive::access,
        error::{Answer, Failure},
        lists::json_writer::{Items, One},
        live::feed,
        scalars::{LocalDateTime, check_text},
        schema::{
            metric::{Metric, MetricWhere},
            user_error::{self, UserError},
        },
        state::{Known, Served, served},
    },
    ingest::{Ingest, NewMetric, Recorded},
};

/// A measurement to record.
#[derive(Debug, InputObject, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricInput {
    /// Hash of its session, which may be announced later.
    session_hash: String,
    /// Hash of its execution context, which may be announced later.
    context_hash: String,
    /// Start time of the test, on the clock of its machine.
    started_at: LocalDateTime,
    /// Name of the component under test. Empty if there is none.
    component_name: String,
    /// Dotted import path of the test module.
    item_path: String,
    /// Name of the test function.
    item_name: String,
    /// Name of the test function with its parameters. Empty for a whole module.
    variant_name: String,
    /// File of the test, relative to pytest's rootdir.
    location: String,
    /// What was measured: `function`, `module` or a word of your own.
    kind: String,
    /// Wall-clock time, in seconds. The plugin includes the garbage collection before the test, but no fixtures.
    total_time: f64,
    /// CPU time in user mode, in seconds. The plugin sends that of the process, with function-scoped fixtures and
    /// without child processes.
    user_time: f64,
    /// CPU time in kernel mode, in seconds. The plugin sends that of the process, with function-scoped fixtures and
    /// without child processes.
    kernel_time: f64,
    /// CPU time divided by total time, a ratio. The plugin includes function-scoped fixtures in the CPU time only, so
    /// one thread can be far above 1. It includes no child processes.
    cpu_usage: f64,
    /// Memory, in MB. The plugin sends the peak memory minus the memory of the process at the start of the session,
    /// which depends on the test order.
    memory_usage: f64,
    /// Whether the test passed. The plugin never sends it.
    passed: Option<bool>,
}

impl From<MetricInput> for NewMetric {
    fn from(input: MetricInput) -> Self {
        let MetricInput {
            session_hash,
            context_hash,
            started_at: LocalDateTime(started_at),
            component_name,
            item_path,
            item_name,
            variant_name,
            location,
            kind,
            total_time,
            user_time,
            kernel_time,
            cpu_usage,
            memory_usage,
            passed,
        } = input;
        // SQLite keeps no negative zero; so that both engines answer the same, neither does PostgreSQL.
        let positive_zero = |figure: f64| figure + 0.0;
        Self {
            session_hash,
            context_hash,
            started_at,
            component: component_name,
            item_path,
            item: item_name,
            variant: variant_name,
            location,
            kind,
            total_time: positive_zero(total_time),
            user_time: positive_zero(user_time),
            kernel_time: positive_zero(kernel_time),
            cpu_usage: positive_zero(cpu_usage),
            memory_usage: positive_zero(memory_usage),
            passed,
        }
    }
}

impl MetricInput {
    fn texts(&self) -> [&str; 8] {
        let Self {
            session_hash, context_hash, component_name, item_path, item_name, variant_name, location, kind, ..
        } = self;
        [session_hash, context_hash, component_name, item_path, item_name, variant_name, location, kind]
    }
}

/// Whether a text is a JSON list of objects that are measurements.
pub fn are_metrics(text: &str) -> bool {
    // Lists of values in the order of the members would be taken, too.
    let items: Result<Vec<&RawValue>, _> = serde_json::from_str(text);
    let are_objects = items.is_ok_and(|items| items.iter().all(|item| item.get().starts_with('{')));
    let metrics: Result<Vec<MetricInput>, _> = serde_json::from_str(text);
    are_objects
        && metrics.is_ok_and(|metrics| metrics.iter().flat_map(MetricInput::texts).all(|text| check_text(text).is_ok()))
}

/// Measurements, as values or as a text that was found to be such ([`are_metrics`]).
#[derive(Debug)]
struct MetricInputs(Vec<MetricInput>);

impl InputType for MetricInputs {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <Vec<MetricInput> as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<MetricInput> as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        match value {
            Some(Value::Binary(text)) => serde_json::from_slice(&text).map(Self).map_err(InputValueError::custom),
            value => Vec::parse(value).map(Self).map_err(InputValueError::propagate),
        }
    }

    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

/// Measurements to record in one transaction.
#[derive(Debug, InputObject)]
pub struct RecordMetricsInput {
    /// The measurements, at most 10,000. Either all are stored or none.
    metrics: MetricInputs,
}

/// The result of recording a measurement.
#[derive(SimpleObject)]
pub struct RecordMetricPayload {
    /// The stored metric. Null if it was not stored (see `userErrors`), or if one of its fields failed to resolve (see
    /// the response's `errors`); in the latter case the metric is stored nevertheless.
    metric: Option<One<Metric>>,
    /// The reasons why it was not stored. Empty on success.
    user_errors: Vec<UserError>,
}

/// The result of recording several measurements.
pub struct RecordMetricsPayload {
    metrics: Items<Metric>,
    user_errors: Vec<UserError>,
}

/// The result of recording several measurements.
#[Object]
impl RecordMetricsPayload {
    /// The stored metrics, in the given order. Empty if there are user errors. For the query cost this list counts as
    /// 10,000 items.
    #[graphql(complexity = "Ingest::MOST_AT_ONCE * child_complexity")]
    async fn metrics(&self) -> &Items<Metric> {
        &self.metrics
    }

    /// The reasons why they were not stored. Empty on success.
    async fn user_errors(&self) -> &[UserError] {
        &self.user_errors
    }
}

/// What was recorded, in its order. Nothing is read: whoever stores does not wait for those who read.
fn metrics_of(served: &Served, recorded: Vec<Recorded>) -> Vec<Metric> {
    let known = served.known();
    let Known { variants, sessions, contexts, .. } = &*known;
    let remembered = |cache: &Cache<i64, Arc<str>>, id, hash: String| {
        cache.get(&id).unwrap_or_else(|| {
            let hash: Arc<str> = hash.into();
            cache.insert(id, Arc::clone(&hash));
            hash
        })
    };
    let metric = |Recorded { sent, row, item_id, component_id }| {
        let NewMetric { session_hash, context_hash, component, item_path, item, variant, location, kind, .. } = sent;
        let id = row.variant_id;
        let words = variants.get(&id).unwrap_or_else(|| {
            let (path, name) = (item_path, variant);
            let words = Arc::new(Words { id, item_id, component_id, component, path, item, name, location, kind });
            variants.insert(id, Arc::clone(&words));
            words
        });
        let session_hash = remembered(sessions, row.session_id, session_hash);
        let context_hash = remembered(contexts, row.context_id, context_hash);
        Metric { row, words, session_hash, context_hash }
    };
    recorded.into_iter().map(metric).collect()
}

#[derive(Default)]
pub struct RecordMutation;

#[Object]
impl RecordMutation {
    /// Records one measurement.
    async fn record_metric(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The measurement to record.")] input: MetricInput,
    ) -> Answer<RecordMetricPayload> {
        let outcome = served(ctx).ingest.record(vec![input.into()]).await;
        let (recorded, user_errors) = user_error::part(outcome, "")?;
        let metric = metrics_of(served(ctx), recorded.unwrap_or_default()).pop().map(One);
        Ok(RecordMetricPayload { metric, user_errors })
    }

    /// Records several measurements in one transaction.
    async fn record_metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The measurements to record.")] input: RecordMetricsInput,
    ) -> Answer<RecordMetricsPayload> {
        let metrics = input.metrics.0.into_iter().map(Into::into).collect();
        let (recorded, user_errors) = user_error::part(served(ctx).ingest.record(metrics).await, "metrics")?;
        let metrics = if ctx.look_ahead().field("metrics").exists() {
            metrics_of(served(ctx), recorded.unwrap_or_default())
        } else {
            Vec::new()
        };
        Ok(RecordMetricsPayload { metrics: metrics.into(), user_errors })
    }
}

#[derive(Default)]
pub struct RecordSubscription;

#[Subscription]
impl RecordSubscription {
    /// Each metric recorded from now on, pushed once it is on disk.
    #[graphql(directive = access::apply(Scope::Read))]
    async fn metric_recorded(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Filter: return only items that match.")] filter: Option<MetricWhere>,
    ) -> Result<impl Stream<Item = Arc<Metric>>, Failure> {
        Ok(feed::follow(ctx, filter)?)
    }
}
