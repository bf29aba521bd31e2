//! Deletes sessions: from the commit on, everything answers as if they had never been there. What is left of their metrics in rows and
//! segments is hidden, and cleared away later.

use entity::query::{Removal, Store};
use sea_orm::DbErr;

use crate::{
    error::{Code, Error},
    ingest::{
        batch::Batch,
        deletion::{self, Deleted},
        job::Job,
        limits::MAX_BATCH_ROWS,
        queue::Ingest,
    },
};

/// How often what is deleted is read again because it changed meanwhile.
const MAX_TRIES: u32 = 10;

struct DeleteSessions(Removal);

impl Job for DeleteSessions {
    /// `None` if more has changed meanwhile than can be made up for.
    type Stored = Option<Deleted>;
    type Answer = Option<Deleted>;

    fn rows(&self) -> usize {
        self.0.metrics.len().clamp(1, MAX_BATCH_ROWS)
    }

    async fn store(&self, batch: &mut Batch<'_>) -> Result<Option<Deleted>, DbErr> {
        match self.0.brought_up_to_date(&batch.tx).await? {
            Some(removal) => deletion::delete(batch, &removal).await.map(Some),
            None => Ok(None),
        }
    }

    fn answer(self, stored: Option<Deleted>) -> Result<Option<Deleted>, Error> {
        Ok(stored)
    }
}

impl Ingest {
    /// Deletes the sessions with these keys, all or none. Those that are not there any more are left out.
    ///
    /// # Errors
    /// [`Code::Conflict`] if they change all the time, and those of [`Self::run`].
    pub(crate) async fn delete_sessions(&self, store: &Store, sessions: &[i64]) -> Result<Deleted, Error> {
        for _ in 0..MAX_TRIES {
            let removal = Removal::of(store, sessions.to_vec()).await?;
            if let Some(deleted) = self.run(DeleteSessions(removal)).await? {
                return Ok(deleted);
            }
        }
        let message = "these sessions change all the time: try again once their runs have ended";
        Err(Error::new(Code::Conflict, message))
    }
}
