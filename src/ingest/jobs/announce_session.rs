//! Announces a session, before or after its first metrics.

use entity::{
    driver::keys,
    table::{session, session_tag, tag},
    time::LocalDateTime,
};
use sea_orm::{ActiveValue::Set, DbErr, IntoActiveModel as _, sea_query::Value};

use crate::{
    error::{Code, Error},
    ingest::{batch::Batch, job::Job, names::Name, queue::Ingest, statements},
};

/// A session's announcement.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// What metrics call it.
    pub hash: String,
    /// When the run began.
    pub run_date: LocalDateTime,
    /// The revision under test.
    pub scm_ref: Option<String>,
    /// Names and values in the order given.
    pub tags: Vec<(String, String)>,
}

/// A session as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    /// Its row.
    pub row: session::Model,
    /// Its tags, in their order.
    pub tags: Vec<tag::Model>,
}

impl Job for NewSession {
    /// The stored session, and whether it is what was announced.
    type Stored = (Announced, bool);
    type Answer = Announced;

    async fn store(&self, batch: &mut Batch<'_>) -> Result<(Announced, bool), DbErr> {
        let id = batch.names.sessions.key(&batch.tx, Name::of([&self.hash])).await?;
        let stored = batch.row::<session::Entity>(id).await?;
        if let Some(announced) = stored.announced {
            let tags = session_tag::by_sessions(&batch.tx, &[id]).await?.remove(&id).unwrap_or_default();
            let is_same = self.is(&stored, &tags);
            if is_same {
                batch.watermark.session = batch.watermark.session.max(announced);
            }
            return Ok((Announced { row: stored, tags }, is_same));
        }
        let build_id = self.build(batch).await?;
        let announced = keys::next(&batch.tx, "session", "announced").await?;
        let metric_count = stored.metric_count;
        let row = session::ActiveModel {
            announced: Set(Some(announced)),
            run_date: Set(Some(self.run_date.micros)),
            run_date_text: Set(self.run_date.text.clone()),
            scm_ref: Set(self.scm_ref.clone()),
            build_id: Set(build_id),
            ..stored.into_active_model()
        };
        let row = batch.tx.update(row).await?;
        let names: Vec<_> = self.tags.iter().map(|(name, value)| Name::of([name, value])).collect();
        let keys = batch.names.tags.keys(&batch.tx, &names).await?;
        session_tag::insert(&batch.tx, id, &keys).await?;
        if let (Some(build), true) = (build_id, metric_count > 0) {
            let values = [Value::from(id), Value::from(build)];
            batch.tx.run(statements::JOIN_BUILD, values).await?;
        }
        let tags = keys.into_iter().zip(&self.tags);
        let tags =
            tags.map(|(id, (name, value))| tag::Model { id, name: name.clone(), value: value.clone() }).collect();
        batch.watermark.session = batch.watermark.session.max(announced);
        Ok((Announced { row, tags }, true))
    }

    fn answer(self, (announced, is_same): (Announced, bool)) -> Result<Announced, Error> {
        if is_same {
            return Ok(announced);
        }
        let message =
            format!("session '{}' is known with another run date, revision or tags: use a new hash", self.hash);
        Err(Error::new(Code::Conflict, message))
    }
}

impl NewSession {
    /// The build that the tags name: a pipeline without a build number has the build without a name.
    async fn build(&self, batch: &mut Batch<'_>) -> Result<Option<i64>, DbErr> {
        let tag = |name| self.tags.iter().find(|(tag, _)| tag == name).map_or("", |(_, value)| value.as_str());
        let (pipeline, build) = (tag("pipeline_branch"), tag("pipeline_build_no"));
        if pipeline.is_empty() {
            return Ok(None);
        }
        let pipeline = batch.names.pipelines.key(&batch.tx, Name::of([pipeline])).await?;
        Ok(Some(batch.names.builds.key(&batch.tx, Name::within(pipeline, [build])).await?))
    }

    /// Whether this is what was stored. The order of tags does not matter, nor does a missing revision differ from an empty one.
    fn is(&self, stored: &session::Model, tags: &[tag::Model]) -> bool {
        let mut stored_tags: Vec<_> = tags.iter().map(|tag| (&tag.name, &tag.value)).collect();
        let mut new_tags: Vec<_> = self.tags.iter().map(|(name, value)| (name, value)).collect();
        stored_tags.sort();
        new_tags.sort();
        stored.run_date().as_ref() == Some(&self.run_date)
            && stored.scm_ref.as_deref().unwrap_or("") == self.scm_ref.as_deref().unwrap_or("")
            && stored_tags == new_tags
    }
}

impl Ingest {
    /// Announces a session. Announcing it again with the same payload returns the stored one.
    ///
    /// # Errors
    /// [`Code::Conflict`] when the hash is known with another payload, and those of [`Self::run`].
    pub(crate) async fn announce_session(&self, session: NewSession) -> Result<Announced, Error> {
        self.run(session).await
    }
}
