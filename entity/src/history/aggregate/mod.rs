//! Aggregates: counts, sums and percentiles of the values of a resource, by group.
//!
//! All processors read parts of the history side by side. Sums are exact and percentiles are selected among all values, so neither
//! the order of metrics, nor sealing, nor the number of threads shows in a result.

mod collector;
mod exact_sum;
mod grouping;
mod order_statistics;

use std::sync::Arc;

use sea_orm::DbErr;
use tokio::sync::Semaphore;

use crate::history::aggregate::grouping::MAX_GROUPS;
pub(crate) use crate::history::aggregate::{
    exact_sum::ExactSum,
    grouping::{Grouping, Key, NO_GROUP},
};
use crate::{
    driver::source::Source,
    history::{
        aggregate::order_statistics::{Percentile, Plan, Tally, needed},
        column::Column,
        mask::Mask,
        parallel::{Sink, read_all, run_all, threads},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::{Extent, Scan},
        selection::{number_of_rank, rank_of_number},
        store::BUDGET_KIB,
        zone::Range,
    },
    resource::Resource,
};

/// Memory of a group besides its values, in bytes, roughly.
const GROUP: u64 = 128;
/// The same on each thread.
const GROUP_OF_THREAD: u64 = 48;

/// What is computed.
#[derive(Debug, Clone)]
pub(crate) struct Aggregation {
    /// Of which values.
    pub(crate) resource: Resource,
    /// The groups.
    pub(crate) grouping: Grouping,
    /// The percentiles, from 0 to 1.
    pub(crate) percentiles: Vec<f64>,
}

/// The statistics of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Number of values.
    pub count: u64,
    /// Their sum, correctly rounded.
    pub sum: f64,
    /// The percentiles that were wanted, by linear interpolation at (n − 1)·p; none without values.
    pub percentiles: Vec<f64>,
}

/// Count and sum of a group.
#[derive(Debug, Clone, Default)]
struct Moments {
    count: u64,
    sum: ExactSum,
}

/// What one thread reads in a pass.
struct Pass {
    aggregation: Arc<Aggregation>,
    /// Of each group, in the first pass; none later.
    moments: Vec<Moments>,
    /// What is sought in this pass, if percentiles are wanted.
    search: Option<(Arc<Plan>, Tally)>,
    /// The groups of the rows of a page.
    groups: Vec<u32>,
    /// The values of a page that match, if not all of them do.
    picked: Vec<f64>,
}

impl Sink for Pass {
    fn columns(&self, columns: &mut Vec<Column>) {
        columns.push(Column::Resource(self.aggregation.resource));
        self.aggregation.grouping.columns(columns);
    }

    fn take(&mut self, part: &mut Part, page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { aggregation, moments, search, groups, picked } = self;
        let group = aggregation.grouping.of_page(part, page, groups)?;
        let mut values = part.numbers(aggregation.resource)?;
        if matches != Mask::first(values.len()) {
            picked.clear();
            picked.extend(matches.rows().map(|row| values[row]));
            if group.is_none() {
                // In place: no row is picked before an earlier one.
                matches.rows().enumerate().for_each(|(at, row)| groups[at] = groups[row]);
                groups.truncate(picked.len());
            }
            values = picked;
        }
        match group {
            Some(NO_GROUP) => {}
            Some(group) => {
                if let Some(moments) = moments.get_mut(group as usize) {
                    moments.count += values.len() as u64;
                    moments.sum.add_all(values);
                }
                if let Some((plan, tally)) = search {
                    for value in values {
                        plan.add(tally, group as usize, rank_of_number(*value));
                    }
                }
            }
            None => {
                let of_groups = || groups.iter().zip(values).filter(|(group, _)| **group != NO_GROUP);
                if !moments.is_empty() {
                    for (group, value) in of_groups() {
                        let moments = &mut moments[*group as usize];
                        moments.count += 1;
                        moments.sum.add(*value);
                    }
                }
                if let Some((plan, tally)) = search {
                    for (group, value) in of_groups() {
                        plan.add(tally, *group as usize, rank_of_number(*value));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the statistics of each group, empty ones included.
///
/// # Errors
/// If there are too many groups, the database fails, or a page is damaged.
pub(crate) async fn statistics<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: Predicate,
    aggregation: Aggregation,
    budget: &Semaphore,
) -> Result<Vec<Statistics>, DbErr> {
    let too_many = || DbErr::Custom(format!("there are more than {MAX_GROUPS} groups: group by fewer things"));
    let groups = aggregation.grouping.len().ok_or_else(too_many)?;
    let Some(Extent { metrics, zone }) = scan.extent(&predicate) else {
        return Ok(vec![Statistics::default(); groups]);
    };
    let (predicate, aggregation) = (Arc::new(predicate), Arc::new(aggregation));
    let wants_percentiles = !aggregation.percentiles.is_empty();
    let threads = threads();
    let of_groups = groups as u64 * (GROUP + threads * GROUP_OF_THREAD);
    let wanted = of_groups + if wants_percentiles { needed(groups, metrics, threads) } else { 0 };
    let kib = u32::try_from(wanted.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, BUDGET_KIB);
    let _permit = budget.acquire_many(kib).await.map_err(|error| DbErr::Custom(error.to_string()))?;
    let bytes = (u64::from(kib) * 1024).saturating_sub(of_groups) / threads;
    let mut moments = Vec::new();
    let mut plan = wants_percentiles.then(|| {
        let Range { least, greatest } = zone.resource(aggregation.resource);
        let ranks = (rank_of_number(least), rank_of_number(greatest));
        Arc::new(Plan::first(groups, metrics, ranks, bytes, threads))
    });
    loop {
        let is_first = moments.is_empty();
        let passes = read_all(scan, &predicate, || Pass {
            aggregation: Arc::clone(&aggregation),
            moments: if is_first { vec![Moments::default(); groups] } else { Vec::new() },
            search: plan.as_ref().map(|plan| (Arc::clone(plan), plan.tally())),
            groups: Vec::new(),
            picked: Vec::new(),
        });
        let mut tallies = Vec::new();
        for pass in passes.await? {
            tallies.extend(pass.search.map(|(_, tally)| tally));
            if moments.is_empty() {
                moments = pass.moments;
                continue;
            }
            for (all, more) in moments.iter_mut().zip(pass.moments) {
                all.count += more.count;
                all.sum.merge(&more.sum);
            }
        }
        let Some(searched) = &plan else { return Ok(without_percentiles(&moments)) };
        let positions = |group: usize| positions(&aggregation, moments[group].count);
        match searched.next(&tallies, positions, bytes, threads) {
            Some(next) => plan = Some(Arc::new(next)),
            None => return select(searched, tallies, &moments, &aggregation).await,
        }
    }
}

fn without_percentiles(moments: &[Moments]) -> Vec<Statistics> {
    let of = |Moments { count, sum }: &Moments| Statistics { count: *count, sum: sum.value(), percentiles: Vec::new() };
    moments.iter().map(of).collect()
}

/// Returns the positions that the percentiles of `count` values take, in ascending order.
fn positions(aggregation: &Aggregation, count: u64) -> Vec<u64> {
    if count == 0 {
        return Vec::new();
    }
    let percentiles = aggregation.percentiles.iter();
    let mut positions: Vec<u64> = percentiles.flat_map(|p| Percentile::of(*p, count).positions()).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// Selects the percentiles of all groups, side by side.
async fn select(
    plan: &Arc<Plan>,
    tallies: Vec<Tally>,
    moments: &[Moments],
    aggregation: &Arc<Aggregation>,
) -> Result<Vec<Statistics>, DbErr> {
    let mut statistics = without_percentiles(moments);
    let tallies = Arc::new(tallies);
    let size = statistics.len().div_ceil(usize::try_from(threads()).unwrap_or(1) * 8).max(1);
    let mut tasks = Vec::new();
    for (chunk, first) in statistics.chunks(size).zip((0..).step_by(size)) {
        let counts: Vec<u64> = chunk.iter().map(|group| group.count).collect();
        let (plan, tallies, aggregation) = (Arc::clone(plan), Arc::clone(&tallies), Arc::clone(aggregation));
        tasks.push(move || {
            let mut scratch = Vec::new();
            let groups = (first..).zip(counts);
            let of_group = |(group, count)| percentiles(&plan, &tallies, group, count, &aggregation, &mut scratch);
            groups.map(of_group).collect::<Vec<_>>()
        });
    }
    let selected = run_all(tasks).await?;
    for (group, percentiles) in statistics.iter_mut().zip(selected.into_iter().flatten()) {
        group.percentiles = percentiles;
    }
    Ok(statistics)
}

/// Returns the percentiles of a group.
fn percentiles(
    plan: &Plan,
    tallies: &[Tally],
    group: usize,
    count: u64,
    aggregation: &Aggregation,
    scratch: &mut Vec<i64>,
) -> Vec<f64> {
    let positions = positions(aggregation, count);
    if positions.is_empty() {
        return Vec::new();
    }
    let values = plan.values(tallies, group, &positions, scratch);
    let value = |position: u64| {
        let index = positions.binary_search(&position).unwrap_or_default();
        number_of_rank(values[index])
    };
    let percentile = |p: &f64| {
        let percentile = Percentile::of(*p, count);
        let next = percentile.positions().last().unwrap_or(percentile.position);
        percentile.between(value(percentile.position), value(next))
    };
    aggregation.percentiles.iter().map(percentile).collect()
}
