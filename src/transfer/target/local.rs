//! A database, in this process.

use futures_util::future::join_all;

use crate::{
    db::Database,
    error::{Code, Error},
    ingest::{Ingest, Missing, NewContext, NewSession, NumberedMetric},
    transfer::{record::Refusal, target::Target},
};

/// Announcements that are stored together.
const ANNOUNCED_AT_ONCE: usize = 500;

/// A database that is written to.
pub(crate) struct Local<'a> {
    /// The database.
    pub database: &'a Database,
    /// Its queue.
    pub ingest: &'a Ingest,
}

impl Target for Local<'_> {
    async fn contexts(&mut self, contexts: Vec<NewContext>) -> Result<(), Error> {
        for part in contexts.chunks(ANNOUNCED_AT_ONCE) {
            let announced = part.iter().map(|context| self.ingest.announce_context(context.clone()));
            join_all(announced).await.into_iter().try_for_each(|stored| stored.map(drop))?;
        }
        Ok(())
    }

    async fn sessions(&mut self, sessions: Vec<NewSession>) -> Result<Vec<Refusal>, Error> {
        let mut refusals = Vec::new();
        for part in sessions.chunks(ANNOUNCED_AT_ONCE) {
            let announced = part.iter().map(|session| self.ingest.announce_session(session.clone()));
            for (announced, session) in join_all(announced).await.into_iter().zip(part) {
                match announced {
                    Ok(_) => {}
                    Err(error) if error.code == Code::Conflict => {
                        refusals.push(Refusal { place: format!("session {}", session.hash), reason: error.message });
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(refusals)
    }

    async fn metrics(&mut self, metrics: Vec<NumberedMetric>) -> Result<Missing, Error> {
        self.ingest.record_missing(&self.database.store, metrics).await
    }
}
