//! Where a percentile lies among sorted values.

/// A percentile of `count` values, by linear interpolation at position (n − 1)·p, as `numpy.percentile` does.
///
/// This is definition 7 of R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50
/// (1996), 361–365.
#[derive(Debug, Clone, Copy)]
pub struct Percentile {
    /// The position before it, from 0 on.
    pub position: u64,
    /// How far it is from there to the next one: from 0 to less than 1.
    pub fraction: f64,
}

impl Percentile {
    /// Returns the percentile `p`, from 0 to 1, of `count` values, of which there is at least one.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to count"
    )]
    pub fn of(p: f64, count: u64) -> Self {
        let at = (count - 1) as f64 * p;
        let position = (at.floor() as u64).min(count - 1);
        Self { position, fraction: at - at.floor() }
    }

    /// Returns the one or two positions that it takes, in ascending order.
    pub fn positions(self) -> impl Iterator<Item = u64> {
        [self.position].into_iter().chain((self.fraction > 0.0).then_some(self.position + 1))
    }

    /// Returns the percentile between the value at its position and the next one.
    pub fn between(self, value: f64, next: f64) -> f64 {
        let difference = next - value;
        if self.fraction >= 0.5 {
            next - difference * (1.0 - self.fraction)
        } else {
            value + difference * self.fraction
        }
    }

    /// Returns the percentile of values in ascending order, as many as it was created for.
    pub fn of_sorted(self, values: &[f64]) -> f64 {
        let mut found = self.positions().filter_map(|position| values.get(usize::try_from(position).ok()?));
        let value = found.next().copied().unwrap_or_default();
        self.between(value, found.next().copied().unwrap_or(value))
    }
}
