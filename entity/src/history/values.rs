//! The values of a resource, one by one.

use std::sync::Arc;

use sea_orm::DbErr;

use crate::{
    driver::source::Source,
    history::{
        column::Column,
        mask::Mask,
        parallel::{Sink, read_all},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::Scan,
    },
    resource::Resource,
};

/// Number of values that one thread reads, at most: 24 MB of memory.
const MAX_VALUES: usize = 1 << 20;

/// A value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// When the test began, in microseconds.
    pub started_at: i64,
    /// The key of the metric.
    pub metric: i64,
    /// The value of the resource.
    pub value: f64,
}

/// The values that one thread has read.
struct Values {
    resource: Resource,
    values: Vec<Value>,
}

impl Sink for Values {
    fn columns(&self, columns: &mut Vec<Column>) {
        columns.extend([Column::Key, Column::StartedAt, Column::Resource(self.resource)]);
    }

    fn take(&mut self, part: &mut Part, _page: usize, matches: Mask) -> Result<(), DbErr> {
        let first = self.values.len();
        if first > MAX_VALUES {
            return Err(DbErr::Custom(format!("there are more than {MAX_VALUES} values: narrow the filter")));
        }
        let keys = part.integers(Column::Key)?;
        self.values.extend(matches.rows().map(|row| Value { started_at: 0, metric: keys[row], value: 0.0 }));
        let started_at = part.integers(Column::StartedAt)?;
        for (value, row) in self.values[first..].iter_mut().zip(matches.rows()) {
            value.started_at = started_at[row];
        }
        let numbers = part.numbers(self.resource)?;
        for (value, row) in self.values[first..].iter_mut().zip(matches.rows()) {
            value.value = numbers[row];
        }
        Ok(())
    }
}

/// Returns the values of the metrics that match, in the order in which the tests began; those that began together, in order of
/// insertion.
///
/// # Errors
/// If there are too many, the database fails, or a page is damaged.
pub(crate) async fn values_of<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: Predicate,
    resource: Resource,
) -> Result<Vec<Value>, DbErr> {
    let sinks = read_all(scan, &Arc::new(predicate), || Values { resource, values: Vec::new() }).await?;
    let mut values: Vec<Value> = sinks.into_iter().flat_map(|sink| sink.values).collect();
    values.sort_unstable_by_key(|value| (value.started_at, value.metric));
    Ok(values)
}
