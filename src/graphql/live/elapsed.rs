//! How long a run has taken by the clocks of its workers. Tests may change a clock, by years and while they run: implausible
//! readings are ignored.

use std::time::Duration;

/// A time on a worker's clock, or the interval between two of them.
pub(crate) type Microseconds = i64;

/// The longest plausible interval between two results of a worker, and the longest plausible test: a day.
const MAX_INTERVAL: Microseconds = 86_400_000_000;
/// By how much the clocks of a worker and the server may diverge between two results.
const MAX_CLOCK_DRIFT: Duration = Duration::from_mins(1);

/// A result: when the test began on its worker's clock, and what it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub start: Microseconds,
    pub duration: Microseconds,
}

/// How long a worker has taken so far, from its results in the order of their arrival.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Elapsed {
    /// When the run began, by the worker's clock.
    origin: Option<Microseconds>,
    /// The same by the clock as it was changed last: from the latest result that did not fit.
    changed_origin: Option<Microseconds>,
    total: Microseconds,
}

impl Elapsed {
    /// Sets the start of the run by its worker's clock. It may arrive after results.
    pub fn begin(&mut self, start: Microseconds) {
        let Some(origin) = self.origin else {
            self.origin = Some(start);
            return;
        };
        let earlier = origin.saturating_sub(start);
        if (1..=MAX_INTERVAL).contains(&earlier) {
            self.origin = Some(start);
            self.changed_origin = self.changed_origin.map(|changed| changed.saturating_sub(earlier));
            self.total = self.total.saturating_add(earlier);
        }
    }

    /// Adds results that arrived together. `waited` is how long nothing had arrived before them, if the server observed that.
    pub fn add(&mut self, results: &[Span], waited: Option<Duration>) {
        let max = waited.and_then(|waited| live_interval(results, waited)).unwrap_or(MAX_INTERVAL);
        for Span { start, duration } in results {
            let duration = if (0..=max).contains(duration) { *duration } else { 0 };
            let fits = |origin: &Microseconds| {
                let at = start.saturating_sub(*origin);
                at.saturating_sub(self.total).unsigned_abs() <= max.unsigned_abs()
            };
            let origin = [self.origin, self.changed_origin].into_iter().flatten().find(fits).unwrap_or_else(|| {
                // The clock was changed, and may stay so: this test is taken to begin where the last one ended.
                let origin = start.saturating_sub(self.total);
                *if self.origin.is_none() { &mut self.origin } else { &mut self.changed_origin } = Some(origin);
                origin
            });
            self.total = self.total.max(start.saturating_sub(origin).saturating_add(duration));
        }
    }
}

/// Returns the longest plausible interval between results that were sent as they happened. `None` if they took longer than the
/// server has waited: then they were kept back, and when they happened is unclear.
fn live_interval(results: &[Span], waited: Duration) -> Option<Microseconds> {
    let max = Microseconds::try_from((waited + MAX_CLOCK_DRIFT).as_micros()).unwrap_or(MAX_INTERVAL);
    let plausible = results.iter().map(|result| result.duration).filter(|duration| (0..=max).contains(duration));
    (plausible.fold(0, Microseconds::saturating_add) <= max).then_some(max.min(MAX_INTERVAL))
}

/// Returns what concurrent sessions have taken together. One that began more than a day apart from most others is taken to have
/// a clock of its own, and to have begun with the first.
pub(crate) fn combined(sessions: impl Iterator<Item = Elapsed>) -> Microseconds {
    let mut sessions: Vec<(Microseconds, Microseconds)> =
        sessions.filter_map(|session| Some((session.origin?, session.total))).collect();
    sessions.sort_unstable();
    let Some((median, _)) = sessions.get(sessions.len() / 2).copied() else { return 0 };
    let is_usual = |start: Microseconds| median.saturating_sub(start).unsigned_abs() <= MAX_INTERVAL.unsigned_abs();
    let first = sessions.iter().map(|(start, _)| *start).find(|start| is_usual(*start)).unwrap_or(median);
    let ends = sessions.iter().map(|(start, total)| if is_usual(*start) { start - first + total } else { *total });
    ends.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Microseconds = 1_000_000;
    const YEAR: Microseconds = 365 * MAX_INTERVAL;

    fn elapsed(start: Microseconds, results: &[(Microseconds, Microseconds)]) -> Elapsed {
        let mut elapsed = Elapsed::default();
        elapsed.begin(start);
        for (start, duration) in results {
            elapsed.add(&[Span { start: *start, duration: *duration }], None);
        }
        elapsed
    }

    #[test]
    fn a_run_lasts_until_the_end_of_its_last_test() {
        assert_eq!(elapsed(0, &[(SECOND, SECOND), (5 * SECOND, 2 * SECOND)]).total, 7 * SECOND);
    }

    #[test]
    fn a_clock_that_is_changed_and_set_back_adds_nothing() {
        let results = [(SECOND, SECOND), (YEAR, SECOND), (YEAR + SECOND, SECOND), (4 * SECOND, SECOND)];
        assert_eq!(elapsed(0, &results).total, 5 * SECOND);
    }

    #[test]
    fn an_earlier_start_that_arrives_late_counts() {
        let mut elapsed = elapsed(10 * SECOND, &[(10 * SECOND, SECOND)]);
        elapsed.begin(8 * SECOND);
        assert_eq!(elapsed.total, 3 * SECOND);
        elapsed.begin(-YEAR);
        assert_eq!(elapsed.total, 3 * SECOND);
    }

    #[test]
    fn results_that_arrive_live_can_not_take_longer_than_the_wait() {
        let waited = Some(Duration::from_secs(1));
        let mut elapsed = elapsed(0, &[(0, SECOND)]);
        elapsed.add(&[Span { start: 7200 * SECOND, duration: SECOND }], waited);
        assert_eq!(elapsed.total, 2 * SECOND);
    }

    #[test]
    fn sessions_that_overlap_count_once_and_a_wrong_clock_does_not_count() {
        let sessions = [
            elapsed(0, &[(0, 10 * SECOND)]),
            elapsed(5 * SECOND, &[(5 * SECOND, 10 * SECOND)]),
            elapsed(YEAR, &[(YEAR, 3 * SECOND)]),
        ];
        assert_eq!(combined(sessions.into_iter()), 15 * SECOND);
        assert_eq!(combined(std::iter::empty()), 0);
    }
}
