//! Announces a session, before or after its first metrics.

use std::borrow::Cow;

use entity::{
    driver::keys,
    table::{session, session_tag, tag},
    time::LocalDateTime,
};
use sea_orm::{ActiveValue::Set, DbErr, IntoActiveModel as _, sea_query::Value};

use crate::{
    error::{Code, Error},
    ingest::{
        batch::Batch,
        branch::value_of,
        job::Job,
        latest_runs,
        names::Name,
        queue::Ingest,
        runs::{self, Arrival},
        statements,
    },
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
    /// The project, where it is given besides the tags; it wins over the tag `project`.
    pub project: Option<String>,
    /// Set if this is brought from a source, and may be stored already with more tags, or a revision.
    pub defaults: Option<Defaults>,
}

/// What a session that is brought gets besides, unless it is stored already or has its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// The revision under test.
    pub scm_ref: Option<String>,
    /// Names and values.
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

/// Where a session belongs, by its tags.
pub(crate) struct Place {
    pub project_id: i64,
    pub pipeline_id: Option<i64>,
    /// A pipeline without a build number has the build without a name.
    pub build_id: Option<i64>,
    /// Whether the build has a name.
    pub is_numbered: bool,
    pub branch_id: Option<i64>,
}

/// Returns where a session with these tags belongs. New names are stored.
pub(crate) async fn place(
    batch: &mut Batch<'_>,
    project: Option<&str>,
    tags: &[(String, String)],
) -> Result<Place, DbErr> {
    let Batch { tx, names, .. } = &mut *batch;
    let project = project.or_else(|| value_of(tags, "project")).unwrap_or_default();
    let project_id = names.projects.key(tx, Name::of([project])).await?;
    let (mut pipeline_id, mut build_id) = (None, None);
    let number = value_of(tags, "pipeline_build_no");
    if let Some(name) = value_of(tags, "pipeline_branch") {
        let pipeline = names.pipelines.key(tx, Name::of_pipeline((project_id, project), [name])).await?;
        let build = Name::within(pipeline, [number.unwrap_or_default()]);
        (pipeline_id, build_id) = (Some(pipeline), Some(names.builds.key(tx, build).await?));
    }
    let branch_id = batch.branch(project_id, tags).await?;
    Ok(Place { project_id, pipeline_id, build_id, is_numbered: number.is_some(), branch_id })
}

impl Place {
    /// Returns a session of this place as it comes into a run.
    pub fn arrival(
        &self,
        (scm_ref, run_date, tags): (Option<&str>, i64, &[(String, String)]),
        is_measured: bool,
        machine: Option<String>,
    ) -> Arrival {
        let build_id = self.build_id.filter(|_| self.is_numbered);
        let (kind, digest) = runs::key(self.project_id, build_id, scm_ref, tags);
        Arrival {
            kind,
            digest,
            project_id: self.project_id,
            pipeline_id: self.pipeline_id,
            build_id,
            branch_id: self.branch_id,
            scm_ref: scm_ref.map(str::to_owned),
            run_date,
            is_measured,
            machine,
        }
    }
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
            let is_same =
                if self.defaults.is_some() { self.is_within(&stored, &tags) } else { self.is(&stored, &tags) };
            if is_same {
                batch.watermark.session = batch.watermark.session.max(announced);
            }
            return Ok((Announced { row: stored, tags }, is_same));
        }
        let completed = self.completed();
        let place = place(batch, self.project.as_deref(), &completed.tags).await?;
        let announced = keys::next(&batch.tx, "session", "announced").await?;
        let metric_count = stored.metric_count;
        let machine = if metric_count > 0 { runs::machine_of(&batch.tx, id).await? } else { None };
        let arrival = place.arrival(completed.described(), metric_count > 0, machine.clone());
        let run_id = runs::join(&batch.tx, &[arrival]).await?.pop();
        let Place { project_id, build_id, branch_id, .. } = place;
        let row = session::ActiveModel {
            announced: Set(Some(announced)),
            run_date: Set(Some(self.run_date.micros)),
            run_date_text: Set(self.run_date.text.clone()),
            scm_ref: Set(completed.scm_ref.clone()),
            build_id: Set(build_id),
            project_id: Set(Some(project_id)),
            branch_id: Set(branch_id),
            run_id: Set(run_id),
            machine: Set(machine),
            received_at: Set(Some(batch.now)),
            last_received_at: Set(Some(batch.now)),
            ..stored.into_active_model()
        };
        let row = batch.tx.update(row).await?;
        latest_runs::note_of_sessions(&batch.tx, &[id]).await?;
        let names: Vec<_> = completed.tags.iter().map(|(name, value)| Name::of([name, value])).collect();
        let keys = batch.names.tags.keys(&batch.tx, &names).await?;
        session_tag::insert(&batch.tx, id, &keys).await?;
        if let (Some(build), true) = (build_id, metric_count > 0) {
            let values = [Value::from(id), Value::from(build)];
            batch.tx.run(statements::JOIN_BUILD, values).await?;
        }
        let tags = keys.into_iter().zip(&completed.tags);
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
    /// What its run is found by: revision, run date in microseconds, tags.
    fn described(&self) -> (Option<&str>, i64, &[(String, String)]) {
        (self.scm_ref.as_deref(), self.run_date.micros, &self.tags)
    }

    /// Returns it with the defaults that it lacks.
    fn completed(&self) -> Cow<'_, Self> {
        let Some(Defaults { scm_ref, tags }) = &self.defaults else { return Cow::Borrowed(self) };
        let mut completed = self.clone();
        if completed.scm_ref.as_deref().unwrap_or_default().is_empty() && scm_ref.is_some() {
            completed.scm_ref.clone_from(scm_ref);
        }
        for (name, value) in tags {
            if !self.tags.iter().any(|(own, _)| own == name) {
                completed.tags.push((name.clone(), value.clone()));
            }
        }
        Cow::Owned(completed)
    }

    /// Whether what was stored has all that this has, where this is brought from a source.
    fn is_within(&self, stored: &session::Model, tags: &[tag::Model]) -> bool {
        let own = self.scm_ref.as_deref().unwrap_or_default();
        stored.run_date().as_ref() == Some(&self.run_date)
            && (own.is_empty() || stored.scm_ref.as_deref().unwrap_or_default() == own)
            && self.tags.iter().all(|(name, value)| tags.iter().any(|tag| tag.name == *name && tag.value == *value))
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
