//! Notes when a token was last sent.

use entity::table::access_token;
use sea_orm::DbErr;

use crate::{
    error::Error,
    ingest::{batch::Batch, job::Job, queue::Ingest},
};

struct NoteTokenUse {
    token: i64,
    /// Microseconds since 1970 in UTC.
    at: i64,
}

impl Job for NoteTokenUse {
    type Stored = ();
    type Answer = ();

    async fn store(&self, batch: &mut Batch<'_>) -> Result<(), DbErr> {
        access_token::note_use(&batch.tx, self.token, self.at).await
    }

    fn answer(self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

impl Ingest {
    /// Notes that the token with this key was sent at `now` (microseconds since 1970 in UTC), without waiting. Returns whether there
    /// was room in the queue. A server that stores nothing notes nothing.
    pub(crate) fn note_token_use(&self, token: i64, now: i64) -> bool {
        self.is_read_only() || self.send(NoteTokenUse { token, at: now })
    }
}
