//! Order statistics of groups: the values at given positions, if the values of each group were sorted.
//!
//! Values are integers that order like them. If all of them fit into memory, they are collected. Otherwise each pass over the
//! history counts them in bins, which narrows the interval in which each position lies, until what lies in the intervals fits.

use crate::history::aggregate::{
    collector::{BLOCK_BYTES, Collector},
    search::{Search, Select, select},
};

/// Bytes of a value that is collected.
const VALUE: u64 = 8;
/// Bytes of a bin.
const BIN: u64 = 4;
/// Maximum number of bins of an interval.
const MAX_BINS: u64 = 4_096;

/// Values of a group among which some positions lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    least: i64,
    greatest: i64,
    /// Number of values of the group below it.
    below: u64,
    /// Number of values in it.
    count: u64,
}

impl Interval {
    /// Returns how far values are shifted to find their bin among `bins`.
    fn shift(&self, bins: u64) -> u32 {
        let width = self.greatest.wrapping_sub(self.least).cast_unsigned();
        (0..64).find(|shift| width >> shift < bins).unwrap_or(63)
    }

    fn contains(&self, value: i64) -> bool {
        self.least <= value && value <= self.greatest
    }

    /// Returns the only value that it may have, if there is one.
    fn single(&self) -> Option<i64> {
        (self.least == self.greatest).then_some(self.least)
    }

    fn bin(&self, value: i64, shift: u32) -> usize {
        usize::try_from(value.wrapping_sub(self.least).cast_unsigned() >> shift).unwrap_or(usize::MAX)
    }
}

/// Returns the memory for collecting this many values, in bytes, at most: each group has blocks on each thread.
pub(crate) fn needed(groups: usize, values: u64, threads: u64) -> u64 {
    values * VALUE + values.min(groups as u64 * threads) * BLOCK_BYTES
}

/// What a pass over the history looks for.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where the intervals of each group begin in `intervals`; at last, their number.
    starts: Vec<usize>,
    /// With the shift of their bins.
    intervals: Vec<(Interval, u32)>,
    /// Number of bins of an interval; 0 if values are collected.
    bins: usize,
}

impl Plan {
    /// Returns the plan of a first pass over `values` values in `groups` groups, all from `least` to `greatest`, in `bytes` of
    /// memory for each of `threads`.
    pub(crate) fn first(groups: usize, values: u64, (least, greatest): (i64, i64), bytes: u64, threads: u64) -> Self {
        let interval = Interval { least, greatest, below: 0, count: values };
        let is_collected = needed(groups, values, threads) <= bytes * threads;
        Self::of((0..=groups).collect(), vec![interval; groups], bytes, is_collected)
    }

    fn of(starts: Vec<usize>, intervals: Vec<Interval>, bytes: u64, is_collected: bool) -> Self {
        let fitting = bytes / BIN / (intervals.len() as u64).max(1);
        let bins = if is_collected { 0 } else { fitting.clamp(2, MAX_BINS) };
        let intervals = intervals.into_iter().map(|interval| (interval, interval.shift(bins.max(2)))).collect();
        Self { starts, intervals, bins: usize::try_from(bins).unwrap_or_default() }
    }

    fn of_group(&self, group: usize) -> &[(Interval, u32)] {
        &self.intervals[self.starts[group]..self.starts[group + 1]]
    }

    /// Returns the interval of a group that contains `value`, with its index.
    #[inline]
    fn interval(&self, group: usize, value: i64) -> Option<(usize, &(Interval, u32))> {
        let (first, end) = (self.starts[group], self.starts[group + 1]);
        (first..end).zip(&self.intervals[first..end]).find(|(_, (interval, _))| interval.contains(value))
    }

    /// Returns the plan of the pass after one that counted; `None` if this one collected. `positions` returns those that are
    /// sought in a group, in ascending order.
    pub(crate) fn next(
        &self,
        tallies: &[Tally],
        positions: impl Fn(usize) -> Vec<u64>,
        bytes: u64,
        threads: u64,
    ) -> Option<Self> {
        if self.bins == 0 {
            return None;
        }
        let groups = self.starts.len() - 1;
        let (mut starts, mut intervals) = (Vec::with_capacity(groups + 1), Vec::new());
        let mut collected = 0;
        for group in 0..groups {
            starts.push(intervals.len());
            let mut positions = positions(group).into_iter().peekable();
            for (index, (interval, shift)) in (self.starts[group]..).zip(self.of_group(group)) {
                let mut below = interval.below;
                for bin in 0..self.bins {
                    let count = tallies.iter().map(|tally| tally.count(index * self.bins + bin)).sum::<u64>();
                    if positions.next_if(|position| *position < below + count).is_some() {
                        while positions.next_if(|position| *position < below + count).is_some() {}
                        let least = interval.least.wrapping_add_unsigned((bin as u64) << shift);
                        let end = least.wrapping_add_unsigned((1_u64 << shift) - 1);
                        let greatest = if end < least { interval.greatest } else { end.min(interval.greatest) };
                        let narrowed = Interval { least, greatest, below, count };
                        collected += if narrowed.single().is_some() { 0 } else { count };
                        intervals.push(narrowed);
                    }
                    below += count;
                }
            }
        }
        starts.push(intervals.len());
        Some(Self::of(starts, intervals, bytes, needed(groups, collected, threads) <= bytes * threads))
    }
}

impl Search for Plan {
    type Tally = Tally;

    fn tally(&self) -> Tally {
        if self.bins == 0 {
            Tally::Values(Collector::new(self.starts.len() - 1))
        } else {
            Tally::Counts(vec![0; self.intervals.len() * self.bins])
        }
    }

    #[inline]
    fn add(&self, tally: &mut Tally, group: usize, value: i64) {
        let Some((index, (interval, shift))) = self.interval(group, value) else { return };
        match tally {
            Tally::Counts(counts) => counts[index * self.bins + interval.bin(value, *shift)] += 1,
            Tally::Values(collector) if interval.single().is_none() => collector.add(group, value),
            Tally::Values(_) => {}
        }
    }
}

impl Select for Plan {
    fn values(&self, tallies: &[Tally], group: usize, positions: &[u64], scratch: &mut Vec<i64>) -> Option<Vec<i64>> {
        scratch.clear();
        for tally in tallies {
            if let Tally::Values(collector) = tally {
                collector.append(group, scratch);
            }
        }
        let mut values = vec![0; positions.len()];
        let mut wanted = Vec::with_capacity(positions.len());
        for (index, position) in positions.iter().enumerate() {
            let mut collected = 0;
            for (interval, _) in self.of_group(group) {
                if *position < interval.below + interval.count {
                    match interval.single() {
                        Some(value) => values[index] = value,
                        None => wanted
                            .push((index, usize::try_from(collected + position - interval.below).unwrap_or_default())),
                    }
                    break;
                }
                collected += if interval.single().is_some() { 0 } else { interval.count };
            }
        }
        select(scratch, &wanted, &mut values);
        Some(values)
    }
}

/// What one thread saw of the values in a pass.
#[derive(Debug)]
pub(crate) enum Tally {
    /// The values.
    Values(Collector),
    /// The number of values in each bin of each interval.
    Counts(Vec<u32>),
}

impl Tally {
    fn count(&self, bin: usize) -> u64 {
        match self {
            Self::Values(_) => 0,
            Self::Counts(counts) => u64::from(counts[bin]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::Plan;
    use crate::history::aggregate::search::{Search as _, Select as _};

    /// Returns the values of each group at `positions`, found in passes with this much memory, and the number of passes.
    fn search(groups: &[Vec<i64>], positions: impl Fn(usize) -> Vec<u64>, bytes: u64) -> (Vec<Vec<i64>>, usize) {
        let all = || groups.iter().flatten().copied();
        let range = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
        let mut plan = Plan::first(groups.len(), all().count() as u64, range, bytes, 2);
        for pass in 1.. {
            // Two threads, which see every other value.
            let mut tallies = [plan.tally(), plan.tally()];
            for (group, values) in groups.iter().enumerate() {
                for (index, value) in values.iter().enumerate() {
                    plan.add(&mut tallies[index % 2], group, *value);
                }
            }
            if let Some(next) = plan.next(&tallies, &positions, bytes, 2) {
                plan = next;
                continue;
            }
            let values = |group| plan.values(&tallies, group, &positions(group), &mut Vec::new()).unwrap();
            return ((0..groups.len()).map(values).collect(), pass);
        }
        unreachable!("a search ends")
    }

    fn value() -> impl Strategy<Value = i64> {
        prop_oneof![4 => 0..40_i64, 2 => -1_000_000..1_000_000_i64, 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn values_are_found_however_little_memory_there_is(
            groups in prop::collection::vec(prop::collection::vec(value(), 0..120), 1..6),
            bytes in prop::sample::select(vec![0, 16, 100, 1_000, 100_000]),
            ps in prop::collection::vec(0..=8_u64, 0..4),
        ) {
            let positions = |group: usize| {
                let count = groups[group].len() as u64;
                let mut positions: Vec<u64> = ps.iter().filter(|_| count > 0).map(|p| (count - 1) * p / 8).collect();
                positions.sort_unstable();
                positions.dedup();
                positions
            };
            let (found, passes) = search(&groups, positions, bytes);
            prop_assert!(passes <= 65);
            for (group, values) in groups.iter().enumerate() {
                let mut sorted = values.clone();
                sorted.sort_unstable();
                let expected: Vec<i64> = positions(group).into_iter().map(|at| sorted[usize::try_from(at).unwrap()]).collect();
                prop_assert_eq!(&found[group], &expected);
            }
        }
    }

    #[test]
    fn what_fits_is_read_once() {
        let values: Vec<Vec<i64>> = (0..10).map(|group| (group..group + 50).collect()).collect();
        assert_eq!(search(&values, |_| vec![0, 49], 1 << 20).1, 1);
        assert!(search(&values, |_| vec![0, 49], 400).1 > 1);
    }
}
