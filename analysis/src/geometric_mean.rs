//! By how much many things changed, in one number.

/// The geometric mean of some ratios.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeometricMean {
    /// The n-th root of the product of n ratios.
    pub ratio: f64,
    /// The number of ratios that it is the mean of.
    pub count: usize,
}

/// Returns the geometric mean of those ratios that are finite and greater than 0; `None` if there are none. Others have no
/// logarithm and are left out: `count` is smaller then.
///
/// P. J. Fleming and J. J. Wallace, "How Not to Lie with Statistics: The Correct Way to Summarize Benchmark Results",
/// Communications of the ACM 29 (1986), 218–221. It is the power of e to the mean of the logarithms. These are added in ascending order,
/// so that the order of the ratios does not count.
#[allow(clippy::cast_precision_loss, reason = "a number of ratios")]
pub fn geometric_mean(ratios: &[f64]) -> Option<GeometricMean> {
    let positive = ratios.iter().copied().filter(|ratio| ratio.is_finite() && *ratio > 0.0);
    let mut logarithms: Vec<f64> = positive.map(libm::log).collect();
    logarithms.sort_unstable_by(f64::total_cmp);
    let count = logarithms.len();
    (count > 0).then(|| GeometricMean { ratio: libm::exp(logarithms.iter().sum::<f64>() / count as f64), count })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::geometric_mean;

    fn assert_mean(ratios: &[f64], ratio: f64, count: usize) {
        let found = geometric_mean(ratios).unwrap();
        assert!((found.ratio - ratio).abs() < 1e-14 && found.count == count, "{found:?}");
    }

    #[test]
    fn twice_and_half_cancel() {
        assert_mean(&[2.0, 0.5], 1.0, 2);
        assert_mean(&[1.0, 2.0, 4.0], 2.0, 3);
    }

    #[test]
    fn what_has_no_logarithm_is_left_out() {
        assert_mean(&[0.0, 4.0, f64::NAN, -1.0, f64::INFINITY, 1.0], 2.0, 2);
        assert_eq!((geometric_mean(&[]), geometric_mean(&[0.0])), (None, None));
    }

    proptest! {
        #[test]
        fn the_mean_is_between_the_ratios_in_any_order(mut ratios in prop::collection::vec(1e-6..1e6_f64, 1..60)) {
            let found = geometric_mean(&ratios).unwrap();
            let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = ratios.iter().copied().fold(0.0, f64::max);
            prop_assert!(found.ratio >= least * (1.0 - 1e-13) && found.ratio <= greatest * (1.0 + 1e-13));
            ratios.reverse();
            prop_assert_eq!(Some(found), geometric_mean(&ratios));
            let inverse = geometric_mean(&ratios.iter().map(|ratio| 1.0 / ratio).collect::<Vec<_>>()).unwrap();
            prop_assert!((inverse.ratio * found.ratio - 1.0).abs() < 1e-12);
        }
    }
}
