//! Metrics as columns in memory.

use sea_orm::DbErr;

use crate::{
    history::{
        column::{Column, Dimension, passed_of_integer, passed_to_integer},
        rows::Rows,
        zone::{Range, Zone},
    },
    resource::Resource,
    table::metric::Model,
};

/// Returns the metric with these values of the columns of integers, and of the resources.
pub(crate) fn model(integers: [i64; 6], numbers: [f64; 5], started_at_text: Option<String>) -> Model {
    let [id, session_id, context_id, variant_id, started_at, passed] = integers;
    let [total_time, user_time, kernel_time, cpu_usage, memory_usage] = numbers;
    Model {
        id,
        session_id,
        context_id,
        variant_id,
        started_at,
        started_at_text,
        total_time,
        user_time,
        kernel_time,
        cpu_usage,
        memory_usage,
        passed: passed_of_integer(passed),
    }
}

/// Some metrics, in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Columns {
    /// By [`Column::index`].
    integers: [Vec<i64>; 6],
    /// In the order of [`Resource::ALL`].
    numbers: [Vec<f64>; 5],
    /// The start times that are not canonical, with their rows.
    texts: Vec<(usize, String)>,
}

impl Columns {
    /// Adds a metric.
    pub(crate) fn push(&mut self, row: &Model) {
        let passed = passed_to_integer(row.passed);
        let integers = [row.id, row.session_id, row.context_id, row.variant_id, row.started_at, passed];
        if let Some(text) = &row.started_at_text {
            self.texts.push((self.len(), text.clone()));
        }
        for (column, value) in self.integers.iter_mut().zip(integers) {
            column.push(value);
        }
        for resource in Resource::ALL {
            self.numbers[resource.index()].push(row.resource(resource));
        }
    }

    /// Returns the number of metrics.
    pub(crate) fn len(&self) -> usize {
        self.integers[0].len()
    }

    /// Returns a column of integers; none for a resource.
    pub(crate) fn integers(&self, column: Column) -> &[i64] {
        self.integers.get(column.index()).map_or(&[], Vec::as_slice)
    }

    /// Returns the values of a resource.
    pub(crate) fn numbers(&self, resource: Resource) -> &[f64] {
        &self.numbers[resource.index()]
    }

    /// Returns the start times that are not canonical, with their rows.
    pub(crate) fn texts(&self) -> &[(usize, String)] {
        &self.texts
    }

    /// Returns the metric at `row`.
    pub(crate) fn row(&self, row: usize) -> Model {
        let text = self.texts.iter().find(|(at, _)| *at == row);
        let (integers, numbers) = (self.integers.each_ref(), self.numbers.each_ref());
        model(integers.map(|column| column[row]), numbers.map(|column| column[row]), text.map(|(_, text)| text.clone()))
    }

    /// Returns all metrics.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Model> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Returns the ranges of the rows from `from` up to, but not including, `to`; `None` without rows.
    pub(crate) fn zone(&self, from: usize, to: usize) -> Option<Zone> {
        let integers = |column: Column| Range::of(&self.integers(column)[from..to]);
        let first = Range::of(&self.numbers[0][from..to])?;
        Some(Zone {
            keys: integers(Column::Key)?,
            sessions: integers(Column::Of(Dimension::Session))?,
            contexts: integers(Column::Of(Dimension::Context))?,
            started_at: integers(Column::StartedAt)?,
            resources: std::array::from_fn(|index| Range::of(&self.numbers[index][from..to]).unwrap_or(first)),
        })
    }
}

impl Rows for &Columns {
    fn rows(&self) -> usize {
        self.len()
    }

    fn integers(&mut self, column: Column) -> Result<&[i64], DbErr> {
        Ok(Columns::integers(self, column))
    }

    fn numbers(&mut self, resource: Resource) -> Result<&[f64], DbErr> {
        Ok(Columns::numbers(self, resource))
    }
}

impl<'a> FromIterator<&'a Model> for Columns {
    fn from_iter<I: IntoIterator<Item = &'a Model>>(rows: I) -> Self {
        let mut columns = Self::default();
        rows.into_iter().for_each(|row| columns.push(row));
        columns
    }
}
