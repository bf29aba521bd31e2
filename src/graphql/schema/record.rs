//! Records metrics, and subscribes to recorded metrics.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Object, SimpleObject, Subscription};
use entity::table::variant::VariantNames;
use futures_util::Stream;
use quick_cache::sync::Cache;

use crate::{
    config::Scope,
    graphql::{
        directive::access,
        error::{FieldError, FieldResult},
        lists::json_writer::{Items, One},
        live::feed,
        schema::{
            metric::Metric,
            metric_input::{MetricInput, MetricInputs},
            metric_where::MetricWhere,
            user_error::{UserError, split_user_errors},
        },
        state::{GraphState, ObjectCaches, state_of},
    },
    ingest::{NewMetric, Recorded},
};

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
    #[graphql(complexity = "crate::ingest::MAX_METRICS * child_complexity")]
    async fn metrics(&self) -> &Items<Metric> {
        &self.metrics
    }

    /// The reasons why they were not stored. Empty on success.
    async fn user_errors(&self) -> &[UserError] {
        &self.user_errors
    }
}

/// Converts recorded metrics to objects, in their order. Uses what was sent instead of a query: writers do not wait for a reader
/// connection.
fn metrics_of(state: &GraphState, recorded: Vec<Recorded>) -> Vec<Metric> {
    let caches = state.caches();
    let ObjectCaches { variants, sessions, contexts, .. } = &*caches;
    let cached_hash = |cache: &Cache<i64, Arc<str>>, id, hash: String| {
        cache.get(&id).unwrap_or_else(|| {
            let hash: Arc<str> = hash.into();
            cache.insert(id, Arc::clone(&hash));
            hash
        })
    };
    let metric = |Recorded { sent, row, item_id, component_id }| {
        let NewMetric { session_hash, context_hash, component, item_path, item, variant, location, kind, .. } = sent;
        let id = row.variant_id;
        let names = variants.get(&id).unwrap_or_else(|| {
            let (path, name) = (item_path, variant);
            let names =
                Arc::new(VariantNames { id, item_id, component_id, component, path, item, name, location, kind });
            variants.insert(id, Arc::clone(&names));
            names
        });
        let session_hash = cached_hash(sessions, row.session_id, session_hash);
        let context_hash = cached_hash(contexts, row.context_id, context_hash);
        Metric { row, names, session_hash, context_hash }
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
    ) -> FieldResult<RecordMetricPayload> {
        let recorded = state_of(ctx).ingest.record(vec![input.into()]).await;
        let (recorded, user_errors) = split_user_errors(recorded, "")?;
        let metric = metrics_of(state_of(ctx), recorded.unwrap_or_default()).pop().map(One);
        Ok(RecordMetricPayload { metric, user_errors })
    }

    /// Records several measurements in one transaction.
    async fn record_metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The measurements to record.")] input: RecordMetricsInput,
    ) -> FieldResult<RecordMetricsPayload> {
        let metrics = input.metrics.0.into_iter().map(Into::into).collect();
        let (recorded, user_errors) = split_user_errors(state_of(ctx).ingest.record(metrics).await, "metrics")?;
        let metrics = if ctx.look_ahead().field("metrics").exists() {
            metrics_of(state_of(ctx), recorded.unwrap_or_default())
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
    ) -> Result<impl Stream<Item = Arc<Metric>>, FieldError> {
        Ok(feed::follow(ctx, filter)?)
    }
}
