//! How long a run has taken by the clocks of its workers, as far as they can be believed: tests move them, by years and while they run.

use std::time::Duration;

/// On the clock of a worker, or between two readings of it.
pub(crate) type Microseconds = i64;

/// Between the results of a worker, and within a test, at most: what a clock says to have taken longer, it was moved.
const DAY: Microseconds = 86_400_000_000;
/// What the clocks of a worker and of the server may differ by between two results.
const SLACK: Duration = Duration::from_mins(1);

/// A result: when the test began on its worker's clock, and what it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub start: Microseconds,
    pub took: Microseconds,
}

/// What time a worker has taken so far, from its results in the order of their arrival.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Elapsed {
    /// What the worker's clock said when the run began.
    zero: Option<Microseconds>,
    /// What it would have said then if it had always gone as at the latest result that does not fit in.
    moved: Option<Microseconds>,
    so_far: Microseconds,
}

impl Elapsed {
    /// The run began at `start`, as far as its worker says, which may come to be known after results.
    pub fn begin(&mut self, start: Microseconds) {
        let Some(first) = self.zero else {
            self.zero = Some(start);
            return;
        };
        let earlier = first.saturating_sub(start);
        if (1..=DAY).contains(&earlier) {
            self.zero = Some(start);
            self.moved = self.moved.map(|moved| moved.saturating_sub(earlier));
            self.so_far = self.so_far.saturating_add(earlier);
        }
    }

    /// Takes in results that arrived together. `waited` is how long nothing had arrived, where the server saw that.
    pub fn add(&mut self, results: &[Span], waited: Option<Duration>) {
        let most = waited.and_then(|waited| seen_to_happen(results, waited)).unwrap_or(DAY);
        for Span { start, took } in results {
            let took = if (0..=most).contains(took) { *took } else { 0 };
            let fits = |zero: &Microseconds| {
                let at = start.saturating_sub(*zero);
                at.saturating_sub(self.so_far).unsigned_abs() <= most.unsigned_abs()
            };
            let zero = [self.zero, self.moved].into_iter().flatten().find(fits).unwrap_or_else(|| {
                // The clock was moved, to where it may stay: what began now began when the last result had come.
                let zero = start.saturating_sub(self.so_far);
                *if self.zero.is_none() { &mut self.zero } else { &mut self.moved } = Some(zero);
                zero
            });
            self.so_far = self.so_far.max(start.saturating_sub(zero).saturating_add(took));
        }
    }
}

/// What can lie between results that come as they happen; nothing is known of those that were kept back and took longer than the server
/// has waited.
fn seen_to_happen(results: &[Span], waited: Duration) -> Option<Microseconds> {
    let most = Microseconds::try_from((waited + SLACK).as_micros()).unwrap_or(DAY);
    let believed = results.iter().map(|result| result.took).filter(|took| (0..=most).contains(took));
    (believed.fold(0, Microseconds::saturating_add) <= most).then_some(most.min(DAY))
}

/// What time sessions that run side by side have taken together. One that began more than a day apart from most others has a clock of
/// its own: it counts as if it had begun with the first.
pub(crate) fn together(sessions: impl Iterator<Item = Elapsed>) -> Microseconds {
    let mut sessions: Vec<(Microseconds, Microseconds)> =
        sessions.filter_map(|session| Some((session.zero?, session.so_far))).collect();
    sessions.sort_unstable();
    let Some((usual, _)) = sessions.get(sessions.len() / 2).copied() else { return 0 };
    let is_usual = |began: Microseconds| usual.saturating_sub(began).unsigned_abs() <= DAY.unsigned_abs();
    let first = sessions.iter().map(|(began, _)| *began).find(|began| is_usual(*began)).unwrap_or(usual);
    let ends = sessions.iter().map(|(began, took)| if is_usual(*began) { began - first + took } else { *took });
    ends.max().unwrap_or(0)
}
