//! Deletes sessions: from the commit on, everything answers as if they had never been there. What is left of their metrics in rows and
//! segments is hidden, and cleared away later.

use entity::{
    query::{Removal, Store},
    table::session,
};
use sea_orm::DbErr;

use crate::{
    error::{Code, Error},
    ingest::{
        audit::{self, Audited},
        batch::Batch,
        deletion::{self, Deleted},
        job::Job,
        limits::MAX_BATCH_ROWS,
        queue::Ingest,
    },
};

/// How often what is deleted is read again because it changed meanwhile.
const MAX_TRIES: u32 = 10;
/// Metrics that one transaction deletes, unless a single session has more: other writers wait for it.
const MAX_METRICS: i64 = 10_000;

/// Why sessions were not deleted, or not all of them.
#[derive(Debug)]
pub struct Incomplete {
    /// The reason.
    pub error: Error,
    /// What was deleted before.
    pub deleted: Deleted,
}

struct DeleteSessions {
    removal: Removal,
    audited: Audited,
    /// The audit record of those that were deleted before.
    record: Option<i64>,
}

impl Job for DeleteSessions {
    /// What was deleted, and the audit record. `None` if more has changed meanwhile than can be made up for.
    type Stored = Option<(Deleted, Option<i64>)>;
    type Answer = Self::Stored;

    fn rows(&self) -> usize {
        self.removal.metrics.len().clamp(1, MAX_BATCH_ROWS)
    }

    async fn store(&self, batch: &mut Batch<'_>) -> Result<Self::Stored, DbErr> {
        let Some(removal) = self.removal.brought_up_to_date(&batch.tx).await? else { return Ok(None) };
        let deleted = deletion::delete(batch, &removal).await?;
        if deleted == Deleted::default() {
            return Ok(Some((deleted, self.record)));
        }
        let record = audit::note(batch, self.record, &self.audited, deleted).await?;
        Ok(Some((deleted, Some(record))))
    }

    fn answer(self, stored: Self::Stored) -> Result<Self::Answer, Error> {
        Ok(stored)
    }
}

impl Ingest {
    /// Deletes these sessions, in parts: so few metrics at a time that other writers hardly wait. Those that are not there any more are
    /// left out.
    ///
    /// # Errors
    /// [`Incomplete`]: [`Code::Conflict`] if they change all the time, and the errors of [`Self::run`].
    pub(crate) async fn delete_sessions(
        &self,
        store: &Store,
        sessions: &[session::Model],
        audited: &Audited,
    ) -> Result<Deleted, Incomplete> {
        let (mut deleted, mut rest, mut record) = (Deleted::default(), sessions, None);
        while !rest.is_empty() {
            let mut metrics = 0;
            let fits = |session: &&session::Model| {
                metrics += session.metric_count;
                metrics <= MAX_METRICS
            };
            let fitting = rest.iter().take_while(fits).count().max(1);
            let (part, later) = rest.split_at(fitting);
            let ids = part.iter().map(|session| session.id).collect();
            let of_part = self.delete_part(store, ids, audited, record).await;
            let (of_part, of_record) = of_part.map_err(|error| Incomplete { error, deleted })?;
            deleted.sessions += of_part.sessions;
            deleted.metrics += of_part.metrics;
            (rest, record) = (later, of_record);
        }
        Ok(deleted)
    }

    /// Deletes the sessions with these keys, all or none.
    async fn delete_part(
        &self,
        store: &Store,
        ids: Vec<i64>,
        audited: &Audited,
        record: Option<i64>,
    ) -> Result<(Deleted, Option<i64>), Error> {
        for _ in 0..MAX_TRIES {
            let removal = Removal::of(store, ids.clone()).await?;
            if let Some(deleted) = self.run(DeleteSessions { removal, audited: audited.clone(), record }).await? {
                return Ok(deleted);
            }
        }
        let message = "these sessions change all the time: try again once their runs have ended";
        Err(Error::new(Code::Conflict, message))
    }
}
