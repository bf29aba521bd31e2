//! What the committer runs. A kind of write is one file of [`crate::ingest::jobs`], with an implementation of [`Job`].

use std::any::{Any, TypeId};

use futures_util::future::LocalBoxFuture;
use sea_orm::DbErr;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};

use crate::{
    error::{Code, Error},
    ingest::{batch::Batch, condition::Proof},
};

/// A write. It may be tried several times: in a transaction that collided with another one, or in half of a batch that was refused.
pub(crate) trait Job: Send + Sized + 'static {
    /// What its transaction made of it.
    type Stored: Send + 'static;
    /// What its sender gets.
    type Answer: Send + 'static;

    /// What it proves of the database once it is stored.
    const PROOF: Proof = Proof::Tried;

    /// Rows that it adds or fills in: as many places of the queue are taken.
    fn rows(&self) -> usize {
        1
    }

    /// Whether it doubts that the history with this number continues.
    fn doubts(&self, _history: u64) -> bool {
        false
    }

    /// Stores it in the transaction of `batch`.
    ///
    /// # Errors
    /// The database's: then the whole transaction is rolled back.
    async fn store(&self, batch: &mut Batch<'_>) -> Result<Self::Stored, DbErr>;

    /// Stores jobs of this kind that follow each other in the queue; one by one unless the kind knows a cheaper way.
    async fn store_all(jobs: &[&Self], batch: &mut Batch<'_>) -> Result<Vec<Self::Stored>, DbErr> {
        let mut stored = Vec::with_capacity(jobs.len());
        for job in jobs {
            stored.push(job.store(batch).await?);
        }
        Ok(stored)
    }

    /// Returns the answer, once it is on disk.
    fn answer(self, stored: Self::Stored) -> Result<Self::Answer, Error>;
}

/// A job in the queue, of any kind.
pub(crate) struct Waiting {
    job: Box<dyn AnyJob>,
    /// Until when it waits for a database that is busy.
    deadline: Instant,
    /// Held until the sender is answered.
    _places: OwnedSemaphorePermit,
}

impl Waiting {
    /// Queues `job` under the places that it takes. The answer comes through the receiver.
    pub fn new<J: Job>(
        job: J,
        deadline: Instant,
        places: OwnedSemaphorePermit,
    ) -> (Self, oneshot::Receiver<Result<J::Answer, Error>>) {
        let (answer, answered) = oneshot::channel();
        (Self { job: Box::new(Pending { job, stored: None, answer }), deadline, _places: places }, answered)
    }

    /// Returns until when it waits for a database that is busy.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// See [`Job::rows`].
    pub fn rows(&self) -> usize {
        self.job.rows()
    }

    /// See [`Job::PROOF`].
    pub fn proof(&self) -> Proof {
        self.job.proof()
    }

    /// See [`Job::doubts`].
    pub fn doubts(&self, history: u64) -> bool {
        self.job.doubts(history)
    }

    /// Stores the jobs of a batch in their order. Those of one kind that follow each other are stored together.
    pub async fn store_all(waiting: &mut [Self], batch: &mut Batch<'_>) -> Result<(), DbErr> {
        for group in waiting.chunk_by_mut(|a, b| a.job.kind() == b.job.kind()) {
            let store = group[0].job.store();
            store(group, batch).await?;
        }
        Ok(())
    }

    /// Answers the sender, who may be gone: what was committed is stored all the same.
    pub fn answer(self, outcome: Result<(), Error>) {
        self.job.answer(outcome);
    }
}

/// Stores jobs of one kind.
type Store = for<'a, 'b> fn(&'a mut [Waiting], &'a mut Batch<'b>) -> LocalBoxFuture<'a, Result<(), DbErr>>;

trait AnyJob: Any + Send {
    fn kind(&self) -> TypeId;
    fn rows(&self) -> usize;
    fn proof(&self) -> Proof;
    fn doubts(&self, history: u64) -> bool;
    fn store(&self) -> Store;
    fn answer(self: Box<Self>, outcome: Result<(), Error>);
}

struct Pending<J: Job> {
    job: J,
    stored: Option<J::Stored>,
    answer: oneshot::Sender<Result<J::Answer, Error>>,
}

impl<J: Job> AnyJob for Pending<J> {
    fn kind(&self) -> TypeId {
        TypeId::of::<J>()
    }

    fn rows(&self) -> usize {
        self.job.rows()
    }

    fn proof(&self) -> Proof {
        J::PROOF
    }

    fn doubts(&self, history: u64) -> bool {
        self.job.doubts(history)
    }

    fn store(&self) -> Store {
        store_group::<J>
    }

    fn answer(self: Box<Self>, outcome: Result<(), Error>) {
        let Self { job, stored, answer } = *self;
        let missing = || Error::new(Code::Internal, "a job was committed without a result");
        let outcome = outcome.and_then(|()| job.answer(stored.ok_or_else(missing)?));
        _ = answer.send(outcome);
    }
}

fn store_group<'a, J: Job>(
    group: &'a mut [Waiting],
    batch: &'a mut Batch<'_>,
) -> LocalBoxFuture<'a, Result<(), DbErr>> {
    let pending = group.iter_mut().filter_map(|waiting| {
        let job: &mut dyn Any = &mut *waiting.job;
        job.downcast_mut::<Pending<J>>()
    });
    let mut pending: Vec<&mut Pending<J>> = pending.collect();
    Box::pin(async move {
        let jobs: Vec<&J> = pending.iter().map(|pending| &pending.job).collect();
        let stored = J::store_all(&jobs, batch).await?;
        for (pending, stored) in pending.iter_mut().zip(stored) {
            pending.stored = Some(stored);
        }
        Ok(())
    })
}
