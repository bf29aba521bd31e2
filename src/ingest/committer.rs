//! The committer: takes the jobs that wait, runs them in one transaction, then answers all of them.

use std::time::{Duration, Instant};

use entity::driver::{
    executor::Writer,
    history::{Past, Sight, Trail},
};
use sea_orm::DbErr;
use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot, watch},
    time::MissedTickBehavior,
};

use crate::ingest::{
    batch::Batch,
    condition::{Condition, Proof},
    job::Waiting,
    names::Names,
    retry::{self, Next},
    statements,
    watermark::Watermark,
};

/// Rows of one transaction, at most: later ones wait for the next.
const MOST_IN_ONE: usize = 10_000;

/// Between two looks at whether the database is where it was opened, and whether something can be stored again, while nothing is.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Stores until every handle is gone, or `end` comes, and the queue is empty. On SQLite it blocks its thread.
pub(crate) async fn run(
    writer: Writer,
    condition: Condition,
    mut queue: UnboundedReceiver<Waiting>,
    watermark: watch::Sender<Watermark>,
    mut end: oneshot::Receiver<()>,
) {
    let (names, trail, past) = (Names::new(), Trail::default(), Past::Same);
    let mut committer = Committer { writer, names, trail, past, condition };
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            first = queue.recv() => first,
            _ = looks.tick() => {
                committer.look(&watermark).await;
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
        while rows < MOST_IN_ONE {
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
    names: Names,
    /// Leads from one transaction to the next.
    trail: Trail,
    /// What has become of the history, where others have not been told yet.
    past: Past,
    condition: Condition,
}

/// What a transaction has stored.
struct Stored {
    watermark: Watermark,
    /// What the history was found to be, and how far it went before, unless it was the same.
    found: Option<(Past, Sight)>,
}

impl Committer {
    /// Sees whether the database is where it was opened and, after nothing could be stored, whether something could be now.
    async fn look(&mut self, watermark: &watch::Sender<Watermark>) {
        let looked = match self.writer.check() {
            Ok(()) if !self.condition.is_failing() => return,
            Ok(()) => self.attempt(&mut [], watermark).await.map_err(|(_, error)| error),
            Err(error) => Err(error),
        };
        match looked {
            Ok(()) => self.condition.passed(Proof::Tried, Instant::now()),
            Err(error) => self.condition.failed(&error, Instant::now()),
        }
    }

    /// Stores a batch, in parts where it is refused for something that is in it, so that only whose fault it is hears of it.
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
                Err((Next::InParts, _)) if part.len() > 1 => {
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

    /// Stores a batch as a whole, or says why not and what is left to try. An empty one needs what others need, but room.
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
                Ok(Stored { watermark: stored, found }) => {
                    if let Some((past, sight)) = found {
                        Watermark::restart(past, &sight, watermark);
                    }
                    stored.publish(watermark);
                    return Ok(());
                }
                Err(error) => error,
            };
            // Keys handed out by a transaction that was rolled back lead nowhere.
            self.names.forget();
            match Next::after(tries, &error) {
                Next::Again(pause) => {
                    tracing::info!(%error, "a transaction is tried again");
                    tokio::time::sleep(pause).await;
                }
                next => return Err((next, error)),
            }
        }
    }

    async fn transact(&mut self, jobs: &mut [Waiting], history: u64) -> Result<Stored, DbErr> {
        let Self { writer, names, trail, past, .. } = self;
        let (tx, now) = writer.resume(trail).await?;
        let is_doubted = jobs.iter().any(|job| job.doubts(history));
        *past = (*past).max(if is_doubted { Past::Another } else { now });
        let found = if *past == Past::Same {
            None
        } else {
            names.forget();
            Some((*past, Sight::of(&tx).await?))
        };
        if jobs.is_empty() {
            for sql in statements::nothing() {
                tx.run(&sql, []).await?;
            }
        }
        let mut batch = Batch { tx, names, watermark: Watermark::default() };
        Waiting::store_all(jobs, &mut batch).await?;
        let Batch { tx, watermark, .. } = batch;
        if watermark != Watermark::default() {
            tx.notify(&watermark.to_string()).await?;
        }
        tx.commit().await?;
        trail.commit();
        *past = Past::Same;
        Ok(Stored { watermark, found })
    }
}
