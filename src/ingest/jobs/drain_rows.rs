//! Deletes rows of metrics that are sealed, some at a time.

use entity::history;
use sea_orm::DbErr;

use crate::{
    error::Error,
    ingest::{batch::Batch, job::Job, queue::WeakIngest},
};

/// The rows with keys up to this one.
struct DrainRows(i64);

impl Job for DrainRows {
    type Stored = ();
    type Answer = ();

    async fn store(&self, batch: &mut Batch<'_>) -> Result<(), DbErr> {
        if batch.continues {
            history::drain(&batch.tx, self.0).await?;
        }
        Ok(())
    }

    fn answer(self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

impl WeakIngest {
    /// Deletes the rows of sealed metrics with keys up to `until`.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub(crate) async fn drain(&self, until: i64) -> Result<(), Error> {
        self.run(DrainRows(until)).await
    }
}
