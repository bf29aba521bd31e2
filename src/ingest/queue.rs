//! The queue before the committer, bounded in rows, and the handle by which requests put jobs into it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    error::{Code, Error},
    ingest::{
        figures::Figures,
        job::{Job, Waiting},
        limits::MAX_QUEUED_ROWS,
        watermark::Watermark,
    },
};

/// The handle that requests hold. Each kind of job adds the method that sends it.
#[derive(Debug, Clone)]
pub struct Ingest {
    queue: mpsc::UnboundedSender<Waiting>,
    places: Arc<Semaphore>,
    watermark: watch::Receiver<Watermark>,
    is_read_only: bool,
    is_failing: Arc<AtomicBool>,
    is_outdated: Arc<AtomicBool>,
    patience: Duration,
    figures: Figures,
}

impl Ingest {
    /// A handle, and the end of the queue that the committer reads.
    pub(crate) fn new(
        watermark: watch::Receiver<Watermark>,
        is_read_only: bool,
        is_failing: Arc<AtomicBool>,
        patience: Duration,
        figures: Figures,
    ) -> (Self, mpsc::UnboundedReceiver<Waiting>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let places = Arc::new(Semaphore::new(MAX_QUEUED_ROWS));
        (
            Self { queue, places, watermark, is_read_only, is_failing, is_outdated: Arc::default(), patience, figures },
            waiting,
        )
    }

    /// Whether the committer is at work; also where there is nothing for it to do.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_read_only || !self.queue.is_closed()
    }

    /// Whether nothing is stored.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether the last attempt to store has failed for the database's fault, and none has succeeded since.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Whether a newer version has changed the tables since this server started.
    pub(crate) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }

    /// Returns what notes that.
    pub(super) fn outdated_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_outdated)
    }

    /// How long a write waits for a database that is busy.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Returns what ingest counts and measures of itself.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Returns how many rows wait to be stored, or are being stored.
    pub(crate) fn queued_rows(&self) -> usize {
        MAX_QUEUED_ROWS.saturating_sub(self.places.available_permits())
    }

    /// How often all caches of rows had to be emptied.
    pub(crate) fn memory(&self) -> u64 {
        self.watermark.borrow().memory
    }

    /// What is on disk by now. The channel closes when the committer ends.
    pub(crate) fn watermark(&self) -> watch::Receiver<Watermark> {
        self.watermark.clone()
    }

    /// Queues `job`, and waits until it is on disk.
    ///
    /// # Errors
    /// [`Code::ReadOnly`], [`Code::Busy`] while too many rows wait, [`Code::DatabaseUnavailable`], and those of the job.
    pub(crate) async fn run<J: Job>(&self, job: J) -> Result<J::Answer, Error> {
        if self.is_read_only {
            return Err(Error::new(
                Code::ReadOnly,
                "this server stores nothing (--read-only): send this to one that does",
            ));
        }
        if self.is_outdated() {
            return Err(Error::new(
                Code::DatabaseUnavailable,
                "a newer version of Metrograph has changed the tables: this server stores nothing more; start that version in its place",
            ));
        }
        let rows = u32::try_from(job.rows()).unwrap_or(u32::MAX);
        let places = Arc::clone(&self.places).try_acquire_many_owned(rows).map_err(|_| {
            self.figures.refused();
            Error::new(Code::Busy, "too many rows wait to be stored; try again in a second")
        })?;
        send(&self.queue, job, Instant::now() + self.patience, places)?.await.map_err(|_| gone())?
    }

    /// Queues `job` without waiting for it. Returns whether there was room in the queue.
    pub(crate) fn send<J: Job>(&self, job: J) -> bool {
        try_send(&self.queue, &self.places, job, self.patience)
    }

    /// A handle that does not keep the committer at work.
    pub(crate) fn downgrade(&self) -> WeakIngest {
        let (queue, places) = (self.queue.downgrade(), Arc::clone(&self.places));
        WeakIngest { queue, places, patience: self.patience, figures: self.figures.clone() }
    }
}

/// Queues `job` under the places that it takes. Returns what its answer comes through.
fn send<J: Job>(
    queue: &mpsc::UnboundedSender<Waiting>,
    job: J,
    deadline: Instant,
    places: OwnedSemaphorePermit,
) -> Result<oneshot::Receiver<Result<J::Answer, Error>>, Error> {
    let (waiting, answer) = Waiting::new(job, deadline, places);
    queue.send(waiting).map_err(|_| gone())?;
    Ok(answer)
}

fn gone() -> Error {
    Error::new(Code::DatabaseUnavailable, "the server stores nothing more: it is stopping, or see its log; try again")
}

/// A handle that does not keep the committer at work.
pub(crate) struct WeakIngest {
    queue: mpsc::WeakUnboundedSender<Waiting>,
    places: Arc<Semaphore>,
    patience: Duration,
    pub(super) figures: Figures,
}

impl WeakIngest {
    /// Queues `job` once there is room, and waits until it is on disk.
    ///
    /// # Errors
    /// [`Code::DatabaseUnavailable`], and those of the job.
    pub(crate) async fn run<J: Job>(&self, job: J) -> Result<J::Answer, Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| gone())?;
        // Not held while it waits: the last handle ends the committer.
        let answer = {
            let queue = self.queue.upgrade().ok_or_else(gone)?;
            send(&queue, job, Instant::now() + self.patience, place)?
        };
        answer.await.map_err(|_| gone())?
    }

    /// Queues `job` where there is a queue with room.
    pub(crate) fn send<J: Job>(&self, job: J) {
        if let Some(queue) = self.queue.upgrade() {
            try_send(&queue, &self.places, job, self.patience);
        }
    }
}

/// Queues `job` if there is room. Returns whether there was.
fn try_send<J: Job>(
    queue: &mpsc::UnboundedSender<Waiting>,
    places: &Arc<Semaphore>,
    job: J,
    patience: Duration,
) -> bool {
    let place = Arc::clone(places).try_acquire_owned();
    place.is_ok_and(|place| queue.send(Waiting::new(job, Instant::now() + patience, place).0).is_ok())
}
