//! All that is wanted of groups, in as few passes over the history as it takes: one for the moments, and those that percentiles take.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    driver::source::Source,
    history::{
        aggregate::{
            Aggregation, Statistics,
            exact_sum::ExactSum,
            grouping::Grouping,
            moments::{AggregateError, Moments, OfResource, OfValues, Wanted, moments},
            statistics,
        },
        predicate::Predicate,
        scan::Scan,
        zone::Range,
    },
    resource::Resource,
};

/// With more groups than this, each resource has a pass of its own: all of them together would take too much memory.
const MANY: usize = 1 << 14;

/// What is wanted of the values of a resource, besides their number and sum.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WantedStatistics {
    /// The least and the greatest.
    pub extremes: bool,
    /// The sample standard deviation.
    pub standard_deviation: bool,
    /// Percentiles, from 0 to 1.
    pub percentiles: Vec<f64>,
}

/// What is wanted of each group, besides the number of metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct WantedFigures {
    /// When the first and the last test began.
    pub(crate) seen: bool,
    /// Sums that are not rounded.
    pub(crate) exact_sums: bool,
    /// Of resources.
    pub(crate) resources: Vec<(Resource, WantedStatistics)>,
}

/// What was found out of the values of a resource, by group.
#[derive(Debug, Default)]
pub(crate) struct OfGroups {
    pub(crate) statistics: Vec<Statistics>,
    /// Empty unless wanted.
    pub(crate) exact_sums: Vec<ExactSum>,
}

/// What was found out, by group.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// The groups that are numbered.
    pub(crate) grouping: Grouping,
    /// The codes of the groups, if they were found; those that are dense are their own codes.
    pub(crate) codes: Option<Vec<u64>>,
    /// Numbers of metrics.
    pub(crate) counts: Vec<u64>,
    /// The least and the greatest start time, in microseconds; empty unless wanted.
    pub(crate) seen: Vec<Range<i64>>,
    /// In the order of [`WantedFigures::resources`].
    pub(crate) resources: Vec<OfGroups>,
}

impl Figures {
    /// Computes what is wanted of each group: empty ones included if they are dense, else of those that occur.
    ///
    /// # Errors
    /// If there are too many groups, the database fails, or a page is damaged.
    pub(crate) async fn of<S: Source + Clone + Send + 'static>(
        scan: &Scan<'_, S>,
        predicate: &Arc<Predicate>,
        grouping: Grouping,
        wanted: &WantedFigures,
        budget: &Semaphore,
    ) -> Result<Self, AggregateError> {
        let WantedFigures { seen, exact_sums, resources } = wanted;
        let mut figures = Self { grouping, ..Self::default() };
        figures.resources.resize_with(resources.len(), OfGroups::default);
        // Percentiles come with the number and the sum of values.
        let by_moments = |wanted: &WantedStatistics| {
            *exact_sums || wanted.extremes || wanted.standard_deviation || wanted.percentiles.is_empty()
        };
        let mut left: Vec<usize> = (0..resources.len()).filter(|index| by_moments(&resources[*index].1)).collect();
        let mut is_next = *seen || resources.is_empty() || !left.is_empty() || figures.grouping.len().is_none();
        while is_next {
            let is_first = figures.counts.is_empty();
            let is_many = figures.grouping.len().is_none_or(|groups| groups > MANY);
            let now: Vec<usize> = left.drain(..if is_many { left.len().min(1) } else { left.len() }).collect();
            let of_resource = |index: &usize| {
                let (resource, WantedStatistics { extremes, standard_deviation, .. }) = &resources[*index];
                (*resource, OfResource { extremes: *extremes, squares: *standard_deviation })
            };
            let wanted = Wanted { seen: is_first && *seen, resources: now.iter().map(of_resource).collect() };
            let (moments, codes) = moments(scan, predicate, &figures.grouping, wanted, budget).await?;
            let Moments { counts, seen, resources: found } = moments;
            if let Some(codes) = codes {
                figures.grouping = figures.grouping.only(&codes);
                figures.codes = Some(codes);
            }
            for (index, of_values) in now.into_iter().zip(found) {
                figures.resources[index] = of_groups(&counts, of_values, *exact_sums);
            }
            if is_first {
                (figures.counts, figures.seen) = (counts, seen);
            }
            is_next = !left.is_empty();
        }
        for ((resource, wanted), of_groups) in resources.iter().zip(&mut figures.resources) {
            if wanted.percentiles.is_empty() {
                continue;
            }
            let (grouping, percentiles) = (figures.grouping.clone(), wanted.percentiles.clone());
            let aggregation = Aggregation { resource: *resource, grouping, percentiles };
            let with_percentiles = statistics(scan, Predicate::clone(predicate), aggregation, budget).await?;
            if of_groups.statistics.is_empty() {
                of_groups.statistics = with_percentiles;
            } else {
                for (all, found) in of_groups.statistics.iter_mut().zip(with_percentiles) {
                    all.percentiles = found.percentiles;
                }
            }
            if figures.counts.is_empty() {
                figures.counts = of_groups.statistics.iter().map(|statistics| statistics.count).collect();
            }
        }
        Ok(figures)
    }
}

/// Rounds what was found out of the values of a resource.
fn of_groups(counts: &[u64], OfValues { sums, extremes, squares }: OfValues, exact_sums: bool) -> OfGroups {
    let of_group = |(group, (count, sum)): (usize, (&u64, &ExactSum))| Statistics {
        count: *count,
        sum: sum.value(),
        extremes: extremes.get(group).filter(|_| *count > 0).map(|range| (range.least, range.greatest)),
        standard_deviation: squares.get(group).and_then(|squares| squares.standard_deviation(*count, sum)),
        percentiles: Vec::new(),
    };
    let statistics = counts.iter().zip(&sums).enumerate().map(of_group).collect();
    OfGroups { statistics, exact_sums: if exact_sums { sums } else { Vec::new() } }
}

/// Returns the sums of the values of each of `resources` of all metrics that match, correctly rounded.
///
/// # Errors
/// If the database fails, or a page is damaged.
pub(crate) async fn totals<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: &Arc<Predicate>,
    resources: &[Resource],
    budget: &Semaphore,
) -> Result<Vec<f64>, AggregateError> {
    if resources.is_empty() {
        return Ok(Vec::new());
    }
    let resources = resources.iter().map(|resource| (*resource, OfResource::default())).collect();
    let wanted = Wanted { seen: false, resources };
    let (moments, _) = moments(scan, predicate, &Grouping::default(), wanted, budget).await?;
    Ok(moments.resources.iter().map(|of_values| of_values.sums[0].value()).collect())
}
