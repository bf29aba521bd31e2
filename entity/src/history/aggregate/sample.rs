//! Percentiles of many values in one pass: some pages, chosen by chance, tell between which values of each group those at the
//! wanted positions lie, and only what lies there is collected.
//!
//! How many values lie below is counted, so a sample that misleads is noticed.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{BuildHasher as _, BuildHasherDefault},
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::history::aggregate::{
    collector::Collector,
    order_statistics::needed,
    search::{Search, Select, select},
};

/// One page of at least this many is in the sample.
const PAGES: u64 = 16;
/// Number of pages from which on a pass over a sample is soon earned back…
const MANY_PAGES: u64 = 1 << 10;
/// … and of values of each group, on average.
const MANY_OF_GROUP: u64 = 256;
/// Maximum number of values in the sample, about.
const MAX_VALUES: u64 = 1 << 20;
/// What fewer pages tell of a group is not believed.
const LEAST_PAGES: u32 = 16;
/// How far the bounds are from the position in the sample: in standard errors, so that they are right for each of 100,000 groups…
const ERRORS: f64 = 5.5;
/// … and in pages, since a normal distribution has thinner tails than the count of a few values.
const MARGIN: f64 = 4.0;

/// A sample of the values of each group: those on some pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    groups: usize,
    one_in: u64,
    metrics: u64,
}

/// What one thread saw of a sample.
#[derive(Debug)]
pub(crate) struct SampleTally {
    values: Collector,
    page: u32,
    /// Of each group, the last page that it was seen on, and their number.
    pages: Vec<(u32, u32)>,
}

impl Sample {
    /// Returns the sample of this many metrics, on this many pages, in this many groups, if it is worth a pass. In clustered
    /// groups, the metrics of a page are of the same ones.
    pub(crate) fn of(groups: usize, is_clustered: bool, metrics: u64, pages: u64) -> Option<Self> {
        let of_group = metrics / (groups as u64).max(1);
        let one_in = PAGES.max(metrics / MAX_VALUES);
        let are_seen = !is_clustered || pages / (groups as u64).max(1) >= one_in * u64::from(LEAST_PAGES);
        let is_worth_it = pages >= MANY_PAGES && of_group >= MANY_OF_GROUP && are_seen;
        is_worth_it.then_some(Self { groups, one_in, metrics })
    }

    /// Returns the memory for it, in bytes.
    pub(crate) fn needed(&self, threads: u64) -> u64 {
        // By chance, it may be greater than expected.
        needed(self.groups, self.metrics / self.one_in * 2, threads) + self.groups as u64 * threads * 8
    }

    /// Returns between which values of each group its `percentiles`, in ascending order, lie. `None` if most values lie there.
    pub(crate) fn brackets(&self, tallies: &[SampleTally], percentiles: &[f64]) -> Option<Brackets> {
        let mut brackets =
            Brackets { starts: vec![0], bounds: Vec::new(), expected: 0, bytes: 0, used: AtomicU64::new(0) };
        let mut values = Vec::new();
        let mut seen = 0;
        for group in 0..self.groups {
            values.clear();
            for tally in tallies {
                tally.values.append(group, &mut values);
            }
            let pages = tallies.iter().map(|tally| tally.pages[group].1).sum();
            let ranges = ranges(percentiles, values.len(), pages);
            let ends = ranges.iter().flat_map(|(least, end)| [*least, *end]);
            let wanted: Vec<(usize, usize)> = ends.enumerate().filter(|(_, at)| *at < values.len()).collect();
            let mut found = vec![i64::MAX; 2 * ranges.len()];
            select(&mut values, &wanted, &mut found);
            for ((open, _), bounds) in ranges.into_iter().zip(found.as_chunks::<2>().0) {
                let (least, greatest) = (if open == 0 { i64::MIN } else { bounds[0] }, bounds[1]);
                brackets.bounds.push((least, greatest));
                if least < greatest {
                    let count = values.iter().filter(|value| (least..=greatest).contains(*value)).count();
                    brackets.expected += count as u64 * self.one_in;
                }
            }
            seen += values.len() as u64 * self.one_in;
            brackets.starts.push(brackets.bounds.len());
        }
        (brackets.expected * 2 <= seen).then_some(brackets)
    }
}

/// Returns the ranges of positions, in a sorted sample of `count` values of a group from this many pages, in which its percentiles lie.
/// One that begins with 0 or ends with `count` is open there.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to count")]
fn ranges(percentiles: &[f64], count: usize, pages: u32) -> Vec<(usize, usize)> {
    if pages < LEAST_PAGES {
        return vec![(0, count)];
    }
    let mut ranges: Vec<(usize, usize)> = Vec::with_capacity(percentiles.len());
    for p in percentiles {
        // Values of a page may be alike: in the worst case, it is worth a single one.
        let pages = f64::from(pages);
        let margin = ERRORS * (p * (1.0 - p) / pages).sqrt() + MARGIN / pages;
        let at = |p: f64| (p * count as f64).clamp(0.0, count as f64);
        let (least, end) = (at(p - margin).floor() as usize, at(p + margin).ceil() as usize);
        match ranges.last_mut() {
            Some((_, before)) if least <= *before => *before = end.max(*before),
            _ => ranges.push((least, end)),
        }
    }
    ranges
}

impl Search for Sample {
    type Tally = SampleTally;

    fn tally(&self) -> SampleTally {
        SampleTally { values: Collector::new(self.groups), page: 0, pages: vec![(0, 0); self.groups] }
    }

    fn wants(&self, part: usize, page: usize) -> bool {
        // Histories repeat themselves, so every sixteenth page may hold the same tests.
        BuildHasherDefault::<DefaultHasher>::default().hash_one((part, page)).is_multiple_of(self.one_in)
    }

    fn begin_page(&self, tally: &mut SampleTally) {
        tally.page += 1;
    }

    #[inline]
    fn add(&self, tally: &mut SampleTally, group: usize, value: i64) {
        tally.values.add(group, value);
        let (last, count) = &mut tally.pages[group];
        if *last != tally.page {
            (*last, *count) = (tally.page, *count + 1);
        }
    }
}

/// Ranges of the values of each group.
#[derive(Debug)]
pub(crate) struct Brackets {
    /// Where those of each group begin in `bounds`; at last, their number.
    starts: Vec<usize>,
    /// The least and the greatest value. If they are the same, nothing is collected.
    bounds: Vec<(i64, i64)>,
    /// Number of values that are collected, as far as the sample tells.
    expected: u64,
    /// Memory for values, in bytes, and what of it is used.
    bytes: u64,
    used: AtomicU64,
}

/// What one thread saw of the values in and between brackets.
#[derive(Debug)]
pub(crate) struct BracketsTally {
    /// For each bracket, the number of values below it and above the one before it.
    below: Vec<u64>,
    /// For each bracket of a single value, how often it occurs.
    equal: Vec<u64>,
    /// Of each other bracket.
    values: Collector,
    bytes: u64,
    /// There are too many values.
    is_full: bool,
}

impl Brackets {
    /// Returns the memory for what is expected and as much again, in bytes.
    pub(crate) fn needed(&self, threads: u64) -> u64 {
        needed(self.bounds.len(), 2 * self.expected, threads) + threads * Collector::STEP
    }

    /// Sets the memory for values, in bytes. If there are more, nothing is found.
    pub(crate) fn within(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// Adds a value to one of these brackets, or to what lies below.
    #[inline(never)]
    fn add_from(&self, tally: &mut BracketsTally, brackets: Range<usize>, value: i64) {
        for index in brackets {
            let (least, greatest) = self.bounds[index];
            if value < least {
                tally.below[index] += 1;
                return;
            }
            if value <= greatest {
                if least == greatest {
                    tally.equal[index] += 1;
                } else if !tally.is_full {
                    tally.values.add(index, value);
                }
                return;
            }
        }
    }
}

impl Search for Brackets {
    type Tally = BracketsTally;

    fn tally(&self) -> BracketsTally {
        let len = self.bounds.len();
        let (below, equal) = (vec![0; len], vec![0; len]);
        BracketsTally { below, equal, values: Collector::new(len), bytes: 0, is_full: false }
    }

    fn begin_page(&self, tally: &mut BracketsTally) {
        let bytes = tally.values.bytes();
        let before = self.used.fetch_add(bytes - tally.bytes, Ordering::Relaxed);
        tally.is_full = before + bytes - tally.bytes > self.bytes;
        tally.bytes = bytes;
    }

    #[inline]
    fn add(&self, tally: &mut BracketsTally, group: usize, value: i64) {
        let first = self.starts[group];
        // Most values lie below a bracket that is near the end.
        match self.bounds.get(first) {
            Some((least, _)) if value < *least => tally.below[first] += 1,
            _ => self.add_from(tally, first..self.starts[group + 1], value),
        }
    }
}

impl Select for Brackets {
    fn values(
        &self,
        tallies: &[BracketsTally],
        group: usize,
        positions: &[u64],
        scratch: &mut Vec<i64>,
    ) -> Option<Vec<i64>> {
        if tallies.iter().any(|tally| tally.is_full) {
            return None;
        }
        let mut values = vec![0; positions.len()];
        let mut positions = positions.iter().copied().enumerate().peekable();
        let mut below = 0;
        for index in self.starts[group]..self.starts[group + 1] {
            below += tallies.iter().map(|tally| tally.below[index]).sum::<u64>();
            scratch.clear();
            for tally in tallies {
                tally.values.append(index, scratch);
            }
            let end = below + scratch.len() as u64 + tallies.iter().map(|tally| tally.equal[index]).sum::<u64>();
            let mut wanted = Vec::new();
            while let Some((at, position)) = positions.next_if(|(_, position)| *position < end) {
                wanted.push((at, usize::try_from(position.checked_sub(below)?).ok()?));
            }
            match self.bounds[index] {
                (least, greatest) if least == greatest => wanted.iter().for_each(|(at, _)| values[*at] = least),
                _ => select(scratch, &wanted, &mut values),
            }
            below = end;
        }
        positions.next().is_none().then_some(values)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::{Brackets, LEAST_PAGES, Sample, ranges};
    use crate::history::aggregate::search::{Search, Select as _};

    /// Reads pages of values of groups on two threads.
    fn read<S: Search>(search: &S, pages: &[Vec<(usize, i64)>]) -> Vec<S::Tally> {
        let mut tallies = vec![search.tally(), search.tally()];
        for (number, page) in pages.iter().enumerate().filter(|(number, _)| search.wants(0, *number)) {
            let tally = &mut tallies[number % 2];
            search.begin_page(tally);
            for (group, value) in page {
                search.add(tally, *group, *value);
            }
        }
        tallies
    }

    fn brackets(pages: &[Vec<(usize, i64)>], groups: usize, one_in: u64, ps: &[f64]) -> Option<Brackets> {
        let sample = Sample { groups, one_in, metrics: pages.iter().map(|page| page.len() as u64).sum() };
        sample.brackets(&read(&sample, pages), ps)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_found_is_right(
            pages in prop::collection::vec(prop::collection::vec((0..3_usize, prop_oneof![0..4_i64, any::<i64>()]), 1..12), 1..400),
            one_in in 1..4_u64,
            ps in prop::collection::vec(0..=20_u32, 1..3),
            // The second half of the pages is another world than the first.
            shift in prop::sample::select(vec![0, 5, i64::MAX]),
        ) {
            let half = pages.len() / 2;
            let shifted = |(number, page): (usize, Vec<(usize, i64)>)| {
                let shift = if number < half { 0 } else { shift };
                page.into_iter().map(|(group, value)| (group, value.saturating_add(shift))).collect::<Vec<_>>()
            };
            let pages: Vec<_> = pages.into_iter().enumerate().map(shifted).collect();
            let mut ps: Vec<f64> = ps.into_iter().map(|p| f64::from(p) / 20.0).collect();
            ps.sort_by(f64::total_cmp);
            if let Some(brackets) = brackets(&pages, 3, one_in, &ps) {
                let brackets = brackets.within(u64::MAX);
                let tallies = read(&brackets, &pages);
                for group in 0..3 {
                    let mut all: Vec<i64> = pages.iter().flatten().filter(|(of, _)| *of == group).map(|(_, value)| *value).collect();
                    all.sort_unstable();
                    let positions: Vec<u64> = (0..all.len() as u64).step_by(all.len() / 5 + 1).collect();
                    for position in positions {
                        if let Some(found) = brackets.values(&tallies, group, &[position], &mut Vec::new()) {
                            prop_assert_eq!(found, vec![all[usize::try_from(position).unwrap()]]);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn few_values_are_collected_and_they_suffice() {
        let value = |number: usize| i64::try_from(number * 7_919 % 100_003).unwrap();
        let pages: Vec<Vec<(usize, i64)>> =
            (0..4_000).map(|page| (page * 10..page * 10 + 10).map(|row| (row % 2, value(row))).collect()).collect();
        let found = brackets(&pages, 2, 4, &[0.95]).unwrap().within(u64::MAX);
        let tallies = read(&found, &pages);
        assert!(found.expected < 8_000, "{} of 40,000", found.expected);
        for group in 0..2 {
            let mut all: Vec<i64> = (0..40_000).filter(|row| row % 2 == group).map(value).collect();
            all.sort_unstable();
            assert_eq!(
                found.values(&tallies, group, &[18_999, 19_000], &mut Vec::new()).unwrap(),
                all[18_999..=19_000]
            );
            assert_eq!(found.values(&tallies, group, &[0], &mut Vec::new()), None);
        }
        // With less memory than that, nothing is found.
        let less = found.within(0);
        assert_eq!(less.values(&read(&less, &pages), 0, &[18_999], &mut Vec::new()), None);
    }

    #[test]
    fn few_pages_tell_nothing() {
        assert_eq!(ranges(&[0.5], 1_000, LEAST_PAGES - 1), [(0, 1_000)]);
        assert_eq!(ranges(&[0.0, 0.01, 1.0], 100_000, 10_000), [(0, 40), (412, 1_588), (99_960, 100_000)]);
        // Values of one page may be alike.
        assert_eq!(ranges(&[0.5], 100_000, 100), [(18_500, 81_500)]);
    }
}
