//! The committer: takes the jobs that wait, runs them in one transaction, then answers all of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{
    driver::{
        executor::Writer,
        history::{CommitTrail, Continuity, HistorySnapshot},
    },
    history::History,
    table::metric,
    time,
};
use sea_orm::DbErr;
use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot, watch},
    time::MissedTickBehavior,
};

use crate::ingest::{
    batch::Batch,
    branch::BranchRules,
    condition::{Condition, Proof},
    job::Waiting,
    limits::MAX_BATCH_ROWS,
    names::Names,
    retry::{self, Next},
    statements,
    watermark::Watermark,
};

/// Between two checks, while no job comes, of whether the database is where it was opened and accepts writes again.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until every handle is gone, or `end` comes, and the queue is empty. On SQLite it blocks its thread.
pub(crate) async fn run(
    writer: Writer,
    history: Arc<History>,
    condition: Condition,
    branches: BranchRules,
    mut queue: UnboundedReceiver<Waiting>,
    watermark: watch::Sender<Watermark>,
    mut end: oneshot::Receiver<()>,
) {
    let (names, trail, continuity) = (Names::new(), CommitTrail::default(), Continuity::Continues);
    let mut committer = Committer { writer, history, names, branches, trail, continuity, condition };
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

impl Committer {
    /// Checks whether the database is where it was opened and, after a failure, whether it accepts writes again.
    async fn check(&mut self, watermark: &watch::Sender<Watermark>) {
        let checked = match self.writer.check() {
            Ok(()) if !self.condition.is_failing() => return,
            Ok(()) => self.attempt(&mut [], watermark).await.map_err(|(_, error)| error),
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
    async fn attempt(
        &mut self,
        jobs: &mut [Waiting],
        watermark: &watch::Sender<Watermark>,
    ) -> Result<(), (Next, DbErr)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let history = watermark.borrow().history;
            let error = match self.transact(jobs, history).await {
                Ok(Stored { watermark: stored, found, recorded, deletions }) => {
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
                    stored.publish(watermark);
                    return Ok(());
                }
                Err(error) => error,
            };
            // Keys handed out by a transaction that was rolled back lead nowhere.
            self.names.forget();
            match Next::after(tries, &error) {
                Next::Retry(pause) => {
                    tracing::info!(%error, "a transaction collided with another one; retrying");
                    tokio::time::sleep(pause).await;
                }
                next => return Err((next, error)),
            }
        }
    }

    async fn transact(&mut self, jobs: &mut [Waiting], history: u64) -> Result<Stored, DbErr> {
        let Self { writer, names, branches, trail, continuity, .. } = self;
        let (tx, now) = writer.resume(trail).await?;
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
        tx.commit().await?;
        trail.commit(deletions);
        *continuity = Continuity::Continues;
        Ok(Stored { watermark, found, recorded, deletions })
    }
}
