//! How far the history is on disk: published after each commit, whichever server on the same database made it.

use std::{fmt, str::FromStr};

use entity::driver::history::{Continuity, HistorySnapshot};
use tokio::sync::watch;

/// The greatest numbers on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The key of the last metric.
    pub metric: i64,
    /// The number of the last announcement of a session.
    pub session: i64,
    /// How often the history was found to be another one than before: an earlier state of it, or a new one.
    pub history: u64,
    /// The key of the last metric and the number of the last session that the present history began with.
    begun: (i64, i64),
    /// How often all caches of rows had to be emptied.
    pub memory: u64,
    /// How often sessions were found to be deleted.
    pub deletions: u64,
}

impl Watermark {
    /// Returns the watermark of a snapshot, before the first commit.
    pub(crate) fn first(snapshot: &HistorySnapshot) -> Self {
        let HistorySnapshot { metric, session, .. } = *snapshot;
        Self { metric, session, ..Self::default() }
    }

    /// The numbers that the present history began with.
    #[must_use]
    pub fn begun(&self) -> Self {
        let (metric, session) = self.begun;
        Self { metric, session, ..*self }
    }

    /// Raises both numbers to those of `other` where these are greater.
    pub(crate) fn raise(&mut self, other: Self) {
        self.metric = self.metric.max(other.metric);
        self.session = self.session.max(other.session);
    }

    /// Wakes the subscribers if these numbers are greater than those before.
    pub(crate) fn publish(self, sender: &watch::Sender<Self>) {
        sender.send_if_modified(|watermark| {
            let before = *watermark;
            watermark.raise(self);
            *watermark != before
        });
    }

    /// Has all caches emptied: sessions were deleted.
    pub(crate) fn note_deletions(sender: &watch::Sender<Self>) {
        sender.send_modify(|watermark| {
            watermark.memory += 1;
            watermark.deletions += 1;
        });
    }

    /// Has all caches emptied, and begins another history if it is one. `snapshot` shows how far it went before anything was added to it.
    pub(crate) fn restart(continuity: Continuity, snapshot: &HistorySnapshot, sender: &watch::Sender<Self>) {
        sender.send_modify(|watermark| {
            watermark.memory += 1;
            let HistorySnapshot { metric, session, .. } = *snapshot;
            // Subscribers may not have read all yet of a history that continues.
            if continuity == Continuity::Replaced || metric < watermark.metric || session < watermark.session {
                tracing::warn!("the database holds another history than before: caches were emptied");
                let begun = (metric, session);
                *watermark = Self { metric, session, history: watermark.history + 1, begun, ..*watermark };
            }
        });
    }
}

/// The payload of a notification: of constant length, however much was stored.
impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.metric, self.session)
    }
}

impl FromStr for Watermark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (metric, session) = text.split_once(' ').ok_or(())?;
        let (metric, session) = (metric.parse().map_err(drop)?, session.parse().map_err(drop)?);
        Ok(Self { metric, session, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use entity::driver::history::{Continuity, HistorySnapshot};
    use tokio::sync::watch;

    use super::Watermark;

    fn at(metric: i64, session: i64) -> Watermark {
        Watermark { metric, session, ..Watermark::default() }
    }

    #[test]
    fn a_payload_is_read_as_it_was_written() {
        assert_eq!(at(12, 3).to_string().parse(), Ok(at(12, 3)));
        for text in ["", "12", "12 ", "a 3", "12 3 4"] {
            assert_eq!(text.parse::<Watermark>(), Err(()), "{text}");
        }
    }

    #[test]
    fn only_greater_numbers_wake_subscribers() {
        let (sender, mut receiver) = watch::channel(at(5, 5));
        at(4, 5).publish(&sender);
        assert_eq!(receiver.has_changed().ok(), Some(false));
        at(4, 6).publish(&sender);
        assert_eq!(*receiver.borrow_and_update(), at(5, 6));
    }

    #[test]
    fn another_history_begins_where_it_is_and_empties_the_caches() {
        let snapshot = |metric, session| {
            let mut snapshot = HistorySnapshot::default();
            (snapshot.metric, snapshot.session) = (metric, session);
            snapshot
        };
        let (sender, receiver) = watch::channel(at(5, 5));
        Watermark::restart(Continuity::Uncertain, &snapshot(7, 5), &sender);
        assert_eq!(*receiver.borrow(), Watermark { memory: 1, ..at(5, 5) });
        Watermark::restart(Continuity::Uncertain, &snapshot(4, 5), &sender);
        let restarted = *receiver.borrow();
        assert_eq!((restarted.history, restarted.memory, restarted.metric), (1, 2, 4));
        assert_eq!((restarted.begun().metric, restarted.begun().session), (4, 5));
        Watermark::restart(Continuity::Replaced, &snapshot(9, 9), &sender);
        assert_eq!((receiver.borrow().history, receiver.borrow().memory), (2, 3));
    }
}
