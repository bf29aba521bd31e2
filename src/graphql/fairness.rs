//! What keeps subscribers from standing before those who ask and store: they read in turn, and answer a few at a time.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Answering an event takes long where it takes more than this.
const LONG: Duration = Duration::from_millis(10);

/// What a subscriber's stream and those who write its answers tell each other.
#[derive(Debug, Clone, Default)]
pub struct Hearing(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// Events lost, and not told of yet.
    missed: AtomicU64,
    /// Whether the last event took long.
    takes_long: AtomicBool,
    answering: Mutex<Option<Answering>>,
    began: Notify,
}

/// Held while an event is answered.
#[derive(Debug)]
struct Answering {
    since: Instant,
    _places: [Option<OwnedSemaphorePermit>; 2],
}

impl Hearing {
    fn answering(&self) -> MutexGuard<'_, Option<Answering>> {
        self.0.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event is answered: gives its place to others, and tells how many were lost before it.
    pub fn answered(&self) -> u64 {
        if let Some(answering) = self.answering().take() {
            self.0.takes_long.store(answering.since.elapsed() > LONG, Ordering::Relaxed);
        }
        self.0.missed.swap(0, Ordering::Relaxed)
    }

    /// Waits until answering an event has taken longer than `limit`.
    pub async fn overdue(&self, limit: Duration) {
        loop {
            let began = self.0.began.notified();
            let since = self.answering().as_ref().map(|answering| answering.since);
            match since {
                Some(since) => return tokio::time::sleep_until((since + limit).into()).await,
                None => began.await,
            }
        }
    }
}

/// What all subscribers together may do at a time, so that those who ask and store need not wait for them.
#[derive(Debug, Clone)]
pub struct Turns {
    reading: Arc<tokio::sync::Mutex<Duration>>,
    answering: Arc<Semaphore>,
    /// Those whose events take long answer one at a time: others wait for one of them, not for all.
    long: Arc<Semaphore>,
}

/// Time that may be owed before it is rested: timers know no less than a millisecond.
const OWED: Duration = Duration::from_millis(5);

impl Default for Turns {
    /// Answering keeps half of the processors busy, at most.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let answering = Arc::new(Semaphore::new((processors / 2).max(1)));
        Self { reading: Arc::default(), answering, long: Arc::new(Semaphore::new(1)) }
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

    /// Waits for a place among those who answer an event, and begins; `missed` were lost before it.
    pub(crate) async fn begin(&self, hearing: &Hearing, missed: u64) {
        hearing.0.missed.fetch_add(missed, Ordering::Relaxed);
        let takes_long = hearing.0.takes_long.load(Ordering::Relaxed);
        let long = if takes_long { Arc::clone(&self.long).acquire_owned().await.ok() } else { None };
        let place = Arc::clone(&self.answering).acquire_owned().await.ok();
        *hearing.answering() = Some(Answering { since: Instant::now(), _places: [long, place] });
        hearing.0.began.notify_waiters();
    }
}
