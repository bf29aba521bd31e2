//! The committer: takes the jobs that wait, runs them in one transaction, then answers all of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{
    driver::{
        error_kind::ErrorKind,
        executor::Writer,
        history::{CommitTrail, Continuity, HistorySnapshot},
    },
    history::History,
    table::metric,
    time,
};
use sea_orm::{DbErr, RuntimeErr};
use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot, watch},
    time::MissedTickBehavior,
};

use crate::ingest::{
    batch::Batch,
    branch::BranchRules,
    condition::{Condition, Proof},
    figures::Figures,
    job::Waiting,
    limits::MAX_BATCH_ROWS,
    names::Names,
    patience::LastMoment,
    retry::{self, Next},
    statements,
    watermark::Watermark,
};

/// Between two checks, while no job comes, of whether the database is where it was opened and accepts writes again.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a database may be busy before the server is no longer ready: other programs hold locks for a moment.
const UNREADY_AFTER: Duration = Duration::from_secs(5);

/// What the committer works with.
pub(super) struct Tools {
    pub writer: Writer,
    pub history: Arc<History>,
    pub condition: Condition,
    pub branches: BranchRules,
    pub last_moment: LastMoment,
    pub figures: Figures,
}

/// Runs until every handle is gone, or `end` comes, and the queue is empty. On SQLite it blocks its thread.
pub(crate) async fn run(
    tools: Tools,
    mut queue: UnboundedReceiver<Waiting>,
    watermark: watch::Sender<Watermark>,
    mut end: oneshot::Receiver<()>,
) {
    let Tools { writer, history, condition, branches, last_moment, figures } = tools;
    let (names, trail, continuity) = (Names::new(), CommitTrail::default(), Continuity::Continues);
    let mut committer =
        Committer { writer, history, names, branches, trail, continuity, condition, last_moment, figures };
    let mut checks = tokio::time::interval(CHECK_INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            first = queue.recv() => first,
            _ = checks.tick() => {
                committer.check(&watermark).await;
                continue;
            }
            _ = &mut end, if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(first) = first else { break };
        let mut rows = first.rows();
        let mut batch = vec![first];
        while rows < MAX_BATCH_ROWS {
            let Ok(next) = queue.try_recv() else { break };
            rows += next.rows();
            batch.push(next);
        }
        committer.store(batch, &watermark).await;
    }
    if let Err(error) = committer.writer.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}

struct Committer {
    writer: Writer,
    history: Arc<History>,
    names: Names,
    branches: BranchRules,
    /// Leads from one transaction to the next.
    trail: CommitTrail,
    /// What has become of the history, until subscribers know.
    continuity: Continuity,
    condition: Condition,
    last_moment: LastMoment,
    figures: Figures,
}

/// What a transaction has stored.
struct Stored {
    watermark: Watermark,
    /// What has become of the history, and how far it went before this transaction, unless it is the same.
    found: Option<(Continuity, HistorySnapshot)>,
    recorded: Vec<metric::Model>,
    /// The number of sessions that were deleted.
    deletions: i64,
}

/// Why a transaction failed.
struct Failure {
    error: DbErr,
    /// What is stored after all if its commit took place and only the confirmation was lost.
    unconfirmed: Option<Stored>,
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self { error, unconfirmed: None }
    }
}

impl Committer {
    /// Checks whether the database is where it was opened and, after a failure, whether it accepts writes again.
    async fn check(&mut self, watermark: &watch::Sender<Watermark>) {
        let checked = match self.writer.check() {
            Ok(()) if !self.condition.is_failing() => return,
            Ok(()) => self.attempt(&mut Vec::new(), watermark).await.map_err(|(_, error)| error),
            Err(error) => Err(error),
        };
        match checked {
            Ok(()) => self.condition.passed(Proof::Tried, Instant::now()),
            Err(error) => self.condition.failed(&error, Instant::now()),
        }
    }

    /// Stores a batch. One that is refused for a value in it is split, so that only the sender of that value gets the error.
    async fn store(&mut self, batch: Vec<Waiting>, watermark: &watch::Sender<Watermark>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.attempt(&mut part, watermark).await {
                Ok(()) => {
                    let is_stored = part.iter().any(|job| job.proof() == Proof::Stored);
                    self.condition.passed(if is_stored { Proof::Stored } else { Proof::Tried }, Instant::now());
                    for job in part {
                        job.answer(Ok(()));
                    }
                }
                Err((Next::Split, _)) if part.len() > 1 => {
                    let later = part.split_off(part.len() / 2);
                    parts.extend([later, part]);
                }
                Err((_, error)) => {
                    self.condition.failed(&error, Instant::now());
                    let error = retry::refusal(error);
                    for job in part {
                        job.answer(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Stores a batch as a whole, or returns the reason and what is left to try. An empty one takes the same rights and locks, but no space.
    /// While the database is busy it waits; jobs that may wait no longer are answered and removed.
    async fn attempt(
        &mut self,
        jobs: &mut Vec<Waiting>,
        watermark: &watch::Sender<Watermark>,
    ) -> Result<(), (Next, DbErr)> {
        let (began, mut tries, mut unconfirmed) = (Instant::now(), 1, None);
        loop {
            let error = match self.try_once(jobs, &mut unconfirmed, watermark).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // Keys handed out by a transaction that was rolled back lead nowhere.
            self.names.forget();
            match Next::after(tries, &error) {
                Next::Retry(pause) => {
                    tries += 1;
                    tracing::info!(%error, "a transaction collided with another one; retrying");
                    tokio::time::sleep(pause).await;
                }
                Next::Wait(pause) => {
                    self.figures.waited();
                    if began.elapsed() >= UNREADY_AFTER && !jobs.is_empty() {
                        self.condition.failed(&error, Instant::now());
                    }
                    self.refuse_expired(jobs, &error, unconfirmed.is_none());
                    let Some(deadline) = earliest(jobs) else { return Err((Next::GiveUp, error)) };
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.last_moment.reached(deadline) => {}
                    }
                }
                next => {
                    self.figures.failed();
                    return Err((next, error));
                }
            }
        }
    }

    /// Tries once. A commit that was not confirmed is looked up first: jobs must not be stored twice.
    async fn try_once(
        &mut self,
        jobs: &mut [Waiting],
        unconfirmed: &mut Option<Stored>,
        watermark: &watch::Sender<Watermark>,
    ) -> Result<(), DbErr> {
        if unconfirmed.is_some() {
            let deadline = earliest(jobs);
            let Self { writer, trail, last_moment, .. } = self;
            let has_committed = in_time(writer.has_committed(trail), deadline, last_moment).await?;
            if let Some(stored) = unconfirmed.take().filter(|_| has_committed) {
                self.note(stored, watermark);
                return Ok(());
            }
        }
        let (history, began) = (watermark.borrow().history, Instant::now());
        match self.transact(jobs, history).await {
            Ok(stored) => {
                self.note(stored, watermark);
                if !jobs.is_empty() {
                    self.figures.committed(began.elapsed(), jobs.iter().map(Waiting::rows).sum());
                }
                Ok(())
            }
            Err(failure) => {
                *unconfirmed = failure.unconfirmed;
                Err(failure.error)
            }
        }
    }

    /// Notes what was committed, here and for subscribers.
    fn note(&mut self, stored: Stored, watermark: &watch::Sender<Watermark>) {
        let Stored { watermark: reached, found, recorded, deletions } = stored;
        self.trail.commit(deletions);
        self.continuity = Continuity::Continues;
        if let Some((continuity, snapshot)) = found {
            if continuity > Continuity::Thinned {
                self.history.forget();
            }
            Watermark::restart(continuity, &snapshot, watermark);
        }
        self.history.append(&recorded);
        if deletions > 0 {
            Watermark::note_deletions(watermark);
        }
        reached.publish(watermark);
    }

    /// Answers and removes the jobs that may wait no longer. `is_sure`: whether they were not stored.
    fn refuse_expired(&mut self, jobs: &mut Vec<Waiting>, error: &DbErr, is_sure: bool) {
        let now = tokio::time::Instant::now();
        let last_moment = &self.last_moment;
        let expired: Vec<Waiting> = jobs.extract_if(.., |job| last_moment.or(job.deadline()) <= now).collect();
        if expired.is_empty() {
            return;
        }
        tracing::error!(%error, writes = expired.len(), "the database was busy for too long: writes are refused");
        self.condition.failed(error, Instant::now());
        for job in expired {
            job.answer(Err(retry::waited_in_vain(is_sure)));
        }
    }

    async fn transact(&mut self, jobs: &mut [Waiting], history: u64) -> Result<Stored, Failure> {
        let Self { writer, names, branches, trail, continuity, last_moment, .. } = self;
        let (tx, now) = in_time(writer.resume(trail), earliest(jobs), last_moment).await?;
        let is_doubted = jobs.iter().any(|job| job.doubts(history));
        *continuity = (*continuity).max(if is_doubted { Continuity::Replaced } else { now });
        let found = if *continuity == Continuity::Continues {
            None
        } else {
            names.forget();
            Some((*continuity, HistorySnapshot::of(&tx).await?))
        };
        if jobs.is_empty() {
            for sql in statements::nothing() {
                tx.run(&sql, []).await?;
            }
        }
        let mut batch = Batch {
            tx,
            names,
            branches,
            now: time::now(),
            watermark: Watermark::default(),
            continues: *continuity <= Continuity::Thinned,
            recorded: Vec::new(),
            deletions: 0,
        };
        Waiting::store_all(jobs, &mut batch).await?;
        let Batch { tx, watermark, recorded, deletions, .. } = batch;
        if watermark != Watermark::default() {
            tx.notify(&watermark.to_string()).await?;
        }
        let stored = Stored { watermark, found, recorded, deletions };
        match tx.commit().await {
            Ok(()) => Ok(stored),
            Err(error) => {
                let unconfirmed = (ErrorKind::of(&error) == ErrorKind::Busy).then_some(stored);
                Err(Failure { error, unconfirmed })
            }
        }
    }
}

/// Returns when the first of `jobs` may wait no longer.
fn earliest(jobs: &[Waiting]) -> Option<tokio::time::Instant> {
    jobs.iter().map(Waiting::deadline).min()
}

/// Waits for what the database does, which may wait for a lock or a connection, not longer than until `deadline`.
async fn in_time<T>(
    work: impl Future<Output = Result<T, DbErr>>,
    deadline: Option<tokio::time::Instant>,
    last_moment: &mut LastMoment,
) -> Result<T, DbErr> {
    let Some(deadline) = deadline else { return work.await };
    tokio::select! {
        biased;
        done = work => done,
        () = last_moment.reached(deadline) => {
            Err(DbErr::Conn(RuntimeErr::Internal("no lock or connection was given in time".to_owned())))
        }
    }
}
