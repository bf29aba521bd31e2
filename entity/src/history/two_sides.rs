//! The values of a resource on two sides of a comparison, by variant and machine class, in one scan.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use analysis::Percentile;
use sea_orm::DbErr;
use tokio::sync::Semaphore;

use crate::{
    driver::source::Source,
    history::{
        aggregate::{ExactSum, Grouping, Key, NO_GROUP, PageGroups},
        column::{Column, Dimension},
        mask::Mask,
        parallel::{Sink, read_all},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::Scan,
        store::BUDGET_KIB,
        tasks::{compute_all, threads},
    },
    resource::Resource,
};

/// Number of metrics that are compared, at most, on both sides together.
pub const MAX_COMPARED: usize = 1 << 20;
/// Memory of a metric while it is read and sorted, in bytes, roughly.
const OF_METRIC: u64 = 64;
/// The combination of metrics that are left out.
const NO_CODE: u64 = u64::MAX;

/// Why nothing is compared.
#[derive(Debug)]
pub enum ComparisonError {
    /// A side has no sessions: `false` before, `true` after.
    NoSessions(bool),
    /// There are metrics on both sides.
    Overlap,
    /// There are more metrics than [`MAX_COMPARED`].
    TooMany,
    /// The database failed, or a page is damaged.
    Database(DbErr),
}

impl From<DbErr> for ComparisonError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// What two sides are made of: before, after.
#[derive(Debug)]
pub(crate) struct Sides {
    /// The keys of the sessions of each side.
    pub(crate) sessions: [Vec<i64>; 2],
    /// What else the metrics of a side must match.
    pub(crate) conditions: [Option<Predicate>; 2],
}

impl Sides {
    /// Returns the condition that metrics are of a session of either side.
    pub(crate) fn of_sessions(&self) -> Predicate {
        Predicate::Among(Dimension::Session, Arc::new(self.sessions.iter().flatten().copied().collect()))
    }

    /// Returns what is found if there are no metrics.
    pub(crate) fn nothing(&self) -> Compared {
        let measured = self.sessions.each_ref().map(|sessions| vec![false; sessions.len()]);
        Compared { measured, ..Compared::default() }
    }
}

/// What the metrics of both sides are compared by: the keys of variants and of machine classes.
#[derive(Debug)]
pub(crate) struct ComparedBy {
    pub(crate) variants: Key,
    pub(crate) classes: Key,
}

/// The values of a variant on machines of a class: before, after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TwoSides {
    /// Number of the variant.
    pub(crate) variant: u32,
    /// Number of the machine class.
    pub(crate) class: u32,
    /// Whether a session has several metrics of it.
    pub(crate) is_ambiguous: bool,
    /// Where its values begin in [`Compared::values`]: first those before, then those after, each in ascending order.
    first: usize,
    /// Numbers of values.
    pub(crate) counts: [usize; 2],
    /// Medians; `None` without values.
    pub(crate) medians: [Option<f64>; 2],
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// In the order of variants, then of classes.
    pub(crate) pairs: Vec<TwoSides>,
    pub(crate) values: Vec<f64>,
    /// Exact sums of the values of each side.
    pub(crate) sums: [ExactSum; 2],
    /// For each of [`Sides::sessions`], whether it has metrics on its side.
    pub(crate) measured: [Vec<bool>; 2],
}

impl Compared {
    /// Returns the values of a side in ascending order: 0 before, 1 after.
    pub(crate) fn values(&self, pair: &TwoSides, side: usize) -> &[f64] {
        let first = pair.first + if side == 0 { 0 } else { pair.counts[0] };
        &self.values[first..first + pair.counts[side]]
    }
}

/// A metric: the combination of its variant, class and session as one number, and its value.
#[derive(Debug, Clone, Copy)]
struct Entry {
    code: u64,
    value: f64,
}

/// What all threads share.
#[derive(Debug)]
struct Shared {
    /// By variant, class and session. Sessions before come first: their numbers are less than `before`.
    grouping: Grouping,
    resource: Resource,
    before: u64,
    sessions: u64,
    classes: u64,
    /// Of sessions that are on both sides, by their numbers before: what leads to those after.
    twins: HashMap<u64, u64>,
    conditions: [Option<Predicate>; 2],
    found: AtomicUsize,
    overlaps: AtomicBool,
}

impl Shared {
    /// Returns on which sides the rows of the selected page are by their conditions; `None` if all of them are where their sessions are.
    fn sides(&self, part: &mut Part, matches: Mask) -> Result<Option<[Mask; 2]>, DbErr> {
        if self.twins.is_empty() && self.conditions.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut sides = [matches; 2];
        for (side, condition) in sides.iter_mut().zip(&self.conditions) {
            if let Some(condition) = condition {
                *side = condition.of_rows(part, matches)?;
            }
        }
        Ok(Some(sides))
    }

    /// Returns the combination of a metric on the side that its session and the conditions give. One that is on both sides is noted.
    fn placed(&self, code: u64, is_on: [bool; 2]) -> Option<u64> {
        let session = code % self.sessions;
        match (self.twins.get(&session), is_on) {
            (Some(_), [true, true]) => {
                self.overlaps.store(true, Ordering::Relaxed);
                None
            }
            (Some(twin), [false, true]) => Some(code + twin),
            (_, [before, after]) => Some(code).filter(|_| if session < self.before { before } else { after }),
        }
    }
}

/// What one thread has read.
struct Collector {
    shared: Arc<Shared>,
    entries: Vec<Entry>,
    of_page: PageGroups,
}

impl Sink for Collector {
    fn columns(&self, columns: &mut Vec<Column>) {
        self.shared.grouping.columns(columns);
        columns.push(Column::Resource(self.shared.resource));
        self.shared.conditions.iter().flatten().for_each(|condition| condition.columns(columns));
    }

    fn take(&mut self, part: &mut Part, page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { shared, entries, of_page } = self;
        let one = shared.grouping.codes_of_page(part, page, matches, of_page)?;
        let sides = shared.sides(part, matches)?;
        let values = part.numbers(shared.resource)?;
        let first = entries.len();
        let coded = matches.rows().enumerate().map(|(at, row)| (one.unwrap_or_else(|| of_page.codes[at]), row));
        let entry = |(code, row): (u64, usize)| {
            let code = match sides {
                _ if code == NO_CODE => None,
                None => Some(code),
                Some(sides) => shared.placed(code, sides.map(|side| side.contains(row))),
            };
            Some(Entry { code: code?, value: values[row] })
        };
        entries.extend(coded.filter_map(entry));
        let found = shared.found.fetch_add(entries.len() - first, Ordering::Relaxed);
        if found > MAX_COMPARED || shared.overlaps.load(Ordering::Relaxed) {
            return Err(DbErr::Custom("this can't be compared".to_owned()));
        }
        Ok(())
    }
}

/// Numbers the sessions: those before, then those after. Returns their key, and what leads from the number before of a session that is
/// on both sides to that after.
fn numbered([before, after]: &[Vec<i64>; 2]) -> (Key, HashMap<u64, u64>) {
    let all = || before.iter().chain(after);
    let (first, last) = (all().min().copied().unwrap_or(1), all().max().copied().unwrap_or(0));
    let mut numbers = vec![NO_GROUP; usize::try_from(last - first + 1).unwrap_or_default()];
    let mut twins = HashMap::new();
    for (session, number) in all().zip(0_u32..) {
        let Some(place) = usize::try_from(session - first).ok().and_then(|index| numbers.get_mut(index)) else {
            continue;
        };
        if *place == NO_GROUP {
            *place = number;
        } else {
            twins.insert(u64::from(*place), u64::from(number - *place));
        }
    }
    let len = before.len() + after.len();
    (Key::Of { dimension: Dimension::Session, first, numbers: Arc::new(numbers), len }, twins)
}

/// Returns the values of `resource` of the metrics that match `predicate`, on two sides. It must imply [`Sides::of_sessions`].
///
/// # Errors
/// If there are too many metrics, one is on both sides, the database fails, or a page is damaged.
pub(crate) async fn two_sides<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: Predicate,
    sides: Sides,
    by: ComparedBy,
    resource: Resource,
    budget: &Semaphore,
) -> Result<Compared, ComparisonError> {
    let nothing = sides.nothing();
    let Sides { sessions, conditions } = sides;
    let counts = sessions.each_ref().map(Vec::len);
    let predicate = Arc::new(predicate);
    let Some(extent) = scan.extent(&predicate) else { return Ok(nothing) };
    let (key, twins) = numbered(&sessions);
    let classes = by.classes.len() as u64;
    let shared = Arc::new(Shared {
        grouping: Grouping::dense(vec![by.variants, by.classes, key]),
        resource,
        before: counts[0] as u64,
        sessions: counts.iter().sum::<usize>() as u64,
        classes,
        twins,
        conditions,
        found: AtomicUsize::new(0),
        overlaps: AtomicBool::new(false),
    });
    if shared.grouping.combinations().is_none() {
        return Err(ComparisonError::TooMany);
    }
    let bytes = extent.metrics.min(MAX_COMPARED as u64) * OF_METRIC;
    let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, BUDGET_KIB);
    let _permit = budget.acquire_many(kib).await.map_err(|error| DbErr::Custom(error.to_string()))?;
    let collector = || Collector { shared: Arc::clone(&shared), entries: Vec::new(), of_page: PageGroups::default() };
    let collectors = match read_all(scan, &predicate, collector).await {
        Err(_) if shared.overlaps.load(Ordering::Relaxed) => return Err(ComparisonError::Overlap),
        Err(_) if shared.found.load(Ordering::Relaxed) > MAX_COMPARED => return Err(ComparisonError::TooMany),
        collectors => collectors?,
    };
    // Found in the last pages.
    if shared.overlaps.load(Ordering::Relaxed) {
        return Err(ComparisonError::Overlap);
    }
    if shared.found.load(Ordering::Relaxed) > MAX_COMPARED {
        return Err(ComparisonError::TooMany);
    }
    let entries: Vec<Vec<Entry>> = collectors.into_iter().map(|collector| collector.entries).collect();
    paired(entries, &shared, nothing).await
}

/// Number of metrics that are sorted at a time, at least: a millisecond's work.
const SORTED_AT_ONCE: usize = 1 << 14;

/// Puts together what is of one variant and class: ranges of variants side by side.
async fn paired(
    entries: Vec<Vec<Entry>>,
    shared: &Arc<Shared>,
    mut all: Compared,
) -> Result<Compared, ComparisonError> {
    let of_variant = shared.classes * shared.sessions;
    let variant = |entry: &Entry| entry.code / of_variant;
    let variants = || entries.iter().flatten().map(variant);
    let (Some(least), Some(greatest)) = (variants().min(), variants().max()) else { return Ok(all) };
    let len = usize::try_from(greatest - least + 1).unwrap_or(usize::MAX);
    let count = entries.iter().map(Vec::len).sum::<usize>();
    let parts = count.div_ceil(SORTED_AT_ONCE).clamp(1, 4 * usize::try_from(threads()).unwrap_or(1));
    let shared = Arc::clone(shared);
    let part = move |range: Range<usize>| {
        let codes = [range.start, range.end].map(|at| (least + at as u64) * of_variant);
        let is_in = |entry: &&Entry| (codes[0]..codes[1]).contains(&entry.code);
        pairs_of(entries.iter().flatten().filter(is_in).copied().collect(), &shared)
    };
    for part in compute_all(len, len.div_ceil(parts), part).await? {
        let offset = all.values.len();
        all.values.extend(part.values);
        all.pairs.extend(part.pairs.into_iter().map(|pair| TwoSides { first: pair.first + offset, ..pair }));
        for side in [0, 1] {
            all.sums[side].merge(&part.sums[side]);
            let marks = all.measured[side].iter_mut().zip(&part.measured[side]);
            marks.for_each(|(all, measured)| *all |= measured);
        }
    }
    Ok(all)
}

/// Sorts metrics, and puts together what is of one variant and class.
#[allow(clippy::cast_possible_truncation, reason = "numbers of keys have 32 bits")]
fn pairs_of(mut entries: Vec<Entry>, shared: &Shared) -> Compared {
    let Shared { sessions, before, classes, .. } = shared;
    entries.sort_unstable_by_key(|entry| entry.code);
    let counts = [*before, sessions - before].map(|count| vec![false; usize::try_from(count).unwrap_or_default()]);
    let mut found = Compared { measured: counts, ..Compared::default() };
    found.values.reserve_exact(entries.len());
    for of_pair in entries.chunk_by(|one, other| one.code / sessions == other.code / sessions) {
        let first = found.values.len();
        let session = |entry: &Entry| entry.code % sessions;
        let split = of_pair.partition_point(|entry| session(entry) < *before);
        let mut pair = TwoSides {
            variant: (of_pair[0].code / sessions / classes) as u32,
            class: (of_pair[0].code / sessions % classes) as u32,
            is_ambiguous: of_pair.windows(2).any(|two| two[0].code == two[1].code),
            first,
            counts: [split, of_pair.len() - split],
            medians: [None; 2],
        };
        for (side, of_side) in [&of_pair[..split], &of_pair[split..]].into_iter().enumerate() {
            let start = found.values.len();
            for entry in of_side {
                found.values.push(entry.value);
                found.sums[side].add(entry.value);
                let number = session(entry) - if side == 0 { 0 } else { *before };
                found.measured[side][number as usize] = true;
            }
            let values = &mut found.values[start..];
            values.sort_unstable_by(f64::total_cmp);
            let count = values.len() as u64;
            pair.medians[side] = (count > 0).then(|| Percentile::of(0.5, count).of_sorted(values));
        }
        found.pairs.push(pair);
    }
    found
}
