//! Sums of squares without rounding errors, for standard deviations.
//!
//! The mean square minus the squared mean loses all digits that both share, and updated means (Welford) depend on the order of
//! values. Here nothing is lost: squares are added as integers, at the place of their lowest bit, to a long accumulator (U. W.
//! Kulisch and W. L. Miranker, "Computer Arithmetic in Theory and Practice", 1981). Its carry is rarely more than one word, so a
//! value costs a multiplication and a few additions, and a group a fixed number of bytes.

use crate::history::aggregate::exact_sum::ExactSum;

/// Words of the accumulator.
const WORDS: usize = 5;
/// The power of two that its lowest bit stands for: it holds the squares of all multiples of 2^-96…
const LEAST: i32 = -192;
/// … up to 2^40, 2^48 of them: 48 bits are left for carries.
const GREATEST: i32 = LEAST + 64 * 5 - 48;
/// The exponent of a number whose exponent bits are 0, see IEEE 754.
const BIAS: i32 = 1075;

/// An exact sum of squares.
#[derive(Debug, Clone, Default)]
pub(crate) struct SquareSum {
    words: [u64; WORDS],
    /// The squares that the accumulator can't hold.
    rest: Option<Box<ExactSum>>,
}

/// Returns the number as an odd integer and a power of two, without its sign; `None` for 0.
fn odd(value: f64) -> Option<(u64, i32)> {
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or_default();
    let digits = bits & ((1 << 52) - 1) | u64::from(exponent > 0) << 52;
    let zeros = digits.trailing_zeros();
    (digits != 0).then(|| (digits >> zeros, exponent.max(1) - BIAS + zeros.cast_signed()))
}

impl SquareSum {
    /// Adds the square of a finite number.
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let Some((odd, power)) = odd(value) else { return };
        let square = u128::from(odd) * u128::from(odd);
        let end = 2 * power + (128 - square.leading_zeros().cast_signed());
        match usize::try_from(2 * power - LEAST) {
            Ok(place) if end <= GREATEST => self.add_at(place, square),
            _ => self.rest.get_or_insert_default().add_product(value, value),
        }
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "word by word")]
    fn add_at(&mut self, place: usize, number: u128) {
        let (word, shift) = (place / 64, place % 64);
        let low = number << shift;
        let high = if shift == 0 { 0 } else { (number >> (128 - shift)) as u64 };
        self.add_words(word, [low as u64, (low >> 64) as u64, high]);
    }

    /// Adds words from `first` on.
    #[inline]
    fn add_words<const N: usize>(&mut self, first: usize, words: [u64; N]) {
        let mut carry = false;
        for (at, word) in self.words[first..].iter_mut().enumerate() {
            if at >= N && !carry {
                break;
            }
            (*word, carry) = word.carrying_add(words.get(at).copied().unwrap_or(0), carry);
        }
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.add_words(0, other.words);
        if let Some(rest) = &other.rest {
            self.rest.get_or_insert_default().merge(rest);
        }
    }

    /// Returns numbers whose sum it is, exactly.
    fn parts(&self) -> impl Iterator<Item = f64> {
        let halves = self.words.iter().flat_map(|word| [word & u64::from(u32::MAX), word >> 32]);
        let powers = (LEAST..).step_by(32);
        // Numbers of 32 bits, which nothing rounds.
        #[allow(clippy::cast_precision_loss, reason = "32 bits")]
        let of_words = halves.zip(powers).map(|(half, power)| half as f64 * 2.0_f64.powi(power));
        of_words.filter(|part| *part != 0.0).chain(self.rest.iter().flat_map(|rest| rest.parts()))
    }

    /// Returns the sample standard deviation, with the divisor n − 1, of `count` numbers of this sum of squares and the sum `sum`;
    /// `None` for fewer than two, or if it leaves what numbers can hold. It is computed as √((n·Σx² − (Σx)²) / (n·(n − 1))), whose
    /// dividend is exact until it is rounded once.
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 values")]
    pub(crate) fn standard_deviation(&self, count: u64, sum: &ExactSum) -> Option<f64> {
        if count < 2 {
            return None;
        }
        let count = count as f64;
        let mut dividend = ExactSum::default();
        self.parts().for_each(|part| dividend.add_product(count, part));
        for part in sum.parts() {
            sum.parts().for_each(|other| dividend.add_product(-part, other));
        }
        // Not n·(n − 1) at once, which could leave what numbers can hold.
        let deviation = (dividend.value() / count / (count - 1.0)).sqrt();
        deviation.is_finite().then_some(deviation)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use proptest::prelude::*;

    use super::{ExactSum, SquareSum};

    fn sums(values: &[f64]) -> (SquareSum, ExactSum) {
        let (mut squares, mut sum) = (SquareSum::default(), ExactSum::default());
        for value in values {
            squares.add(*value);
            sum.add(*value);
        }
        (squares, sum)
    }

    fn deviation(values: &[f64]) -> Option<f64> {
        let (squares, sum) = sums(values);
        squares.standard_deviation(values.len() as u64, &sum)
    }

    #[test]
    fn deviations_are_those_of_python() {
        // statistics.stdev of Python 3.12
        for (values, expected) in [
            (&[1.0, 2.0, 4.0, 8.0][..], 3.095_695_936_834_452),
            (&[0.1, 0.1, 0.1], 0.0),
            (&[1e9, 1e9 + 1e-6, 1e9 + 2e-6], 1.013_863_152_040_884_7e-6),
            (&[-0.5, 1e-3, 700.25], 404.433_652_470_134_23),
        ] {
            let found = deviation(values).unwrap();
            assert!((found - expected).abs() <= expected * 4e-16, "{values:?}: {found}");
        }
        assert_eq!((deviation(&[]), deviation(&[7.0])), (None, None));
    }

    #[test]
    fn what_the_accumulator_cant_hold_counts_too() {
        for scale in [1e-40, 1e-20, 1e20, 1e100] {
            let found = deviation(&[1.0, 2.0, 4.0, 8.0].map(|value| value * scale)).unwrap();
            assert!((found / scale - 3.095_695_936_834_452).abs() < 1e-14, "{scale}: {found}");
        }
        assert_eq!(deviation(&[1e200, -1e200]), None);
    }

    #[test]
    fn carries_reach_the_last_word() {
        let (mut squares, sum) = sums(&[2.0_f64.powi(39), 2.0_f64.powi(-96)]);
        let one = squares.clone();
        (0..40).for_each(|_| {
            let twice = squares.clone();
            squares.merge(&twice);
        });
        let parts: f64 = squares.parts().sum();
        assert_eq!(parts.to_bits(), (one.parts().sum::<f64>() * 2.0_f64.powi(40)).to_bits());
        assert!(squares.rest.is_none() && sum.value() > 0.0);
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            0.0..1e3_f64,
            -1e-3..1e-3_f64,
            (-1_000_000..1_000_000_i32).prop_map(|grains| f64::from(grains) / 256.0),
            -1e30..1e30_f64
        ]
    }

    proptest! {
        #[test]
        fn neither_order_nor_parts_show(values in prop::collection::vec(value(), 2..40), at in any::<prop::sample::Index>()) {
            let expected = deviation(&values).map(f64::to_bits);
            let reversed: Vec<f64> = values.iter().rev().copied().collect();
            prop_assert_eq!(deviation(&reversed).map(f64::to_bits), expected);
            let (first, second) = values.split_at(at.index(values.len()));
            let ((mut squares, mut sum), (more_squares, more)) = (sums(second), sums(first));
            squares.merge(&more_squares);
            sum.merge(&more);
            prop_assert_eq!(squares.standard_deviation(values.len() as u64, &sum).map(f64::to_bits), expected);
        }

        #[test]
        fn a_shift_does_not_show(grains in prop::collection::vec(0..1_000_000_i64, 2..40), shift in 0..1_i64 << 40) {
            #[allow(clippy::cast_precision_loss, reason = "fits")]
            let of = |shift: i64| grains.iter().map(|grain| (grain + shift) as f64 / 1024.0).collect::<Vec<_>>();
            prop_assert_eq!(deviation(&of(shift)).map(f64::to_bits), deviation(&of(0)).map(f64::to_bits));
        }
    }
}
