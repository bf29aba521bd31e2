//! What is computed for a question: each resource once, with all that is wanted of it.

use crate::{
    history::{Figures, Statistics, WantedFigures, WantedStatistics},
    query::groups::question::Selected,
    resource::Resource,
};

/// What is computed, and where the answers are in it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) wanted: WantedFigures,
    /// For each of [`Selected::resources`], its index and those of its percentiles.
    found: Vec<(usize, Vec<usize>)>,
}

impl Plan {
    /// Creates the plan for what is selected and for what an order is by, which is the first resource and its first percentile.
    pub(super) fn of(order: Option<(Resource, WantedStatistics)>, selected: &Selected) -> Self {
        let mut plan =
            Self { wanted: WantedFigures { seen: selected.seen, ..WantedFigures::default() }, ..Self::default() };
        plan.wanted.resources.extend(order);
        for (resource, wanted, _) in &selected.resources {
            let found = plan.add(*resource, wanted);
            plan.found.push(found);
        }
        plan
    }

    fn add(&mut self, resource: Resource, wanted: &WantedStatistics) -> (usize, Vec<usize>) {
        let resources = &mut self.wanted.resources;
        let index = resources.iter().position(|(other, _)| *other == resource).unwrap_or_else(|| {
            resources.push((resource, WantedStatistics::default()));
            resources.len() - 1
        });
        let all = &mut resources[index].1;
        all.extremes |= wanted.extremes;
        all.standard_deviation |= wanted.standard_deviation;
        let percentile = |p: &f64| {
            let same = all.percentiles.iter().position(|other| other.to_bits() == p.to_bits());
            same.unwrap_or_else(|| {
                all.percentiles.push(*p);
                all.percentiles.len() - 1
            })
        };
        (index, wanted.percentiles.iter().map(percentile).collect())
    }

    /// Returns the statistics of a group, in the order of [`Selected::resources`].
    pub(super) fn statistics(&self, figures: &Figures, group: usize) -> Vec<Statistics> {
        let of_resource = |(index, percentiles): &(usize, Vec<usize>)| {
            let all = &figures.resources[*index].statistics[group];
            let percentile = |index: &usize| all.percentiles.get(*index).copied();
            Statistics {
                count: all.count,
                sum: all.sum,
                extremes: all.extremes,
                standard_deviation: all.standard_deviation,
                percentiles: percentiles.iter().filter_map(percentile).collect(),
            }
        };
        self.found.iter().map(of_resource).collect()
    }
}

/// Returns the resources whose sum over all metrics is wanted, for shares.
pub(super) fn shared(selected: &Selected) -> Vec<Resource> {
    selected.resources.iter().filter(|(.., share)| *share).map(|(resource, ..)| *resource).collect()
}

/// Returns the share of a sum that each of `statistics` has: none where not wanted, and none of nothing. `totals` are those of
/// [`shared`].
pub(super) fn shares(selected: &Selected, statistics: &[Statistics], totals: &[f64]) -> Vec<Option<f64>> {
    let mut totals = totals.iter();
    let share = |((.., is_wanted), statistics): (&(Resource, WantedStatistics, bool), &Statistics)| {
        let total = is_wanted.then(|| totals.next()).flatten()?;
        let share = statistics.sum / total;
        (statistics.count > 0 && share.is_finite()).then_some(share)
    };
    selected.resources.iter().zip(statistics).map(share).collect()
}
