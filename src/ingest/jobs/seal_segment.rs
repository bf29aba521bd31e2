//! Stores a segment: metrics that are on disk already, as compressed columns.

use entity::history::NewSegment;
use sea_orm::DbErr;

use crate::{
    error::Error,
    ingest::{batch::Batch, job::Job, queue::WeakIngest},
};

struct SealSegment(NewSegment);

impl Job for SealSegment {
    type Stored = ();
    type Answer = ();

    async fn store(&self, batch: &mut Batch<'_>) -> Result<(), DbErr> {
        // Another server may have sealed the same metrics meanwhile, or the history may be another one.
        if batch.continues {
            self.0.store(&batch.tx).await?;
        }
        Ok(())
    }

    fn answer(self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

impl WeakIngest {
    /// Stores a segment.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub(crate) async fn seal(&self, segment: NewSegment) -> Result<(), Error> {
        let timer = self.figures.sealing();
        let stored = self.run(SealSegment(segment)).await;
        if stored.is_ok() {
            timer.observe_duration();
        } else {
            timer.stop_and_discard();
        }
        stored
    }
}
