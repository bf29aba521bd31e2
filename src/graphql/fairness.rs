//! Fairness: limits the database time and the CPU cores that subscriptions may use, so that requests and ingest stay fast.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// An event whose response takes longer than this is slow.
const SLOW_EVENT: Duration = Duration::from_millis(10);

/// Rest that may be owed before the next read waits for it: timers resolve no less than a millisecond.
const MAX_DEBT: Duration = Duration::from_millis(5);

/// The event of a subscription that is being executed, shared by the stream of events and the stream of responses.
#[derive(Debug, Clone, Default)]
pub struct Delivery(Arc<DeliveryState>);

#[derive(Debug, Default)]
struct DeliveryState {
    /// Events that were dropped and not reported yet.
    missed: AtomicU64,
    /// Whether the last event was slow.
    is_slow: AtomicBool,
    running: Mutex<Option<Running>>,
    started: Notify,
}

/// Held while an event is executed.
#[derive(Debug)]
struct Running {
    since: Instant,
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Delivery {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the event: releases its permits. Returns the number of events that were dropped before it.
    pub fn finish(&self) -> u64 {
        if let Some(running) = self.running().take() {
            self.0.is_slow.store(running.since.elapsed() > SLOW_EVENT, Ordering::Relaxed);
        }
        self.0.missed.swap(0, Ordering::Relaxed)
    }

    /// Completes once an event has been executed for longer than `limit`.
    pub async fn overdue(&self, limit: Duration) {
        loop {
            let started = self.0.started.notified();
            let since = self.running().as_ref().map(|running| running.since);
            match since {
                Some(since) => return tokio::time::sleep_until((since + limit).into()).await,
                None => started.await,
            }
        }
    }
}

/// What all subscriptions share: one read at a time, and as many permits to execute an event as half of the CPU cores.
#[derive(Debug, Clone)]
pub struct FairnessGate {
    /// The rest that is owed for past reads.
    debt: Arc<tokio::sync::Mutex<Duration>>,
    event_permits: Arc<Semaphore>,
    /// Slow events take this permit too: other events wait for one slow event, not for all of them.
    slow_permit: Arc<Semaphore>,
}

impl Default for FairnessGate {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            debt: Arc::default(),
            event_permits: Arc::new(Semaphore::new(event_permits(cores))),
            slow_permit: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Half of the cores, at least one.
fn event_permits(cores: usize) -> usize {
    (cores / 2).max(1)
}

impl FairnessGate {
    /// Runs `read` once no other read runs. Reads take at most half of the time: each is followed by a rest of its length.
    pub async fn read<T>(&self, read: impl Future<Output = T>) -> T {
        let mut debt = self.debt.lock().await;
        if *debt > MAX_DEBT {
            tokio::time::sleep(*debt).await;
            *debt = Duration::ZERO;
        }
        let start = Instant::now();
        let output = read.await;
        *debt += start.elapsed();
        output
    }

    /// Waits for a permit to execute an event, and starts it. `missed` events were dropped before it.
    pub(crate) async fn start(&self, delivery: &Delivery, missed: u64) {
        delivery.0.missed.fetch_add(missed, Ordering::Relaxed);
        let is_slow = delivery.0.is_slow.load(Ordering::Relaxed);
        let slow = if is_slow { Arc::clone(&self.slow_permit).acquire_owned().await.ok() } else { None };
        let permit = Arc::clone(&self.event_permits).acquire_owned().await.ok();
        *delivery.running() = Some(Running { since: Instant::now(), _permits: [slow, permit] });
        delivery.0.started.notify_waiters();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_cores_execute_events() {
        let permits: Vec<usize> = [1, 2, 3, 4, 64].into_iter().map(event_permits).collect();
        assert_eq!(permits, [1, 1, 1, 2, 32]);
    }

    #[tokio::test]
    async fn a_read_is_followed_by_a_rest_of_its_length() {
        let gate = FairnessGate::default();
        let length = MAX_DEBT * 4;
        gate.read(tokio::time::sleep(length)).await;
        let end = Instant::now();
        let start = gate.read(async { Instant::now() }).await;
        assert!(start.duration_since(end) >= length);
    }

    #[tokio::test]
    async fn missed_events_add_up_until_they_are_reported() {
        let (gate, delivery) = (FairnessGate::default(), Delivery::default());
        gate.start(&delivery, 2).await;
        assert_eq!((delivery.finish(), delivery.finish()), (2, 0));
    }

    #[tokio::test]
    async fn after_a_slow_event_the_next_one_takes_the_permit_of_slow_events() {
        let (gate, delivery) = (FairnessGate::default(), Delivery::default());
        gate.start(&delivery, 0).await;
        tokio::time::sleep(SLOW_EVENT * 2).await;
        delivery.finish();
        gate.start(&delivery, 0).await;
        assert_eq!(gate.slow_permit.available_permits(), 0);
        delivery.finish();
        assert_eq!(gate.slow_permit.available_permits(), 1);
    }

    #[tokio::test]
    async fn an_event_that_takes_too_long_is_overdue() {
        let (gate, delivery) = (FairnessGate::default(), Delivery::default());
        let overdue = tokio::spawn({
            let delivery = delivery.clone();
            async move { delivery.overdue(Duration::from_millis(1)).await }
        });
        gate.start(&delivery, 0).await;
        overdue.await.unwrap();
    }
}
