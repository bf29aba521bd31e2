//! Checks whether the history continues: the committer does so at the beginning of each transaction.

use sea_orm::DbErr;

use crate::{
    error::Error,
    ingest::{batch::Batch, job::Job, queue::Ingest},
};

/// The history with this number does not seem to continue.
struct CheckHistory(u64);

impl Job for CheckHistory {
    type Stored = ();
    type Answer = ();

    fn doubts(&self, history: u64) -> bool {
        self.0 == history
    }

    async fn store(&self, _: &mut Batch<'_>) -> Result<(), DbErr> {
        Ok(())
    }

    fn answer(self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

/// Has the committer check a history. Returns whether there is a committer.
pub(crate) type CheckLater = Box<dyn Fn(u64) -> bool + Send + Sync>;

impl Ingest {
    /// Returns what has a history checked, without keeping the committer at work. A check that finds no room in the queue is dropped: the
    /// next look asks for another one.
    pub(crate) fn history_checks(&self) -> CheckLater {
        if self.is_read_only() {
            return Box::new(|_| false);
        }
        let queue = self.downgrade();
        Box::new(move |history| {
            queue.send(CheckHistory(history));
            true
        })
    }
}
