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
}

impl Watermark {
    /// What a look has shown, before the first commit.
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

    /// Has all caches emptied, and begins another history if it is one. `snapshot` shows how far it went before anything was added to it.
    pub(crate) fn restart(continuity: Continuity, snapshot: &HistorySnapshot, sender: &watch::Sender<Self>) {
        sender.send_modify(|watermark| {
            watermark.memory += 1;
            let HistorySnapshot { metric, session, .. } = *snapshot;
            // Subscribers may not have read all yet of a history that continues.
            if continuity == Continuity::Replaced || metric < watermark.metric || session < watermark.session {
                tracing::warn!("the database holds another history than before: caches were emptied");
                let (history, memory) = (watermark.history + 1, watermark.memory);
                *watermark = Self { metric, session, history, begun: (metric, session), memory };
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
