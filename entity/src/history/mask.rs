//! A set of rows of one page.

/// Maximum number of rows in a page: as many as a mask has bits.
pub(crate) const MAX_PAGE_ROWS: usize = 256;

/// A set of rows of a page, by their position in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mask([u64; MAX_PAGE_ROWS / 64]);

impl Mask {
    /// Returns the first `rows` rows.
    pub(crate) fn first(rows: usize) -> Self {
        let mut mask = Self::default();
        for (word, start) in mask.0.iter_mut().zip((0..).step_by(64)) {
            *word = match rows.saturating_sub(start) {
                64.. => u64::MAX,
                bits => (1 << bits) - 1,
            };
        }
        mask
    }

    /// Returns the rows for whose value `holds` is true.
    pub(crate) fn of<T>(values: &[T], holds: impl Fn(&T) -> bool) -> Self {
        let mut mask = Self::default();
        for (word, values) in mask.0.iter_mut().zip(values.chunks(64)) {
            for (bit, value) in values.iter().enumerate() {
                *word |= u64::from(holds(value)) << bit;
            }
        }
        mask
    }

    /// Adds a row.
    pub(crate) fn insert(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    /// Returns whether a row is in the set.
    pub(crate) fn contains(self, row: usize) -> bool {
        self.0[row / 64] >> (row % 64) & 1 == 1
    }

    /// Returns the rows that are in both.
    pub(crate) fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// Returns the rows that are in either.
    pub(crate) fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// Returns the rows that are not in `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|word| combine(self.0[word], other.0[word])))
    }

    /// Returns whether no row is in the set.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Returns the number of rows.
    pub(crate) fn count(self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Returns the rows in ascending order.
    pub(crate) fn rows(self) -> impl Iterator<Item = usize> {
        let words = self.0.into_iter().zip((0..).step_by(64));
        words.flat_map(|(word, start)| {
            // Drops the lowest bit each time.
            let left = std::iter::successors(Some(word), |left| Some(left & left.wrapping_sub(1)));
            left.take_while(|left| *left != 0).map(move |left| start + left.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PAGE_ROWS, Mask};

    #[test]
    fn masks_are_sets() {
        for rows in [0, 1, 63, 64, 65, 128, 255, 256] {
            let all = Mask::first(rows);
            assert_eq!(all.rows().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
            assert_eq!(all.count(), rows as u64);
        }
        let values: Vec<usize> = (0..MAX_PAGE_ROWS).collect();
        let (even, third) = (Mask::of(&values, |row| row % 2 == 0), Mask::of(&values, |row| row % 3 == 0));
        let rows = |mask: Mask| mask.rows().collect::<Vec<_>>();
        let expected = |holds: fn(usize) -> bool| values.iter().copied().filter(|row| holds(*row)).collect::<Vec<_>>();
        assert_eq!(rows(even.and(third)), expected(|row| row % 6 == 0));
        assert_eq!(rows(even.or(third)), expected(|row| row % 2 == 0 || row % 3 == 0));
        assert_eq!(rows(even.without(third)), expected(|row| row % 2 == 0 && row % 3 != 0));
        let mut one = Mask::default();
        assert!(one.is_empty());
        one.insert(200);
        assert_eq!(rows(one), [200]);
        assert!(one.contains(200) && !one.contains(199));
    }
}
