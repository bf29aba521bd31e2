//! Measurements as clients send them. Lists of them can stay JSON text until they are stored.

use std::borrow::Cow;

use async_graphql::{InputObject, InputType, InputValueError, InputValueResult, Value, registry::Registry};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    graphql::scalars::{LocalDateTime, check_text},
    ingest::NewMetric,
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
            total_time,
            user_time,
            kernel_time,
            cpu_usage,
            memory_usage,
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

/// Whether `text` is a JSON list of valid measurements.
pub fn are_metrics(text: &str) -> bool {
    // `serde` would accept arrays of the values as well, so the items are checked to be objects.
    let items: Result<Vec<&RawValue>, _> = serde_json::from_str(text);
    let are_objects = items.is_ok_and(|items| items.iter().all(|item| item.get().starts_with('{')));
    let metrics: Result<Vec<MetricInput>, _> = serde_json::from_str(text);
    are_objects
        && metrics.is_ok_and(|metrics| metrics.iter().flat_map(MetricInput::texts).all(|text| check_text(text).is_ok()))
}

/// Measurements: either input values, or JSON text that [`are_metrics`] has validated, in a [`Value::Binary`].
#[derive(Debug)]
pub struct MetricInputs(pub Vec<MetricInput>);

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
