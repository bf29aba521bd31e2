//! How far a difference of medians can be trusted.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore as _, SeedableRng as _},
};

use crate::{percentile::Percentile, sample::Sample};

/// Number of resamples.
pub const RESAMPLES: u32 = 1_000;

/// The percentiles of the differences that are the ends of an interval: 95 % are in it.
const ENDS: [f64; 2] = [0.025, 0.975];

/// Any number will do, as long as it stays: the same values then always have the same interval.
const SEED: u64 = 20;

/// An interval from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Returns the percentile bootstrap interval of the difference of medians, after − before, in the unit of the values.
///
/// B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3: each side is drawn anew from its own values,
/// [`RESAMPLES`] times; 95 % of the differences are in the interval. It never exceeds the differences between single values, and is
/// a point if both sides are constant.
///
/// Draws come from xoshiro256++ (D. Blackman and S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM Transactions on
/// Mathematical Software 47 (2021)), seeded through splitmix64; an index below n is the upper half of the product of n and 64 bits.
///
/// The time grows with the number of values: from 3 µs to 10 µs for each.
pub fn interval_of_median_difference(before: &Sample, after: &Sample) -> Interval {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut counts = Vec::new();
    let mut median = |sample: &Sample| median_of_resample(sample.values(), &mut random, &mut counts);
    let difference = |_| {
        let before = median(before);
        median(after) - before
    };
    let mut differences: Vec<f64> = (0..RESAMPLES).map(difference).collect();
    differences.sort_unstable_by(f64::total_cmp);
    let [low, high] = ENDS.map(|p| {
        let percentile = Percentile::of(p, u64::from(RESAMPLES));
        let [value, next] = values_at(percentile, differences.iter().map(|difference| (*difference, 1)));
        percentile.between(value, next)
    });
    Interval { low, high }
}

/// Draws as many of the values as there are, and returns their median. `counts` is overwritten.
fn median_of_resample(values: &[f64], random: &mut Xoshiro256PlusPlus, counts: &mut Vec<u64>) -> f64 {
    counts.clear();
    counts.resize(values.len(), 0);
    for _ in values {
        counts[index_below(values.len(), random)] += 1;
    }
    let percentile = Percentile::of(0.5, values.len() as u64);
    let [value, next] = values_at(percentile, values.iter().copied().zip(counts.iter().copied()));
    percentile.between(value, next)
}

/// Returns an index below `count`. With 64 bits, some indices are more likely by a share of count / 2^64.
fn index_below(count: usize, random: &mut Xoshiro256PlusPlus) -> usize {
    let product = u128::from(random.next_u64()) * count as u128;
    usize::try_from(product >> 64).unwrap_or_default()
}

/// Returns the value at the position of a percentile and the one at its other position, of values in ascending order that occur as
/// often as is given.
fn values_at(percentile: Percentile, values: impl Iterator<Item = (f64, u64)>) -> [f64; 2] {
    let last = percentile.positions().last().unwrap_or_default();
    let (mut end, mut first) = (0, None);
    for (value, count) in values {
        end += count;
        if end > percentile.position {
            let first = *first.get_or_insert(value);
            if end > last {
                return [first, value];
            }
        }
    }
    [first.unwrap_or_default(); 2]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::{Interval, interval_of_median_difference};
    use crate::{ranks::tests::side, sample::Sample};

    fn interval(before: &[f64], after: &[f64]) -> Interval {
        let sample = |values: &[f64]| Sample::of(values.to_vec()).unwrap();
        interval_of_median_difference(&sample(before), &sample(after))
    }

    /// Whole numbers, of which sums and halves are exact.
    fn whole(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec((-50..50_i32).prop_map(f64::from), count)
    }

    #[test]
    fn intervals_are_the_same_everywhere() {
        // tests/clients/scipy_check.py draws the same resamples in Python.
        let found = interval(&[10.0, 10.2, 9.9, 10.1, 10.0], &[10.6, 10.4, 10.9, 10.3, 10.5]);
        assert_eq!(found, Interval { low: 0.200_000_000_000_001_07, high: 0.900_000_000_000_000_4 });
    }

    #[test]
    fn constants_leave_no_doubt() {
        assert_eq!(interval(&[2.0; 7], &[5.0; 4]), Interval { low: 3.0, high: 3.0 });
        assert_eq!(interval(&[2.0], &[1.5]), Interval { low: -0.5, high: -0.5 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_interval_is_within_the_differences_of_values(before in side(1..30), after in side(1..30)) {
            let found = interval(&before, &after);
            let [before, after] = [before, after].map(|values| Sample::of(values).unwrap());
            prop_assert!(found.low <= found.high);
            prop_assert!(found.low >= after.values()[0] - before.values().last().unwrap());
            prop_assert!(found.high <= after.values().last().unwrap() - before.values()[0]);
        }

        #[test]
        fn the_order_of_values_does_not_count(before in side(1..30), after in side(1..30)) {
            let reversed = |values: &[f64]| values.iter().rev().copied().collect::<Vec<_>>();
            prop_assert_eq!(interval(&before, &after), interval(&reversed(&before), &reversed(&after)));
        }

        /// Each resampled median is at most the median with a probability of a third or more, and at least the median likewise.
        #[test]
        fn the_difference_itself_is_in_the_interval(before in whole(5..30), after in whole(5..30)) {
            let found = interval(&before, &after);
            let [before, after] = [before, after].map(|values| Sample::of(values).unwrap().median());
            prop_assert!(found.low <= after - before && after - before <= found.high);
        }

        #[test]
        fn a_shift_of_one_side_shifts_the_interval(before in whole(1..30), after in whole(1..30), shift in -50..50_i32) {
            let shift = f64::from(shift);
            let (found, shifted) =
                (interval(&before, &after), interval(&before, &after.iter().map(|value| value + shift).collect::<Vec<_>>()));
            prop_assert!((shifted.low - found.low - shift).abs() < 1e-9 && (shifted.high - found.high - shift).abs() < 1e-9);
        }
    }
}
