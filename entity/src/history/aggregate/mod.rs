//! Aggregates: counts, sums and percentiles of the values of a resource, by group.
//!
//! All processors read parts of the history side by side. Sums are exact and percentiles are selected among all values, so neither
//! the order of metrics, nor sealing, nor the number of threads shows in a result.

mod collector;
mod distinct;
mod exact_sum;
mod figures;
mod grouping;
mod moments;
mod order_statistics;
mod sample;
mod search;
mod square_sum;
mod statistics;

pub(crate) use crate::history::aggregate::{
    distinct::distinct,
    exact_sum::ExactSum,
    figures::{Figures, WantedFigures, totals},
    grouping::{Grouping, Key, NO_GROUP, PageGroups},
};
pub use crate::history::aggregate::{
    figures::WantedStatistics, grouping::MAX_GROUPS, moments::AggregateError, statistics::Statistics,
};
