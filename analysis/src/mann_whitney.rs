//! Whether one of two samples tends to have the greater values.

use crate::ranks::PooledRanks;

/// Up to this number of values on both sides together, p-values are exact.
pub const MAX_EXACT: usize = 20;

/// The two-sided Mann–Whitney U test: how likely ranks as unequal as these are if both sides are alike.
///
/// H. B. Mann and D. R. Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger than the Other", Annals
/// of Mathematical Statistics 18 (1947), 50–60.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// The number of pairs in which the value before is greater than the one after; pairs of equal values count half.
    pub u: f64,
    /// The p-value: more than 0, and 1 at most. 1 if all values are equal.
    pub p: f64,
}

impl MannWhitney {
    /// Tests two samples by their ranks. What can be found depends on their sizes: with three values a side, p is 0.1 at least.
    #[allow(clippy::cast_precision_loss, reason = "numbers of pairs")]
    pub fn of(ranks: &PooledRanks) -> Self {
        let is_exact = ranks.counts().iter().sum::<usize>() <= MAX_EXACT;
        let p = if is_exact { exact(ranks) } else { approximate(ranks) };
        Self { u: ranks.doubled_u() as f64 / 2.0, p }
    }
}

/// Returns twice the smaller tail of the distribution of the sum of one side's ranks, over all ways to split the ranks between
/// sides of these sizes: 1 at most. Ties are part of the ranks, so the distribution is the conditional one.
///
/// E. L. Lehmann, "Nonparametrics: Statistical Methods Based on Ranks" (1975), chapter 1, section 4. Sums are counted value by value, as in
/// B. Streitberg and J. Röhmel, "Exact Distributions for Permutation and Rank Tests", Statistical Software Newsletter 12 (1986), 10–17.
#[allow(clippy::cast_possible_truncation, reason = "ranks of 20 values at most, and their sums")]
fn exact(ranks: &PooledRanks) -> f64 {
    // Both sides have the same tails. The smaller one, with the smaller sum, has fewer sums to count.
    let sides = [0, 1].map(|side| (ranks.counts()[side], ranks.doubled_sums()[side] as usize));
    let (size, sum) = sides[0].min(sides[1]);
    // Without ties, all of them are even.
    let grain = if ranks.doubled().all(|rank| rank % 2 == 0) { 2 } else { 1 };
    // In row k, how many sets of k values have each sum, up to the one observed.
    let width = sum / grain + 1;
    let mut ways = vec![0_u32; (size + 1) * width];
    ways[0] = 1;
    for (seen, rank) in ranks.doubled().map(|rank| rank as usize / grain).enumerate() {
        for row in (1..=size.min(seen + 1)).rev() {
            let (fewer, rest) = ways[(row - 1) * width..].split_at_mut(width);
            if let Some(more) = rest[..width].get_mut(rank..) {
                more.iter_mut().zip(fewer).for_each(|(more, fewer)| *more += *fewer);
            }
        }
    }
    let below = ways[size * width..][..width - 1].iter().sum::<u32>();
    let equal = ways[(size + 1) * width - 1];
    let all = binomial(ranks.counts().iter().sum::<usize>() as u32, size as u32);
    let tail = (below + equal).min(all - below);
    f64::from((2 * tail).min(all)) / f64::from(all)
}

/// Returns the number of sets of `size` out of `count` values.
fn binomial(count: u32, size: u32) -> u32 {
    (1..=size).fold(1, |ways, taken| ways * (count - size + taken) / taken)
}

/// Returns the p-value by the normal distribution that U approaches, with the variance corrected for ties and the distance from the
/// mean reduced by a half (continuity).
///
/// E. L. Lehmann (as above), sections 3 and 4: the variance is n₁·n₂/12 · ((n + 1) − Σ(t³ − t)/(n·(n − 1))).
#[allow(clippy::cast_precision_loss, reason = "rounded as whole numbers, once")]
fn approximate(ranks: &PooledRanks) -> f64 {
    let cube = |count: u64| u128::from(count).pow(3) - u128::from(count);
    let count = ranks.ties().iter().sum::<u64>();
    let untied = cube(count) - ranks.ties().iter().map(|size| cube(*size)).sum::<u128>();
    if untied == 0 {
        return 1.0;
    }
    let pairs = ranks.pairs();
    let variance = pairs as f64 / 12.0 * (untied as f64 / (count as f64 * (count - 1) as f64));
    let distance = (ranks.doubled_u().abs_diff(pairs) as f64 - 1.0) / 2.0;
    // Both tails. However far it is, p is no 0.
    libm::erfc(distance / (2.0 * variance).sqrt()).clamp(f64::MIN_POSITIVE, 1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_EXACT, MannWhitney, approximate, binomial, exact};
    use crate::ranks::tests::{ranks, side};

    const BEFORE: [f64; 5] = [10.0, 10.2, 9.9, 10.1, 10.0];

    fn test(before: &[f64], after: &[f64]) -> MannWhitney {
        MannWhitney::of(&ranks(before, after))
    }

    fn assert_close(found: f64, expected: f64, error: f64) {
        assert!((found - expected).abs() < error, "{found} is not {expected}");
    }

    /// Counts all splits one by one.
    fn by_enumeration(before: &[f64], after: &[f64]) -> f64 {
        let pool = ranks(before, after);
        let (all, size) = (pool.doubled().collect::<Vec<_>>(), before.len());
        let (mut splits, mut low, mut high) = (0_u32, 0_u32, 0_u32);
        for set in (0..1_u32 << all.len()).filter(|set| set.count_ones() as usize == size) {
            let sum = (0..all.len()).filter(|at| set >> at & 1 == 1).map(|at| all[at]).sum::<u64>();
            splits += 1;
            low += u32::from(sum <= pool.doubled_sums()[0]);
            high += u32::from(sum >= pool.doubled_sums()[0]);
        }
        f64::from((2 * low.min(high)).min(splits)) / f64::from(splits)
    }

    #[test]
    fn exact_p_values_are_those_over_all_splits() {
        // scipy.stats.mannwhitneyu with PermutationMethod(n_resamples=inf)
        let found = test(&BEFORE, &[10.6, 10.4, 10.9, 10.3, 10.5]);
        assert_close(found.u, 0.0, 1e-12);
        assert_close(found.p, 0.007_936_508, 1e-9);
        let found = test(&BEFORE, &[10.1, 10.4, 10.0, 10.3, 9.95]);
        assert_close(found.u, 8.5, 1e-12);
        assert_close(found.p, 0.460_317, 1e-6);
    }

    #[test]
    fn more_values_are_approximated() {
        // scipy.stats.mannwhitneyu(range(15), range(5, 20), method="asymptotic")
        let values = |from: i32, to: i32| (from..to).map(f64::from).collect::<Vec<_>>();
        let found = test(&values(0, 15), &values(5, 20));
        assert_close(found.u, 50.0, 1e-12);
        assert_close(found.p, 0.010_038_347_860_517_575, 1e-15);
        // Far apart, p would be less than any number.
        assert!(test(&values(0, 9_000), &values(9_000, 18_000)).p > 0.0);
    }

    #[test]
    fn equal_constants_have_p_1() {
        for count in [1, 5, 10, 11, 1_000] {
            assert_close(test(&vec![2.0; count], &vec![2.0; count]).p, 1.0, f64::EPSILON);
        }
    }

    #[test]
    fn binomials_are_counted() {
        assert_eq!((binomial(20, 10), binomial(7, 0), binomial(7, 7), binomial(6, 2)), (184_756, 1, 1, 15));
    }

    #[test]
    fn the_approximation_takes_over_where_it_is_close() {
        let values = |from: i32| (from..from + 10).map(f64::from).collect::<Vec<_>>();
        for shift in 0..10 {
            let pool = ranks(&values(0), &values(shift));
            assert_close(exact(&pool), approximate(&pool), 0.03);
        }
    }

    proptest! {
        #[test]
        fn sums_are_counted_as_splits_are(before in side(1..8), after in side(1..8)) {
            let found = test(&before, &after).p;
            prop_assert_eq!(found.to_bits(), by_enumeration(&before, &after).to_bits());
        }

        #[test]
        fn sides_and_signs_may_be_swapped(before in side(1..25), after in side(1..25)) {
            let negated = |values: &[f64]| values.iter().map(|value| -value).collect::<Vec<_>>();
            let found = test(&before, &after);
            let swapped = test(&after, &before);
            let pairs = f64::from(u32::try_from(before.len() * after.len()).unwrap());
            prop_assert_eq!(found.p.to_bits(), swapped.p.to_bits());
            prop_assert!((found.u + swapped.u - pairs).abs() < 1e-9);
            prop_assert_eq!(found.p.to_bits(), test(&negated(&before), &negated(&after)).p.to_bits());
        }

        #[test]
        fn p_is_a_probability_and_only_order_counts(before in side(1..40), after in side(1..40)) {
            let found = test(&before, &after);
            prop_assert!(found.p > 0.0 && found.p <= 1.0);
            let scaled = |values: &[f64]| values.iter().rev().map(|value| value * 4.0).collect::<Vec<_>>();
            prop_assert_eq!(found, test(&scaled(&before), &scaled(&after)));
            let is_exact = before.len() + after.len() <= MAX_EXACT;
            prop_assert!(!is_exact || found.p >= 1.0 / f64::from(binomial(20, 10)));
        }
    }
}
