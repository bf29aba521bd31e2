//! Records those of several measurements that are missing, for clients that send files.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        schema::{
            metric_input::MetricInputs,
            user_error::{UserError, split_user_errors},
        },
        state::state_of,
    },
    ingest::{Missing, NewMetric, NumberedMetric},
};

/// Measurements of which to record those that are missing, in one transaction.
#[derive(Debug, InputObject)]
pub struct RecordMissingMetricsInput {
    /// The measurements, at most 10,000.
    metrics: MetricInputs,
    /// For each of them, its number among the equal ones of its source, from 1. Default: they are counted
    /// within this list.
    ordinals: Option<Vec<i32>>,
}

/// The result of recording those of several measurements that were missing.
#[derive(SimpleObject)]
pub struct RecordMissingMetricsPayload {
    /// Number of measurements that were missing, and are stored now.
    stored_count: u64,
    /// Number of measurements that were stored already.
    present_count: u64,
    /// The reasons why none was stored. Empty on success.
    user_errors: Vec<UserError>,
}

/// Returns measurements with their numbers.
fn numbered(metrics: Vec<NewMetric>, ordinals: Option<Vec<i32>>) -> Result<Vec<NumberedMetric>, Error> {
    let Some(ordinals) = ordinals else {
        return Ok(metrics.into_iter().map(|metric| NumberedMetric { metric, ordinal: None }).collect());
    };
    if ordinals.len() != metrics.len() {
        let (given, wanted) = (ordinals.len(), metrics.len());
        return Err(Error::bad_input(format!("ordinals: {given} were given for {wanted} metrics: give one for each")));
    }
    let numbered = metrics.into_iter().zip(ordinals).map(|(metric, ordinal)| match u32::try_from(ordinal) {
        Ok(ordinal) if ordinal > 0 => Ok(NumberedMetric { metric, ordinal: Some(ordinal) }),
        _ => Err(Error::bad_input(format!("ordinals: {ordinal} is none: they begin with 1"))),
    });
    numbered.collect()
}

#[derive(Default)]
pub struct RecordMissingMutation;

#[Object]
impl RecordMissingMutation {
    /// Records those of several measurements that are missing, in one transaction. A measurement is missing if fewer
    /// than its ordinal are stored that equal it in all fields. So what is sent again is stored once, whatever became
    /// of the first response.
    async fn record_missing_metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The measurements to record.")] input: RecordMissingMetricsInput,
    ) -> FieldResult<RecordMissingMetricsPayload> {
        let state = state_of(ctx);
        let metrics = input.metrics.0.into_iter().map(Into::into).collect();
        let recorded = match numbered(metrics, input.ordinals) {
            Ok(metrics) => state.ingest.record_missing(&state.database.store, metrics).await,
            Err(error) => Err(error),
        };
        let (recorded, user_errors) = split_user_errors(recorded, "metrics")?;
        let Missing { stored, present } = recorded.unwrap_or_default();
        Ok(RecordMissingMetricsPayload { stored_count: stored, present_count: present, user_errors })
    }
}
