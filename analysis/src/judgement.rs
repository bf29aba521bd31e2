//! What is said of one compared pair.

/// A change is a finding if its adjusted p-value is less.
pub const SIGNIFICANCE: f64 = 0.05;

/// A change is a finding if it is this share of the median before, or more.
pub const MIN_CHANGE: f64 = 0.05;

/// With fewer values on a side, nothing is tested: with 4 a side, p is 2/70 at least, which hardly survives the adjustment; with 5, 2/252.
pub const MIN_VALUES: usize = 5;

/// One side of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// Number of values.
    pub count: usize,
    /// Their median, in the unit of the resource.
    pub median: f64,
}

/// Whether a test uses more or less of a resource than before. Less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// It uses more, and neither chance nor the grain of the resource is likely to be the reason.
    Regressed,
    /// It uses less, likewise.
    Improved,
    /// A change was not found.
    Unchanged,
    /// A side has fewer than [`MIN_VALUES`] values.
    Untested,
}

impl Judgement {
    /// Returns whether there are enough values on both sides for a test. Only the p-values of such pairs are adjusted together.
    pub fn is_testable(before: usize, after: usize) -> bool {
        before.min(after) >= MIN_VALUES
    }

    /// Judges a pair by its p-value, [adjusted](crate::adjusted) over all pairs that were tested, and `None` if this one was not.
    ///
    /// A pair has changed if the p-value is less than [`SIGNIFICANCE`], and if the difference of the medians is at least [`MIN_CHANGE`]
    /// of the one before, and greater than `floor`: that of the resource, in its unit, below which differences say nothing.
    pub fn of(before: Side, after: Side, adjusted_p: Option<f64>, floor: f64) -> Self {
        let Some(p) = adjusted_p.filter(|_| Self::is_testable(before.count, after.count)) else {
            return Self::Untested;
        };
        let difference = after.median - before.median;
        let size = difference.abs();
        let has_changed = p < SIGNIFICANCE && size >= MIN_CHANGE * before.median.abs() && size > floor;
        match has_changed {
            true if difference > 0.0 => Self::Regressed,
            true => Self::Improved,
            false => Self::Unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Judgement, Side};

    fn judged(before: (usize, f64), after: (usize, f64), adjusted_p: Option<f64>, floor: f64) -> Judgement {
        let side = |(count, median)| Side { count, median };
        Judgement::of(side(before), side(after), adjusted_p, floor)
    }

    #[test]
    fn a_pair_has_changed_if_all_three_conditions_hold() {
        use Judgement::{Improved, Regressed, Unchanged};
        for (before, after, p, floor, expected) in [
            (10.0, 10.5, 0.049, 0.4, Regressed),
            (10.0, 9.5, 0.049, 0.4, Improved),
            // The significance itself is none.
            (10.0, 10.5, 0.05, 0.4, Unchanged),
            (10.0, 10.49, 0.001, 0.4, Unchanged),
            (10.0, 9.51, 0.001, 0.4, Unchanged),
            // The floor itself is not enough.
            (10.0, 10.5, 0.001, 0.5, Unchanged),
            (10.0, 10.0, 0.001, 0.0, Unchanged),
            // From nothing, every change is large enough.
            (0.0, 0.1, 0.001, 0.051_5, Regressed),
            (0.1, 0.0, 0.001, 0.051_5, Improved),
            (0.0, 0.0, 0.001, 0.0, Unchanged),
        ] {
            assert_eq!(judged((5, before), (5, after), Some(p), floor), expected, "{before} {after} {p} {floor}");
        }
    }

    #[test]
    fn a_pair_with_too_few_values_is_untested() {
        for (before, after, p) in [(4, 5, Some(0.0)), (5, 4, Some(0.0)), (1, 1, None), (9, 9, None)] {
            assert_eq!(judged((before, 1.0), (after, 2.0), p, 0.0), Judgement::Untested);
        }
        assert_eq!(judged((5, 1.0), (5, 2.0), Some(0.0), 0.0), Judgement::Regressed);
    }

    proptest! {
        #[test]
        fn of_two_directions_one_regressed(before in 0.0..9.0_f64, change in 0.0..9.0_f64, p in 0.0..0.1_f64, floor in 0.0..2.0_f64) {
            let judgements = [before + change, before - change].map(|after| judged((5, before), (6, after), Some(p), floor));
            prop_assert!([
                [Judgement::Unchanged; 2],
                [Judgement::Regressed, Judgement::Improved],
            ].contains(&judgements) || (change - floor).abs().min((change - before / 20.0).abs()) < 1e-9);
        }
    }
}
