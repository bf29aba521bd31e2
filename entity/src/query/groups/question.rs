//! What is asked of groups.

use crate::{
    filter::Tree,
    history::WantedStatistics,
    query::groups::{
        dimension::{Dimension, GroupBy},
        order::Position,
    },
    resource::Resource,
    table::metric::Filter,
};

/// A statistic of the values of a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// The sum.
    Sum,
    /// The sum divided by the number.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The sample standard deviation, with the divisor n − 1.
    StandardDeviation,
    /// A percentile, from 0 to 1.
    Percentile(f64),
}

/// What groups are ordered by. Those without such a value come last. Equal ones are in order of arrival of what they are of, texts
/// and times ascending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OrderBy {
    /// The names of what they are of, one after the other; sessions, builds and contexts in order of arrival.
    Names,
    /// The number of metrics.
    Count,
    /// When the first test began.
    FirstSeen,
    /// When the last test began.
    LastSeen,
    /// A statistic of the values of a resource.
    Of(Resource, Statistic),
}

impl OrderBy {
    /// Returns the resource whose statistic it is, and what must be computed for it.
    pub(super) fn wanted(self) -> Option<(Resource, WantedStatistics)> {
        let Self::Of(resource, statistic) = self else { return None };
        let wanted = match statistic {
            Statistic::Sum | Statistic::Mean => WantedStatistics::default(),
            Statistic::Min | Statistic::Max => WantedStatistics { extremes: true, ..WantedStatistics::default() },
            Statistic::StandardDeviation => {
                WantedStatistics { standard_deviation: true, ..WantedStatistics::default() }
            }
            Statistic::Percentile(p) => WantedStatistics { percentiles: vec![p], ..WantedStatistics::default() },
        };
        Some((resource, wanted))
    }
}

/// A question about groups of metrics.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which metrics.
    pub filter: Tree<Filter>,
    /// What they are grouped by: a group for each combination that occurs.
    pub by: Vec<GroupBy>,
    /// The order.
    pub order: OrderBy,
    /// Greatest first.
    pub descending: bool,
    /// Only groups after this place.
    pub after: Option<Position>,
    /// Maximum number of groups.
    pub limit: usize,
    /// Only the first groups which together make this share of the sum, under an order by sums.
    pub until_share: Option<f64>,
    /// What is wanted of each group.
    pub wanted: Selected,
}

/// What is wanted of each group, besides its number of metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selected {
    /// When the first and the last test began.
    pub seen: bool,
    /// The statistics of resources, and whether each group's share of the sum is wanted.
    pub resources: Vec<(Resource, WantedStatistics, bool)>,
    /// Of what the distinct ones are counted.
    pub distinct: Vec<Dimension>,
}
