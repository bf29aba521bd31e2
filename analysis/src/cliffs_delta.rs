//! How far two samples overlap.

use crate::ranks::PooledRanks;

/// Returns Cliff's δ: the share of pairs in which the value after is the greater one, minus the share in which it is the smaller
/// one. From −1 (all values after are smaller) to 1 (all are greater).
///
/// N. Cliff, "Dominance Statistics: Ordinal Analyses to Answer Ordinal Questions", Psychological Bulletin 114 (1993), 494–509. It is
/// 1 − 2·U/(n₁·n₂).
#[allow(clippy::cast_precision_loss, reason = "numbers of pairs")]
pub fn cliffs_delta(ranks: &PooledRanks) -> f64 {
    let (pairs, doubled_u) = (ranks.pairs(), ranks.doubled_u());
    let difference = pairs.abs_diff(doubled_u) as f64 / pairs as f64;
    if doubled_u > pairs { -difference } else { difference }
}

/// What a δ is called.
///
/// J. Romano, J. D. Kromrey, J. Coraggio and J. Skowronek, "Appropriate statistics for ordinal level data: Should we really be using
/// t-test and Cohen's d for evaluating group differences on the NSSE and other surveys?", annual meeting of the Florida Association
/// of Institutional Research (2006).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magnitude {
    /// Less than 0.147, in either direction.
    Negligible,
    /// Less than 0.33.
    Small,
    /// Less than 0.474.
    Medium,
    /// 0.474 or more.
    Large,
}

impl Magnitude {
    /// Returns what a δ is called, whatever its sign.
    pub fn of(delta: f64) -> Self {
        match delta.abs() {
            size if size < 0.147 => Self::Negligible,
            size if size < 0.33 => Self::Small,
            size if size < 0.474 => Self::Medium,
            _ => Self::Large,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::{Magnitude, cliffs_delta};
    use crate::ranks::tests::{ranks, side};

    #[test]
    fn delta_is_positive_if_values_after_are_greater() {
        let before = [10.0, 10.2, 9.9, 10.1, 10.0];
        for (after, delta) in [
            ([10.6, 10.4, 10.9, 10.3, 10.5], 1.0),
            ([10.1, 10.4, 10.0, 10.3, 9.95], 0.32),
            ([9.0, 9.1, 9.2, 9.3, 9.4], -1.0),
            (before, 0.0),
        ] {
            let found = cliffs_delta(&ranks(&before, &after));
            assert!((found - delta).abs() < 1e-12, "{found} is not {delta}");
        }
    }

    #[test]
    fn magnitudes_have_names() {
        use Magnitude::{Large, Medium, Negligible, Small};
        for (delta, name) in [
            (0.0, Negligible),
            (0.146, Negligible),
            (0.147, Small),
            (-0.329, Small),
            (0.33, Medium),
            (0.473, Medium),
            (-0.474, Large),
            (1.0, Large),
        ] {
            assert_eq!(Magnitude::of(delta), name, "{delta}");
        }
    }

    proptest! {
        #[test]
        fn pairs_are_counted(before in side(1..40), after in side(1..40)) {
            let sign = |before: f64, after: f64| i32::from(after > before) - i32::from(after < before);
            let sum = before.iter().flat_map(|one| after.iter().map(move |other| sign(*one, *other))).sum::<i32>();
            let pairs = u32::try_from(before.len() * after.len()).unwrap();
            let found = cliffs_delta(&ranks(&before, &after));
            prop_assert_eq!(found.abs().to_bits(), (f64::from(sum) / f64::from(pairs)).abs().to_bits());
            prop_assert!(sum == 0 || (found > 0.0) == (sum > 0));
            prop_assert!((found + cliffs_delta(&ranks(&after, &before))).abs() < f64::EPSILON);
        }
    }
}
