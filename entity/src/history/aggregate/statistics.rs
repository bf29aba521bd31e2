//! Count, sum and percentiles of each group.

use std::sync::Arc;

use analysis::Percentile;
use sea_orm::DbErr;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    driver::source::Source,
    history::{
        aggregate::{
            exact_sum::ExactSum,
            grouping::{Grouping, MAX_GROUPS, NO_GROUP, PageGroups},
            order_statistics::{Plan, needed},
            sample::Sample,
            search::{Search, Select},
        },
        column::Column,
        mask::Mask,
        parallel::{Sink, read_all},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::Scan,
        selection::{number_of_rank, rank_of_number},
        snapshot::Extent,
        store::BUDGET_KIB,
        tasks::{run_all, threads},
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
    /// The least and the greatest, if wanted.
    pub extremes: Option<(f64, f64)>,
    /// The sample standard deviation, if wanted: with the divisor n − 1, so that one value has none.
    pub standard_deviation: Option<f64>,
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
struct Pass<S: Search> {
    aggregation: Arc<Aggregation>,
    /// Of each group; none if they are not wanted in this pass.
    moments: Vec<Moments>,
    search: Arc<S>,
    tally: S::Tally,
    /// The groups of a page.
    of_page: PageGroups,
    /// The values of a page that match, if not all of them do.
    picked: Vec<f64>,
}

impl<S: Search> Sink for Pass<S> {
    fn columns(&self, columns: &mut Vec<Column>) {
        columns.push(Column::Resource(self.aggregation.resource));
        self.aggregation.grouping.columns(columns);
    }

    fn wants(&self, part: usize, page: usize) -> bool {
        self.search.wants(part, page)
    }

    fn take(&mut self, part: &mut Part, page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { aggregation, moments, search, tally, of_page, picked } = self;
        search.begin_page(tally);
        let group = aggregation.grouping.of_page(part, page, matches, of_page)?;
        let groups = &of_page.groups;
        let mut values = part.numbers(aggregation.resource)?;
        if matches != Mask::first(values.len()) {
            picked.clear();
            picked.extend(matches.rows().map(|row| values[row]));
            values = picked;
        }
        match group {
            Some(NO_GROUP) => {}
            Some(group) => {
                if let Some(moments) = moments.get_mut(group as usize) {
                    moments.count += values.len() as u64;
                    moments.sum.add_all(values);
                }
                for value in values {
                    search.add(tally, group as usize, rank_of_number(*value));
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
                for (group, value) in of_groups() {
                    search.add(tally, *group as usize, rank_of_number(*value));
                }
            }
        }
        Ok(())
    }
}

/// What all passes of an aggregation share.
struct Passes<'a, S> {
    scan: &'a Scan<'a, S>,
    predicate: Arc<Predicate>,
    aggregation: Arc<Aggregation>,
    groups: usize,
    budget: &'a Semaphore,
}

impl<S: Source + Clone + Send + 'static> Passes<'_, S> {
    /// Waits for memory, besides that for the groups. Returns it, and its size in bytes: at most all that there is.
    async fn memory(&self, bytes: u64) -> Result<(SemaphorePermit<'_>, u64), DbErr> {
        let of_groups = self.groups as u64 * (GROUP + threads() * GROUP_OF_THREAD);
        let kib = u32::try_from((of_groups + bytes).div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, BUDGET_KIB);
        let permit = self.budget.acquire_many(kib).await.map_err(|error| DbErr::Custom(error.to_string()))?;
        Ok((permit, (u64::from(kib) * 1024).saturating_sub(of_groups)))
    }

    /// Reads all metrics that match. Returns what was found, and count and sum of each group if `moments` are wanted.
    async fn read<T: Search>(&self, search: &Arc<T>, moments: bool) -> Result<(Vec<T::Tally>, Vec<Moments>), DbErr> {
        let sink = || Pass {
            aggregation: Arc::clone(&self.aggregation),
            moments: vec![Moments::default(); if moments { self.groups } else { 0 }],
            search: Arc::clone(search),
            tally: search.tally(),
            of_page: PageGroups::default(),
            picked: Vec::new(),
        };
        let mut tallies = Vec::new();
        let mut all = vec![Moments::default(); if moments { self.groups } else { 0 }];
        for pass in read_all(self.scan, &self.predicate, sink).await? {
            tallies.push(pass.tally);
            for (all, more) in all.iter_mut().zip(pass.moments) {
                all.count += more.count;
                all.sum.merge(&more.sum);
            }
        }
        Ok((tallies, all))
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
    let Some(Extent { metrics, pages, zone }) = scan.extent(&predicate) else {
        return Ok(vec![Statistics::default(); groups]);
    };
    let (predicate, aggregation) = (Arc::new(predicate), Arc::new(aggregation));
    let passes = Passes { scan, predicate, aggregation: Arc::clone(&aggregation), groups, budget };
    if aggregation.percentiles.is_empty() {
        let _memory = passes.memory(0).await?;
        return Ok(without_percentiles(&passes.read(&Arc::new(()), true).await?.1));
    }
    let threads = threads();
    let mut moments = Vec::new();
    let is_clustered = aggregation.grouping.is_clustered();
    if let Some(sample) = Sample::of(groups, is_clustered, metrics, pages).map(Arc::new) {
        let memory = passes.memory(sample.needed(threads)).await?;
        let tallies = passes.read(&sample, false).await?.0;
        let mut percentiles = aggregation.percentiles.clone();
        percentiles.sort_by(f64::total_cmp);
        let brackets = sample.brackets(&tallies, &percentiles);
        // Not while waiting for more.
        drop((tallies, memory));
        if let Some(brackets) = brackets {
            let (_memory, bytes) = passes.memory(brackets.needed(threads)).await?;
            let brackets = Arc::new(brackets.within(bytes));
            let (tallies, all) = passes.read(&brackets, true).await?;
            moments = all;
            if let Some(statistics) = select(&brackets, tallies, &moments, &aggregation).await? {
                return Ok(statistics);
            }
        }
    }
    let (_memory, bytes) = passes.memory(needed(groups, metrics, threads)).await?;
    let Range { least, greatest } = zone.resource(aggregation.resource);
    let ranks = (rank_of_number(least), rank_of_number(greatest));
    let mut plan = Arc::new(Plan::first(groups, metrics, ranks, bytes / threads, threads));
    loop {
        let (tallies, all) = passes.read(&plan, moments.is_empty()).await?;
        if moments.is_empty() {
            moments = all;
        }
        let positions = |group: usize| positions(&aggregation, moments[group].count);
        let Some(next) = plan.next(&tallies, positions, bytes / threads, threads) else {
            let selected = select(&plan, tallies, &moments, &aggregation).await?;
            return selected.ok_or_else(|| DbErr::Custom("a percentile was not found".to_owned()));
        };
        plan = Arc::new(next);
    }
}

fn without_percentiles(moments: &[Moments]) -> Vec<Statistics> {
    let of = |Moments { count, sum }: &Moments| Statistics { count: *count, sum: sum.value(), ..Statistics::default() };
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

/// Selects the percentiles of all groups, side by side. `None` if not all of them were found.
async fn select<S: Select>(
    search: &Arc<S>,
    tallies: Vec<S::Tally>,
    moments: &[Moments],
    aggregation: &Arc<Aggregation>,
) -> Result<Option<Vec<Statistics>>, DbErr> {
    let mut statistics = without_percentiles(moments);
    let tallies = Arc::new(tallies);
    let size = statistics.len().div_ceil(usize::try_from(threads()).unwrap_or(1) * 8).max(1);
    let mut tasks = Vec::new();
    for (chunk, first) in statistics.chunks(size).zip((0..).step_by(size)) {
        let counts: Vec<u64> = chunk.iter().map(|group| group.count).collect();
        let (search, tallies, aggregation) = (Arc::clone(search), Arc::clone(&tallies), Arc::clone(aggregation));
        tasks.push(move || {
            let mut scratch = Vec::new();
            let groups = (first..).zip(counts);
            let of_group = |(group, count)| percentiles(&*search, &tallies, group, count, &aggregation, &mut scratch);
            groups.map(of_group).collect::<Option<Vec<_>>>()
        });
    }
    let Some(selected) = run_all(tasks).await?.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    for (group, percentiles) in statistics.iter_mut().zip(selected.into_iter().flatten()) {
        group.percentiles = percentiles;
    }
    Ok(Some(statistics))
}

/// Returns the percentiles of a group. `None` if not all of them were found.
fn percentiles<S: Select>(
    search: &S,
    tallies: &[S::Tally],
    group: usize,
    count: u64,
    aggregation: &Aggregation,
    scratch: &mut Vec<i64>,
) -> Option<Vec<f64>> {
    let positions = positions(aggregation, count);
    if positions.is_empty() {
        return Some(Vec::new());
    }
    let values = search.values(tallies, group, &positions, scratch)?;
    let value = |position: u64| {
        let index = positions.binary_search(&position).unwrap_or_default();
        number_of_rank(values[index])
    };
    let percentile = |p: &f64| {
        let percentile = Percentile::of(*p, count);
        let next = percentile.positions().last().unwrap_or(percentile.position);
        percentile.between(value(percentile.position), value(next))
    };
    Some(aggregation.percentiles.iter().map(percentile).collect())
}
