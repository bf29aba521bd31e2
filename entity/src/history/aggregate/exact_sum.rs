//! Sums without rounding errors, so that neither the order of the values nor the number of threads shows.

/// Number of sums that [`ExactSum::add_all`] computes side by side.
const LANES: usize = 8;

/// A sum that is rounded once, when it is read.
///
/// The values of the plugin have a grain, so adding them is nearly always exact; what it loses otherwise is kept as an
/// expansion: numbers that do not overlap (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997).
#[derive(Debug, Clone, Default)]
pub(crate) struct ExactSum {
    rounded: f64,
    lost: Vec<f64>,
}

/// Returns the rounded sum of two numbers, and what it lost (D. E. Knuth, TAOCP, volume 2, 4.2.2, theorem B).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let from_b = sum - a;
    let from_a = sum - from_b;
    (sum, (a - from_a) + (b - from_b))
}

impl ExactSum {
    /// Adds a finite number.
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let (rounded, lost) = two_sum(self.rounded, value);
        self.rounded = rounded;
        if lost != 0.0 && rounded.is_finite() {
            self.lose(lost);
        }
    }

    /// Adds finite numbers: faster than one by one, since these additions need not wait for each other.
    pub(crate) fn add_all(&mut self, values: &[f64]) {
        let mut sums = [0.0; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            let mut lost = [0.0; LANES];
            for lane in 0..LANES {
                (sums[lane], lost[lane]) = two_sum(sums[lane], chunk[lane]);
            }
            if lost.iter().any(|lost| *lost != 0.0) {
                lost.into_iter().filter(|lost| *lost != 0.0 && lost.is_finite()).for_each(|lost| self.lose(lost));
            }
        }
        sums.iter().chain(rest).for_each(|value| self.add(*value));
    }

    /// Adds what a sum lost.
    #[cold]
    fn lose(&mut self, lost: f64) {
        grow(&mut self.lost, lost);
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.add(other.rounded);
        other.lost.iter().for_each(|lost| self.add(*lost));
    }

    /// Returns numbers whose sum it is, exactly.
    pub(crate) fn parts(&self) -> impl Iterator<Item = f64> + Clone {
        self.lost.iter().copied().chain([self.rounded])
    }

    /// Adds the product of two finite numbers (T. J. Dekker, "A Floating-Point Technique for Extending the Available Precision",
    /// 1971; with a fused multiplication and addition, which rounds once).
    pub(crate) fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.add(product);
        if product.is_finite() {
            self.add(a.mul_add(b, -product));
        }
    }

    /// Returns the sum, correctly rounded: to nearest, ties to even. It is infinite if the numbers, added one by one, leave what
    /// numbers can hold.
    pub(crate) fn value(&self) -> f64 {
        if !self.rounded.is_finite() {
            return self.rounded;
        }
        let mut parts = self.lost.clone();
        grow(&mut parts, self.rounded);
        // From the greatest part on, until one no longer fits.
        let (mut sum, mut rest) = (0.0, 0.0);
        while let Some(part) = parts.pop() {
            (sum, rest) = two_sum(sum, part);
            if rest != 0.0 {
                break;
            }
        }
        // In the middle between two numbers, the parts below decide, whose rounding does not know of them.
        if let Some(below) = parts.last()
            && below.signum() == rest.signum()
        {
            let (rounded, left) = two_sum(sum, rest * 2.0);
            if left == 0.0 {
                return rounded;
            }
        }
        sum
    }
}

/// Adds a number to an expansion, whose parts are in ascending order of their size, without zeros.
fn grow(parts: &mut Vec<f64>, mut value: f64) {
    parts.retain_mut(|part| {
        let (sum, rest) = two_sum(value, *part);
        (value, *part) = (sum, rest);
        rest != 0.0
    });
    if value != 0.0 {
        parts.push(value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ExactSum;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        for value in values {
            sum.add(*value);
        }
        sum
    }

    #[test]
    fn nothing_is_lost() {
        let tenths = [0.1; 10];
        assert_eq!(sum(&tenths).value().to_bits(), 1.0_f64.to_bits());
        assert_eq!(sum(&[1e100, 1.0, -1e100]).value().to_bits(), 1.0_f64.to_bits());
        assert_eq!(sum(&[]).value().to_bits(), 0.0_f64.to_bits());
        assert_eq!(sum(&[1.7e308, 1.7e308, 1.0]).value().to_bits(), f64::INFINITY.to_bits());
    }

    /// Returns the sum of multiples of 2^-80 that are less than 2^40, as an integer adds them.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "multiples; rounded once")]
    fn sum_of_integers(values: &[f64]) -> f64 {
        let scale = 2.0_f64.powi(80);
        values.iter().map(|value| (value * scale) as i128).sum::<i128>() as f64 / scale
    }

    fn value() -> impl Strategy<Value = f64> {
        let number = (-(1_i64 << 53)..1 << 53, 0..47_i32);
        // The last ones are where sums end in the middle between two numbers.
        prop_oneof![
            #[allow(clippy::cast_precision_loss, reason = "fits")]
            number.prop_map(|(digits, shift)| digits as f64 * 2.0_f64.powi(shift - 80)),
            (-80..39_i32, any::<bool>()).prop_map(|(power, sign)| 2.0_f64.powi(power) * if sign { 1.0 } else { -1.0 }),
        ]
    }

    proptest! {
        #[test]
        fn neither_order_nor_parts_show(
            values in prop::collection::vec(value(), 1..60),
            at in any::<prop::sample::Index>(),
        ) {
            let expected = sum_of_integers(&values);
            prop_assert_eq!(sum(&values).value().to_bits(), expected.to_bits());
            let (first, second) = values.split_at(at.index(values.len()));
            let mut parts = sum(second);
            parts.merge(&sum(first));
            let mut at_once = ExactSum::default();
            at_once.add_all(&values);
            prop_assert_eq!(at_once.value().to_bits(), expected.to_bits());
            prop_assert_eq!(parts.value().to_bits(), expected.to_bits());
        }
    }
}
