//! P-values of many tests at once.

/// Returns the p-values adjusted for their number, in the same order. If those below q are taken for findings, the share of false
/// ones among them is q at most, in the mean.
///
/// Y. Benjamini and Y. Hochberg, "Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple Testing",
/// Journal of the Royal Statistical Society B 57 (1995), 289–300. The adjusted value of the i-th of m in ascending order is the least
/// m·p/j of itself and of the greater ones, with the rank j of each: 1 at most.
#[allow(clippy::cast_precision_loss, reason = "numbers of tests")]
pub fn adjusted(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_unstable_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0_f64;
    for (position, index) in order.into_iter().enumerate().rev() {
        least = least.min(p_values[index] * p_values.len() as f64 / (position + 1) as f64);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::adjusted;

    /// The definition: of this one and of all that are not smaller, with the number of those that are not greater as the rank.
    fn by_definition(p_values: &[f64]) -> Vec<f64> {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap());
        let rank = |p: f64| number(p_values.iter().filter(|other| **other <= p).count());
        let of = |p: f64| p * number(p_values.len()) / rank(p);
        let least = |p: f64| p_values.iter().filter(|other| **other >= p).fold(1.0, |least, p| of(*p).min(least));
        p_values.iter().map(|p| least(*p)).collect()
    }

    #[test]
    fn seven_tests_have_four_findings() {
        // scipy.stats.false_discovery_control
        let found = adjusted(&[0.50, 0.01, 0.001, 0.69, 0.02, 0.05, 0.0025]);
        let expected = [0.583_333, 0.023_333, 0.007, 0.69, 0.035, 0.07, 0.008_75];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 5e-7, "{found} is not {expected}");
        }
        let findings: Vec<_> = (1..).zip(found).filter(|(_, p)| *p < 0.05).map(|(number, _)| number).collect();
        assert_eq!(findings, [2, 3, 5, 7]);
    }

    #[test]
    fn one_test_stays_as_it_is() {
        assert_eq!((adjusted(&[]), adjusted(&[0.3])), (vec![], vec![0.3]));
    }

    proptest! {
        #[test]
        fn each_value_is_the_least_of_the_definition(
            p_values in prop::collection::vec(prop_oneof![0.0..=1.0_f64, (1..20_i32).prop_map(|p| f64::from(p) / 20.0)], 0..60),
        ) {
            let found = adjusted(&p_values);
            let expected = by_definition(&p_values);
            for at in 0..p_values.len() {
                prop_assert_eq!(found[at].to_bits(), expected[at].to_bits());
                prop_assert!(p_values[at] <= found[at] * (1.0 + 1e-15) && found[at] <= 1.0);
                // The order stays.
                for other in 0..p_values.len() {
                    prop_assert!(p_values[at] > p_values[other] || found[at] <= found[other]);
                }
            }
        }
    }
}
