//! The zone map: the least and the greatest value of each column in some rows, by which a scan passes over them.

use crate::{resource::Resource, table::segment};

/// The least and the greatest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range<T> {
    pub(crate) least: T,
    pub(crate) greatest: T,
}

impl<T: Copy + PartialOrd> Range<T> {
    /// Returns the range of `values`; `None` without any.
    pub(crate) fn of(values: &[T]) -> Option<Self> {
        let (first, rest) = values.split_first()?;
        let first = Self { least: *first, greatest: *first };
        Some(rest.iter().fold(first, |range, value| range.with(Self { least: *value, greatest: *value })))
    }

    /// Returns the range of both.
    pub(crate) fn with(self, other: Self) -> Self {
        let least = if other.least < self.least { other.least } else { self.least };
        let greatest = if other.greatest > self.greatest { other.greatest } else { self.greatest };
        Self { least, greatest }
    }
}

/// The ranges of the columns of some rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zone {
    /// Of the keys of the metrics.
    pub(crate) keys: Range<i64>,
    /// Of the keys of sessions.
    pub(crate) sessions: Range<i64>,
    /// Of the keys of contexts.
    pub(crate) contexts: Range<i64>,
    /// Of when the tests began, in microseconds.
    pub(crate) started_at: Range<i64>,
    /// Of the values of each resource, in the order of [`Resource::ALL`].
    pub(crate) resources: [Range<f64>; 5],
}

impl Zone {
    /// Returns the ranges of the rows of both.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            keys: self.keys.with(other.keys),
            sessions: self.sessions.with(other.sessions),
            contexts: self.contexts.with(other.contexts),
            started_at: self.started_at.with(other.started_at),
            resources: std::array::from_fn(|index| self.resources[index].with(other.resources[index])),
        }
    }

    /// Returns the ranges of a segment.
    pub(crate) fn of_segment(row: &segment::Model) -> Self {
        Self {
            keys: Range { least: row.first_metric_id, greatest: row.last_metric_id },
            sessions: Range { least: row.min_session_id, greatest: row.max_session_id },
            contexts: Range { least: row.min_context_id, greatest: row.max_context_id },
            started_at: Range { least: row.min_started_at, greatest: row.max_started_at },
            resources: [
                Range { least: row.min_total_time, greatest: row.max_total_time },
                Range { least: row.min_user_time, greatest: row.max_user_time },
                Range { least: row.min_kernel_time, greatest: row.max_kernel_time },
                Range { least: row.min_cpu_usage, greatest: row.max_cpu_usage },
                Range { least: row.min_memory_usage, greatest: row.max_memory_usage },
            ],
        }
    }

    /// Returns the row, without a key, of a segment with these ranges.
    pub(crate) fn segment(self, metric_count: i64, page_size: i64) -> segment::Model {
        let Self { keys, sessions, contexts, started_at, resources: [total, user, kernel, cpu, memory] } = self;
        segment::Model {
            id: 0,
            first_metric_id: keys.least,
            last_metric_id: keys.greatest,
            metric_count,
            page_size,
            min_session_id: sessions.least,
            max_session_id: sessions.greatest,
            min_context_id: contexts.least,
            max_context_id: contexts.greatest,
            min_started_at: started_at.least,
            max_started_at: started_at.greatest,
            min_total_time: total.least,
            max_total_time: total.greatest,
            min_user_time: user.least,
            max_user_time: user.greatest,
            min_kernel_time: kernel.least,
            max_kernel_time: kernel.greatest,
            min_cpu_usage: cpu.least,
            max_cpu_usage: cpu.greatest,
            min_memory_usage: memory.least,
            max_memory_usage: memory.greatest,
        }
    }

    /// Returns the range of `resource`.
    pub(crate) fn resource(&self, resource: Resource) -> Range<f64> {
        self.resources[resource.index()]
    }
}
