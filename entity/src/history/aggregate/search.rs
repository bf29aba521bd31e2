//! What a pass over the history looks for among the values of each group.

/// A search for the values of groups at given positions, by threads that each see some of the values.
pub(crate) trait Search: Send + Sync + 'static {
    /// What one thread saw.
    type Tally: Send + Sync + 'static;

    /// Returns a tally of nothing.
    fn tally(&self) -> Self::Tally;

    /// Returns whether the values of a page are looked at.
    fn wants(&self, _part: usize, _page: usize) -> bool {
        true
    }

    /// Begins a page.
    fn begin_page(&self, _tally: &mut Self::Tally) {}

    /// Adds a value of a group to a tally.
    fn add(&self, tally: &mut Self::Tally, group: usize, value: i64);
}

/// Nothing is looked for.
impl Search for () {
    type Tally = ();

    fn tally(&self) {}

    #[inline]
    fn add(&self, (): &mut (), _: usize, _: i64) {}
}

/// A search that found values which can be selected from.
pub(crate) trait Select: Search {
    /// Returns the values of a group at `positions`, which are in ascending order. `None` if one of them was not found. `scratch`
    /// is overwritten.
    fn values(
        &self,
        tallies: &[Self::Tally],
        group: usize,
        positions: &[u64],
        scratch: &mut Vec<i64>,
    ) -> Option<Vec<i64>>;
}

/// Puts the values at the positions of `wanted`, each of which comes with an index and is not before the one before it, into
/// `values` at that index. `all` is reordered.
pub(crate) fn select(all: &mut [i64], wanted: &[(usize, usize)], values: &mut [i64]) {
    // From the last one down: what is selected from is ever shorter.
    let mut rest = all;
    let mut last = None;
    for (index, position) in wanted.iter().rev().copied() {
        if position < rest.len() {
            if position + 1 == rest.len() {
                let greatest = (0..rest.len()).max_by_key(|at| rest[*at]).unwrap_or(position);
                rest.swap(greatest, position);
            } else {
                rest.select_nth_unstable(position);
            }
            let (before, from) = rest.split_at_mut(position);
            last = Some(from[0]);
            rest = before;
        }
        values[index] = last.unwrap_or_default();
    }
}
