//! The only way to write: a bounded queue, and one committer that runs the jobs that wait in one transaction and answers when it is on
//! disk. REST, GraphQL and the access module send their jobs here.
//!
//! A new kind of write is a file in `jobs`: an implementation of `Job`, and a method of [`Ingest`] that sends it.

mod audit;
mod batch;
mod branch;
mod cleaner;
mod committer;
mod condition;
mod counters;
mod deletion;
mod derived;
mod erasing;
mod figures;
mod job;
mod jobs;
mod latest_runs;
mod limits;
mod machine;
mod names;
mod patience;
mod queue;
mod retry;
mod runs;
mod sealer;
mod statements;
mod watcher;
mod watermark;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use entity::{driver::history::HistorySnapshot, query::Store};
use sea_orm::DbErr;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle},
};

use crate::db::{Database, OpenError};
pub use audit::Audited;
pub use branch::BranchRules;
use committer::Tools;
use condition::Condition;
pub use deletion::Deleted;
pub(crate) use derived::Derived;
use figures::Figures;
pub(crate) use jobs::repair::Repair;
pub use jobs::{
    announce_context::NewContext,
    announce_session::{Announced, Defaults, NewSession},
    delete_sessions::Incomplete,
    record_metrics::{NewMetric, Recorded},
    record_missing::{Missing, NumberedMetric},
};
pub(crate) use limits::MAX_METRICS;
pub(crate) use patience::Hurry;
pub use queue::Ingest;
use watcher::HistoryWatcher;
pub use watermark::Watermark;

/// The committer at work. It ends with the last [`Ingest`], or with [`Self::finish`]: a connection that was cut may hold a handle
/// for as long as it likes.
#[derive(Debug)]
pub struct Committer {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    hurry: Hurry,
    /// Ends after the committer. A server that only reads has none, nor has a command.
    sealer: Option<JoinHandle<()>>,
    watcher: HistoryWatcher,
}

impl Committer {
    /// Waits until it ends by itself, which happens only when it fails, and returns the reason. Jobs without an answer are not stored
    /// then.
    pub(crate) async fn died(&mut self) -> String {
        let Self { task, sealer, watcher, .. } = self;
        let sealing = async {
            match sealer {
                Some(sealer) => sealer.await,
                None => std::future::pending().await,
            }
        };
        let (what, ended) = tokio::select! {
            biased;
            ended = task => ("the committer", ended),
            ended = sealing => ("the sealer", ended),
            ended = watcher.died() => ("the history watcher", ended),
        };
        if ended.as_ref().is_err_and(JoinError::is_cancelled) {
            // The whole program ends.
            std::future::pending::<()>().await;
        }
        format!(
            "{what} ended: {}",
            ended.map_or_else(|error| error.to_string(), |()| "without being stopped".to_owned())
        )
    }

    /// Returns what ends the waiting of writes for a busy database.
    pub(crate) fn hurry(&self) -> Hurry {
        self.hurry.clone()
    }

    /// Closes the queue, and waits until every job in it is stored.
    pub async fn finish(self) {
        let Self { end, task, watcher: _watcher, .. } = self;
        // Without a receiver it has ended by itself.
        _ = end.send(());
        if let Err(error) = task.await {
            tracing::error!(%error, "the committer task failed");
        }
    }
}

impl Ingest {
    /// Starts the committer, unless the database is only read from. What an older server stored gets its project, branch, run and
    /// machine class before this returns. While the database is busy, a write waits for as long as `patience`.
    ///
    /// # Errors
    /// The database's.
    pub async fn start(
        database: &Database,
        branches: BranchRules,
        patience: Duration,
    ) -> Result<(Self, Committer), OpenError> {
        Self::open(database, Some(branches), patience).await
    }

    /// Like [`Self::start`], for a command that runs beside servers: it seals nothing, drops no rows that they keep, and assigns nothing,
    /// since the rules for branches are the server's. What an older server stored waits for the next one.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn of_command(database: &Database) -> Result<(Self, Committer), OpenError> {
        Self::open(database, None, limits::COMMAND_PATIENCE).await
    }

    /// Without rules for branches, no session is announced, and nothing is sealed.
    async fn open(
        database: &Database,
        branches: Option<BranchRules>,
        patience: Duration,
    ) -> Result<(Self, Committer), OpenError> {
        let is_read_only = database.is_read_only();
        let is_server = branches.is_some();
        let branches = branches.unwrap_or_default();
        let writer = if is_read_only { None } else { Some(database.writer().await?) };
        // Its statements are not counted.
        let store = Store { reader: database.watch.clone(), history: Arc::clone(&database.store.history) };
        let (keeps_rows, grace) = (database.keeps_rows(), database.replaced_grace());
        // Before the first look, so that no commit in between goes unnoticed.
        let listener = database.notification_listener().await?;
        let first = HistorySnapshot::of(&database.watch).await.map_err(|error| database.unusable(error))?;
        let (sender, watermark) = watch::channel(Watermark::first(&first));
        let is_failing = Arc::<AtomicBool>::default();
        let condition = Condition::shown_by(Arc::clone(&is_failing));
        let figures = Figures::new().map_err(|error| database.unusable(DbErr::Custom(error.to_string())))?;
        let (ingest, queue) = Self::new(watermark, is_read_only, is_failing, patience, figures.clone());
        let (hurry, last_moment) = Hurry::new();
        let history = Arc::clone(&store.history);
        let watcher = HistoryWatcher::start(
            database.watch.clone(),
            listener,
            first,
            sender.clone(),
            Arc::clone(&history),
            ingest.history_checks(),
            ingest.outdated_flag(),
        );
        let (end, ended) = oneshot::channel();
        let sealer = (writer.is_some() && is_server)
            .then(|| tokio::spawn(sealer::run(store, ingest.downgrade(), ingest.watermark(), keeps_rows, grace)));
        let task = match writer {
            Some(writer) => {
                // A thread of its own: SQLite blocks the one that writes.
                let runtime = Handle::current();
                let tools = Tools { writer, history, condition, branches, last_moment, figures };
                tokio::task::spawn_blocking(move || {
                    runtime.block_on(committer::run(tools, queue, sender, ended));
                })
            }
            None => tokio::spawn(async move {
                // Until `finish`, or until the handle to it is gone.
                _ = ended.await;
                drop(sender);
            }),
        };
        if is_server && !is_read_only {
            let assigned = ingest.assign_older(&database.watch).await;
            assigned.map_err(|error| database.unusable(DbErr::Custom(error.message)))?;
        }
        Ok((ingest, Committer { end, task, hurry, sealer, watcher }))
    }
}
