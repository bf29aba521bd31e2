//! The values of one side of a comparison.

use crate::percentile::Percentile;

/// Finite values in ascending order, of which there is at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    values: Vec<f64>,
}

impl Sample {
    /// Returns the sample of these values, in any order; `None` if there are none, or if one is infinite or not a number.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let is_sample = !values.is_empty() && values.iter().all(|value| value.is_finite());
        is_sample.then_some(Self { values })
    }

    /// Returns the values in ascending order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the number of values.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Returns the percentile `p`, from 0 to 1, as [`Percentile`] defines it.
    pub fn percentile(&self, p: f64) -> f64 {
        Percentile::of(p, self.values.len() as u64).of_sorted(&self.values)
    }

    /// Returns the median: of an even number of values, what lies halfway between the two in the middle.
    pub fn median(&self) -> f64 {
        self.percentile(0.5)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::Sample;

    #[test]
    fn percentiles_are_those_of_numpy() {
        // numpy.percentile([1, 2, 4, 8], 100 * p)
        let sample = Sample::of(vec![4.0, 1.0, 8.0, 2.0]).unwrap();
        for (p, expected) in [
            (0.0, 1.0),
            (0.25, 1.75),
            (0.5, 3.0),
            (0.9, 6.800_000_000_000_001),
            (0.95, 7.399_999_999_999_999),
            (1.0, 8.0_f64),
        ] {
            assert_eq!(sample.percentile(p).to_bits(), expected.to_bits(), "{p}");
        }
    }

    #[test]
    fn medians_lie_in_the_middle() {
        for (values, median) in [(vec![3.0], 3.0), (vec![5.0, 1.0], 3.0), (vec![9.0, 1.0, 2.0], 2.0)] {
            assert!((Sample::of(values).unwrap().median() - median).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn a_sample_has_finite_values() {
        for values in [vec![], vec![f64::NAN], vec![1.0, f64::INFINITY], vec![f64::NEG_INFINITY, 1.0]] {
            assert_eq!(Sample::of(values), None);
        }
        assert_eq!(Sample::of(vec![2.0, -1.0]).unwrap().values(), [-1.0, 2.0]);
    }
}
