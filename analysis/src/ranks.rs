//! Both sides of a comparison in one order.

use crate::sample::Sample;

/// The mid-ranks of two samples in one order: equal values share the mean of the ranks, from 1 on, that they take together.
///
/// W. H. Kruskal and W. A. Wallis, "Use of Ranks in One-Criterion Variance Analysis", Journal of the American Statistical
/// Association 47 (1952), 583–621. Ranks are stored twice as large, so that all of them are whole numbers.
#[derive(Debug, Clone)]
pub struct PooledRanks {
    /// Number of values on each side.
    counts: [usize; 2],
    /// Twice the sum of each side's mid-ranks.
    doubled_sums: [u64; 2],
    /// Number of values in each set of equal ones, in ascending order of the values.
    ties: Vec<u64>,
}

impl PooledRanks {
    /// Ranks two samples.
    pub fn of(before: &Sample, after: &Sample) -> Self {
        let sides = [before.values(), after.values()];
        let (mut ends, mut doubled_sums, mut ties) = ([0; 2], [0; 2], Vec::new());
        let mut last = 0;
        while let Some(least) = least(&sides, ends) {
            let equal = [0, 1].map(|side| {
                let values = &sides[side][ends[side]..];
                values.iter().take_while(|value| **value <= least).count()
            });
            let size = (equal[0] + equal[1]) as u64;
            // First and last rank of the set.
            let doubled = (last + 1) + (last + size);
            for side in [0, 1] {
                ends[side] += equal[side];
                doubled_sums[side] += equal[side] as u64 * doubled;
            }
            last += size;
            ties.push(size);
        }
        Self { counts: ends, doubled_sums, ties }
    }

    /// Returns the number of values on each side: before, after.
    pub fn counts(&self) -> [usize; 2] {
        self.counts
    }

    /// Returns twice the sum of each side's mid-ranks.
    pub(crate) fn doubled_sums(&self) -> [u64; 2] {
        self.doubled_sums
    }

    /// Returns the number of values in each set of equal ones, in ascending order of the values.
    pub(crate) fn ties(&self) -> &[u64] {
        &self.ties
    }

    /// Returns twice the mid-rank of each value, in ascending order.
    pub(crate) fn doubled(&self) -> impl Iterator<Item = u64> {
        let mut last = 0;
        self.ties.iter().flat_map(move |size| {
            let doubled = 2 * last + size + 1;
            last += size;
            (0..*size).map(move |_| doubled)
        })
    }

    /// Returns twice the number of pairs in which the value before is the greater one; pairs of equal values count half.
    pub(crate) fn doubled_u(&self) -> u64 {
        let count = self.counts[0] as u64;
        self.doubled_sums[0] - count * (count + 1)
    }

    /// Returns the number of pairs of a value before and one after.
    pub(crate) fn pairs(&self) -> u64 {
        self.counts[0] as u64 * self.counts[1] as u64
    }
}

/// Returns the least value at or after these positions.
fn least(sides: &[&[f64]; 2], from: [usize; 2]) -> Option<f64> {
    match (sides[0].get(from[0]), sides[1].get(from[1])) {
        (Some(before), Some(after)) => Some(before.min(*after)),
        (before, after) => before.or(after).copied(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::PooledRanks;
    use crate::sample::Sample;

    pub(crate) fn ranks(before: &[f64], after: &[f64]) -> PooledRanks {
        PooledRanks::of(&Sample::of(before.to_vec()).unwrap(), &Sample::of(after.to_vec()).unwrap())
    }

    /// Values of one side: with many ties, with few, without.
    pub(crate) fn side(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
        let value =
            prop_oneof![3 => (0..4_i32).prop_map(f64::from), 2 => (-9..9_i32).prop_map(f64::from), 1 => -9.0..9.0_f64];
        prop::collection::vec(value, count)
    }

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        // In order: 1, 2, 2, 2, 5 with ranks 1, 3, 3, 3, 5.
        let ranks = ranks(&[2.0, 5.0], &[2.0, 1.0, 2.0]);
        assert_eq!(ranks.doubled().collect::<Vec<_>>(), [2, 6, 6, 6, 10]);
        assert_eq!((ranks.counts(), ranks.doubled_sums(), ranks.ties()), ([2, 3], [16, 14], &[1, 3, 1][..]));
        // 5 is greater than all three, 2 is greater than one and equal to two.
        assert_eq!((ranks.doubled_u(), ranks.pairs()), (10, 6));
    }

    #[test]
    fn both_zeros_are_equal() {
        assert_eq!(ranks(&[0.0, -0.0], &[-0.0, 0.0]).ties(), [4]);
    }

    proptest! {
        #[test]
        fn u_counts_pairs(before in side(1..30), after in side(1..30)) {
            let pair = |one: f64, other: f64| if one > other { 2 } else { u64::from(one >= other) };
            let expected = before.iter().flat_map(|one| after.iter().map(move |other| pair(*one, *other))).sum::<u64>();
            let ranks = ranks(&before, &after);
            prop_assert_eq!(ranks.doubled_u(), expected);
            let total = (before.len() + after.len()) as u64;
            prop_assert_eq!(ranks.doubled_sums().iter().sum::<u64>(), total * (total + 1));
            prop_assert_eq!(ranks.doubled().sum::<u64>(), total * (total + 1));
        }
    }
}
