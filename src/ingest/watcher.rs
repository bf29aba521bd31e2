//! Watches what other servers commit, and whether the history continues.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use entity::{
    driver::{
        executor::Reader,
        history::{Continuity, HistorySnapshot},
        source::Source as _,
    },
    history::History,
};
use futures_util::future::select_all;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::DbErr;
use tokio::{
    sync::{Notify, watch},
    task::{JoinError, JoinHandle},
};

use crate::{
    db::notification_listener::{Notification, NotificationListener},
    ingest::{jobs::check_history::CheckLater, watermark::Watermark},
};

/// Pause between two polls of the database without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The tasks that watch, until it is dropped.
#[derive(Debug)]
pub(crate) struct HistoryWatcher(Vec<JoinHandle<()>>);

impl HistoryWatcher {
    /// Polls every second, and at once after a notification. `first` is what the first look has shown.
    pub fn start(
        reader: Reader,
        listener: Option<NotificationListener>,
        first: HistorySnapshot,
        watermark: watch::Sender<Watermark>,
        history: Arc<History>,
        check_later: CheckLater,
        is_outdated: Arc<AtomicBool>,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let poller = Poller {
            reader,
            seen: (0, first),
            watermark: watermark.clone(),
            history: Arc::clone(&history),
            check_later,
            is_outdated,
        };
        let polling = tokio::spawn(poller.run(Arc::clone(&wake)));
        let listening = listener.map(|listener| tokio::spawn(listen(listener, watermark, history, wake)));
        Self(std::iter::once(polling).chain(listening).collect())
    }

    /// Waits until one of the tasks ends, which happens only when it fails.
    pub async fn died(&mut self) -> Result<(), JoinError> {
        select_all(&mut self.0).await.0
    }
}

impl Drop for HistoryWatcher {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Wakes the poller. The numbers of a notification are looked up, not believed: they may belong to a history that is gone.
async fn listen(
    mut listener: NotificationListener,
    watermark: watch::Sender<Watermark>,
    history: Arc<History>,
    wake: Arc<Notify>,
) {
    loop {
        match listener.next().await {
            Notification::Payload(text) => {
                let current = *watermark.borrow();
                let is_published = text.parse::<Watermark>().is_ok_and(|sent| {
                    let mut raised = current;
                    raised.raise(sent);
                    raised == current
                });
                // Most notifications were sent by this server.
                if is_published {
                    continue;
                }
            }
            Notification::Reconnected => {
                // A standby that lacks the last commits may have taken over: numbers that are used again mean other rows.
                history.forget();
                watermark.send_modify(|watermark| watermark.memory += 1);
            }
        }
        wake.notify_one();
    }
}

struct Poller {
    reader: Reader,
    /// What the last look has shown, and the number of its history.
    seen: (u64, HistorySnapshot),
    watermark: watch::Sender<Watermark>,
    history: Arc<History>,
    check_later: CheckLater,
    is_outdated: Arc<AtomicBool>,
}

/// The steps that have changed the tables.
const SELECT_STEPS: &str = "SELECT version FROM seaql_migrations";

impl Poller {
    async fn run(mut self, wake: Arc<Notify>) {
        loop {
            _ = tokio::time::timeout(POLL_INTERVAL, wake.notified()).await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "reading what other servers stored failed; retrying in 1 s");
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }

    async fn look(&mut self) -> Result<(), DbErr> {
        // Read before the snapshot: everything up to there is on disk.
        let before = *self.watermark.borrow();
        let snapshot = HistorySnapshot::of(&self.reader).await?;
        let (history, seen) = &self.seen;
        // Subscribers know already of a history that began since the last poll, and none of its rows may be skipped.
        let continues = (*history != before.history || snapshot.continues(seen))
            && snapshot.metric >= before.metric
            && snapshot.session >= before.session;
        if continues {
            if *history == before.history && snapshot.deletions > seen.deletions {
                Watermark::note_deletions(&self.watermark);
            }
            let raised = Watermark::first(&snapshot);
            self.watermark.send_if_modified(|watermark| {
                let old = *watermark;
                // If the history was replaced meanwhile, these numbers are not of the present one.
                if old.history == before.history {
                    watermark.raise(raised);
                }
                *watermark != old
            });
        } else if self.watermark.borrow().history == before.history && !(self.check_later)(before.history) {
            self.history.forget();
            Watermark::restart(Continuity::Replaced, &snapshot, &self.watermark);
        }
        self.seen = (before.history, snapshot);
        self.check_version().await
    }

    /// Looks whether a newer version has changed the tables. This one would store what that one does not expect.
    async fn check_version(&self) -> Result<(), DbErr> {
        let steps = self.reader.select::<String, 0>(SELECT_STEPS, []).await?;
        let own: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
        let newer = steps.iter().find(|step| !own.contains(step));
        let was_outdated = self.is_outdated.swap(newer.is_some(), Ordering::Relaxed);
        if let Some(step) = newer.filter(|_| !was_outdated) {
            tracing::error!(
                step,
                "a newer version has changed the tables: nothing is stored any more; start that version in place of this one"
            );
        }
        Ok(())
    }
}
