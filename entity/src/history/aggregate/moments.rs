//! What one pass over the history finds out of each group: the number of metrics, when they were measured, and exact sums, sums of
//! squares and extremes of several resources.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sea_orm::DbErr;
use tokio::sync::Semaphore;

use crate::{
    driver::source::Source,
    history::{
        aggregate::{
            exact_sum::ExactSum,
            grouping::{GroupNumbers, Grouping, MAX_GROUPS, NO_GROUP, PageGroups},
            square_sum::SquareSum,
        },
        column::Column,
        mask::Mask,
        parallel::{Sink, read_all_on},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::Scan,
        store::BUDGET_KIB,
        tasks::threads,
        zone::Range,
    },
    resource::Resource,
};

/// Bytes of a group that is found, in the table of its thread.
const FOUND: u64 = 32;

/// What is wanted of the values of a resource, besides their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OfResource {
    /// The least and the greatest.
    pub(crate) extremes: bool,
    /// The sum of their squares.
    pub(crate) squares: bool,
}

/// What is wanted of each group, besides the number of metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// When the first and the last test began.
    pub(crate) seen: bool,
    /// Of resources.
    pub(crate) resources: Vec<(Resource, OfResource)>,
}

impl Wanted {
    /// Returns the bytes that a group takes, roughly.
    fn bytes(&self) -> u64 {
        // What sums lose takes as much again where figures have no grain.
        let of_resource = |(_, wanted): &(_, OfResource)| {
            64 + if wanted.extremes { 16 } else { 0 } + if wanted.squares { 48 } else { 0 }
        };
        8 + if self.seen { 16 } else { 0 } + self.resources.iter().map(of_resource).sum::<u64>()
    }
}

/// What was found out of the values of a resource, by group.
#[derive(Debug, Default)]
pub(crate) struct OfValues {
    pub(crate) sums: Vec<ExactSum>,
    /// Empty unless wanted, as is `squares`.
    pub(crate) extremes: Vec<Range<f64>>,
    pub(crate) squares: Vec<SquareSum>,
}

/// What was found out, by group.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    /// Numbers of metrics.
    pub(crate) counts: Vec<u64>,
    /// The least and the greatest start time, in microseconds; empty unless wanted.
    pub(crate) seen: Vec<Range<i64>>,
    /// In the order of [`Wanted::resources`].
    pub(crate) resources: Vec<OfValues>,
}

impl Moments {
    fn new(groups: usize, wanted: &Wanted) -> Self {
        let mut moments = Self::default();
        moments.resources.resize_with(wanted.resources.len(), OfValues::default);
        moments.resize(groups, wanted);
        moments
    }

    fn resize(&mut self, groups: usize, wanted: &Wanted) {
        self.counts.resize(groups, 0);
        if wanted.seen {
            self.seen.resize(groups, Range { least: i64::MAX, greatest: i64::MIN });
        }
        for (of_values, (_, wanted)) in self.resources.iter_mut().zip(&wanted.resources) {
            of_values.sums.resize_with(groups, ExactSum::default);
            if wanted.extremes {
                of_values.extremes.resize(groups, Range { least: f64::INFINITY, greatest: f64::NEG_INFINITY });
            }
            if wanted.squares {
                of_values.squares.resize_with(groups, SquareSum::default);
            }
        }
    }

    /// Adds a group of other moments to a group.
    fn merge(&mut self, group: usize, other: &Self, from: usize) {
        self.counts[group] += other.counts[from];
        if let Some(seen) = self.seen.get_mut(group) {
            *seen = seen.with(other.seen[from]);
        }
        for (all, more) in self.resources.iter_mut().zip(&other.resources) {
            all.sums[group].merge(&more.sums[from]);
            if let Some(extremes) = all.extremes.get_mut(group) {
                *extremes = extremes.with(more.extremes[from]);
            }
            if let Some(squares) = all.squares.get_mut(group) {
                squares.merge(&more.squares[from]);
            }
        }
    }
}

/// What one thread reads.
struct Pass {
    grouping: Arc<Grouping>,
    wanted: Arc<Wanted>,
    moments: Moments,
    /// The groups that were found, if they are sparse, and their codes.
    found: Option<(GroupNumbers, Vec<u64>)>,
    /// Whether any thread found too many.
    is_full: Arc<AtomicBool>,
    of_page: PageGroups,
    /// The values of a page that match, if not all of them do.
    picked: Vec<f64>,
    picked_times: Vec<i64>,
}

impl Sink for Pass {
    fn columns(&self, columns: &mut Vec<Column>) {
        self.grouping.columns(columns);
        if self.wanted.seen {
            columns.push(Column::StartedAt);
        }
        columns.extend(self.wanted.resources.iter().map(|(resource, _)| Column::Resource(*resource)));
    }

    fn take(&mut self, part: &mut Part, page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { grouping, wanted, moments, found, is_full, of_page, picked, picked_times } = self;
        let one = match found {
            None => grouping.of_page(part, page, matches, of_page)?,
            Some((numbers, codes)) => {
                let one = grouping.find(part, page, matches, of_page, |code| {
                    *numbers.entry(code).or_insert_with(|| {
                        codes.push(code);
                        u32::try_from(codes.len() - 1).unwrap_or(NO_GROUP)
                    })
                })?;
                if codes.len() > MAX_GROUPS || is_full.load(Ordering::Relaxed) {
                    is_full.store(true, Ordering::Relaxed);
                    return Err(DbErr::Custom("too many groups".to_owned()));
                }
                moments.resize(codes.len(), wanted);
                one
            }
        };
        if one == Some(NO_GROUP) {
            return Ok(());
        }
        // The group of each row; those without one have no place in the lists of groups.
        let groups = of_page.groups.iter().map(|group| *group as usize);
        match one {
            Some(group) => moments.counts[group as usize] += matches.count(),
            None => groups.clone().for_each(|group| {
                if let Some(count) = moments.counts.get_mut(group) {
                    *count += 1;
                }
            }),
        }
        let is_whole = matches == Mask::first(part.rows());
        if wanted.seen {
            let times = pick(part.integers(Column::StartedAt)?, matches, is_whole, picked_times);
            add(&mut moments.seen, one, groups.clone(), times, |seen, time| {
                *seen = seen.with(Range { least: time, greatest: time });
            });
        }
        for ((resource, _), of_values) in wanted.resources.iter().zip(&mut moments.resources) {
            let values = pick(part.numbers(*resource)?, matches, is_whole, picked);
            match one {
                Some(group) => of_values.sums[group as usize].add_all(values),
                None => add(&mut of_values.sums, None, groups.clone(), values, ExactSum::add),
            }
            add(&mut of_values.extremes, one, groups.clone(), values, |extremes, value| {
                *extremes = extremes.with(Range { least: value, greatest: value });
            });
            add(&mut of_values.squares, one, groups.clone(), values, SquareSum::add);
        }
        Ok(())
    }
}

/// Returns the values that match; `picked` is overwritten.
fn pick<'a, T: Copy>(values: &'a [T], matches: Mask, is_whole: bool, picked: &'a mut Vec<T>) -> &'a [T] {
    if is_whole {
        return values;
    }
    picked.clear();
    picked.extend(matches.rows().map(|row| values[row]));
    picked
}

/// Adds values to one group, or each to its own. Does nothing if there are no groups.
#[inline]
fn add<T, V: Copy>(
    all: &mut [T],
    one: Option<u32>,
    groups: impl Iterator<Item = usize>,
    values: &[V],
    add: impl Fn(&mut T, V),
) {
    if all.is_empty() {
        return;
    }
    match one {
        Some(group) => values.iter().for_each(|value| add(&mut all[group as usize], *value)),
        None => groups.zip(values).for_each(|(group, value)| {
            if let Some(of_group) = all.get_mut(group) {
                add(of_group, *value);
            }
        }),
    }
}

/// Why there are no statistics.
#[derive(Debug)]
pub enum AggregateError {
    /// There are more groups than [`MAX_GROUPS`].
    TooManyGroups,
    /// Counting what is distinct takes more memory than there is.
    TooManyDistinct,
    /// There are more values to be read at a time than [`crate::history::MAX_VALUES`].
    TooManyValues,
    /// The database failed, or a page is damaged.
    Database(DbErr),
}

impl From<DbErr> for AggregateError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Finds out what is wanted of each group. If the groups are sparse, only those that occur are returned, with their codes, in any
/// order; otherwise all of them.
///
/// # Errors
/// If there are too many groups, the database fails, or a page is damaged.
pub(crate) async fn moments<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: &Arc<Predicate>,
    grouping: &Grouping,
    wanted: Wanted,
    budget: &Semaphore,
) -> Result<(Moments, Option<Vec<u64>>), AggregateError> {
    let dense = grouping.len();
    let Some(extent) = scan.extent(predicate) else {
        return Ok((Moments::new(dense.unwrap_or(0), &wanted), dense.is_none().then(Vec::new)));
    };
    let groups = dense.map_or(extent.metrics.min(MAX_GROUPS as u64), |groups| groups as u64);
    let bytes = groups * (wanted.bytes() + if dense.is_none() { FOUND } else { 0 });
    // Each thread has all groups: if those of all threads took too much, there are fewer threads.
    let threads = (u64::from(BUDGET_KIB) * 1024 / bytes.max(1)).clamp(1, threads());
    let kib = u32::try_from((threads * bytes).div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, BUDGET_KIB);
    let _permit = budget.acquire_many(kib).await.map_err(|error| DbErr::Custom(error.to_string()))?;
    let (grouping, wanted) = (Arc::new(grouping.clone()), Arc::new(wanted));
    let is_full = Arc::new(AtomicBool::new(false));
    let passes = read_all_on(threads, scan, predicate, || Pass {
        grouping: Arc::clone(&grouping),
        wanted: Arc::clone(&wanted),
        moments: Moments::new(dense.unwrap_or(0), &wanted),
        found: dense.is_none().then(Default::default),
        is_full: Arc::clone(&is_full),
        of_page: PageGroups::default(),
        picked: Vec::new(),
        picked_times: Vec::new(),
    });
    let passes = match passes.await {
        Err(_) if is_full.load(Ordering::Relaxed) => return Err(AggregateError::TooManyGroups),
        passes => passes?,
    };
    let mut passes = passes.into_iter();
    let Some(Pass { mut moments, mut found, .. }) = passes.next() else { return Ok(Default::default()) };
    for pass in passes {
        match (&mut found, pass.found) {
            (Some((numbers, codes)), Some((_, more))) => {
                for (from, code) in more.into_iter().enumerate() {
                    let group = *numbers.entry(code).or_insert_with(|| {
                        codes.push(code);
                        u32::try_from(codes.len() - 1).unwrap_or(NO_GROUP)
                    });
                    if codes.len() > moments.counts.len() {
                        moments.resize(codes.len(), &wanted);
                    }
                    moments.merge(group as usize, &pass.moments, from);
                }
                if codes.len() > MAX_GROUPS {
                    return Err(AggregateError::TooManyGroups);
                }
            }
            _ => (0..moments.counts.len()).for_each(|group| moments.merge(group, &pass.moments, group)),
        }
    }
    Ok((moments, found.map(|(_, codes)| codes)))
}
