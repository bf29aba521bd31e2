//! How long a write waits while the database is busy: locked by others, restarting, or out of reach.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// Ends the waiting of all writes: the server stops.
#[derive(Debug, Clone)]
pub struct Hurry(watch::Sender<Option<Instant>>);

impl Hurry {
    /// What ends the waiting, and the moment that it sets.
    pub(super) fn new() -> (Self, LastMoment) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), LastMoment(receiver))
    }

    /// From now on no write waits longer than `rest`.
    pub(crate) fn end_after(&self, rest: Duration) {
        self.0.send_replace(Some(Instant::now() + rest));
    }
}

/// The moment after which no write waits, if it is set.
#[derive(Debug, Clone)]
pub(super) struct LastMoment(watch::Receiver<Option<Instant>>);

impl LastMoment {
    /// Returns `deadline`, or the last moment if that is earlier.
    pub fn or(&self, deadline: Instant) -> Instant {
        self.0.borrow().map_or(deadline, |last| last.min(deadline))
    }

    /// Waits until `deadline` or, if it comes earlier, the last moment.
    pub async fn reached(&mut self, deadline: Instant) {
        let is_set = tokio::select! {
            () = tokio::time::sleep_until(self.or(deadline)) => return,
            // Without a sender, nothing sets it any more.
            changed = self.0.changed() => changed.is_ok(),
        };
        let deadline = if is_set { self.or(deadline) } else { deadline };
        tokio::time::sleep_until(deadline).await;
    }
}
