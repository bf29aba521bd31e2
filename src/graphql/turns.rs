//! What keeps subscribers from standing before those who ask and store: they read in turn, and answer a few at a time.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a subscriber's stream and those who write its answers tell each other.
#[derive(Debug, Clone, Default)]
pub struct Hearing(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// Events lost, and not told of yet.
    missed: AtomicU64,
    /// Held while an event is answered.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Hearing {
    pub(super) fn begin(&self, missed: u64, place: Option<OwnedSemaphorePermit>) {
        self.0.missed.fetch_add(missed, Ordering::Relaxed);
        *self.place() = place;
    }

    fn place(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event is answered: gives its place to others, and tells how many were lost before it.
    pub fn answered(&self) -> u64 {
        self.place().take();
        self.0.missed.swap(0, Ordering::Relaxed)
    }
}

/// What all subscribers together may do at a time, so that those who ask and store need not wait for them.
#[derive(Debug, Clone)]
pub struct Turns {
    reading: Arc<tokio::sync::Mutex<Duration>>,
    answering: Arc<Semaphore>,
}

/// Time that may be owed before it is rested: timers know no less than a millisecond.
const OWED: Duration = Duration::from_millis(5);

impl Default for Turns {
    /// Answering keeps half of the processors busy, at most.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { reading: Arc::default(), answering: Arc::new(Semaphore::new((processors / 2).max(1))) }
    }
}

impl Turns {
    /// Reads when it is its turn: one at a time, and for at most half of the time.
    pub async fn take<T>(&self, read: impl Future<Output = T>) -> T {
        let mut owed = self.reading.lock().await;
        if *owed > OWED {
            tokio::time::sleep(*owed).await;
            *owed = Duration::ZERO;
        }
        let began = Instant::now();
        let answer = read.await;
        *owed += began.elapsed();
        answer
    }

    /// A place among those who answer an event.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.answering).acquire_owned().await.ok()
    }
}
