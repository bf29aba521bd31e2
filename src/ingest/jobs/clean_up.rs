//! Clears away, a little at a time, what is left of deleted sessions. No answer depends on it.

use entity::history::{self, Deletions, Replacement};
use sea_orm::DbErr;

use crate::{
    error::Error,
    ingest::{batch::Batch, job::Job, queue::WeakIngest},
};

/// A step.
pub(crate) enum CleanUp {
    /// Stores a segment in the place of one with metrics of deleted sessions; at this time, in microseconds since 1970 in UTC.
    Replace(Box<Replacement>, i64),
    /// Deletes the rows with these keys.
    DeleteRows(Vec<i64>),
    /// Deletes a segment that was replaced.
    DropReplaced(i64),
    /// Gives up to so many free pages back to the system.
    GiveBack(u32),
    /// Notes that nothing is left of these deletions.
    Complete(Deletions),
}

impl Job for CleanUp {
    type Stored = ();
    type Answer = ();

    async fn store(&self, batch: &mut Batch<'_>) -> Result<(), DbErr> {
        match self {
            Self::Replace(replacement, now) => replacement.store(&batch.tx, *now).await,
            Self::DeleteRows(keys) => history::delete_rows(&batch.tx, keys).await,
            Self::DropReplaced(segment) => history::drop_replaced(&batch.tx, *segment).await,
            Self::GiveBack(pages) => batch.tx.give_back(*pages).await,
            Self::Complete(deletions) => deletions.complete(&batch.tx).await,
        }
    }

    fn answer(self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

impl WeakIngest {
    /// Takes a step.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub(crate) async fn clean_up(&self, step: CleanUp) -> Result<(), Error> {
        self.run(step).await
    }
}
